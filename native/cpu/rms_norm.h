// Root-mean-square normalisation, row by row (Zhang and Sennrich, 2019), finished in the form the next linear wants.
#pragma once

#include <cstdint>

#include "activation.h"

namespace atom {

//   x (n, channels) f32, weight (channels) f32  ->  rows [0, rows) of out
//   picked (rows) i32 or null: row r of out comes from row picked[r] of x
//   cost: 8 bytes and 4 operations per element, and what storing a row costs
using RmsNormFn = void(const float* x, const float* weight, float epsilon, const ActivationSpec* out, int64_t rows,
                       const int32_t* picked);

}  // namespace atom
