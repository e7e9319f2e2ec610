// Statistics of each column over many rows, gathered call by call: what channels are sorted and clipped by.
#pragma once

#include <cstdint>

namespace atom {

//   x (rows, cols) f32; added to: sum_squares (cols) f64, sum_magnitudes (cols) f64; raised: peaks (cols) f32
//   NaN and infinities show in the sums
//   cost: 4 bytes and 4 operations per element; a task owns some columns, so sums do not depend on the thread count
using ColumnStatisticsFn = void(const float* x, int64_t rows, int64_t cols, double* sum_squares, double* sum_magnitudes,
                                float* peaks);

}  // namespace atom
