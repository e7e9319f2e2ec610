// Quantize and dequantize rows: what simulated models compute with.
#pragma once

#include <cstdint>

namespace atom {

//   x (rows, cols) f32 -> out (rows, cols) f32, out may be x
//   the first cols - outliers values of a row in groups in one format, the last `outliers` as one group in another
//   formats are ElementFormat numbers; group_size 0 means one group
//   cost: 8 bytes and about 6 operations per element for integers
using FakeQuantFn = void(const float* x, float* out, int64_t rows, int64_t cols, int32_t format, int64_t group_size,
                         int32_t range, float clip, int64_t outliers, int32_t outlier_format, float outlier_clip,
                         int32_t hadamard);

}  // namespace atom
