// A matrix turned: out = x^T, so that products along rows can be taken along columns.
#pragma once

#include <cstdint>

namespace atom {

//   x (rows, cols) f32, rows `pitch` apart  ->  out (cols, rows) f32, rows `out_pitch` apart
//   cost: 8 bytes per element; squares of 16 x 16 keep both sides in the first-level cache
using TransposeFn = void(const float* x, int64_t pitch, float* out, int64_t out_pitch, int64_t rows, int64_t cols);

}  // namespace atom
