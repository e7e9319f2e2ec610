// Root-mean-square normalisation, row by row (Zhang and Sennrich, 2019).
#pragma once

#include <cstdint>

namespace atom {

//   x (rows, cols) f32, weight (cols) f32  ->  out (rows, cols) f32; out may be x
//   cost: 8 bytes and 4 operations per element
using RmsNormFn = void(const float* x, const float* weight, float* out, int64_t rows, int64_t cols, float epsilon);

}  // namespace atom
