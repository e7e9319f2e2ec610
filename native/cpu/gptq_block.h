// One block of columns of GPTQ (Frantar et al., 2022), for all rows of a weight.
//
//   weight (rows, cols) f32     what is left to represent; columns [start, end) are updated in place
//   spread (cols, cols) f32     upper Cholesky factor of the inverse Hessian
//   quantized (rows, cols) f32  columns [start, end) receive the values that the codes stand for
//   errors (rows, end - start)  (w - q) / pivot of each column, for the update of the columns after the block
//   scales (rows / channel_group, groups) f32   one per group entered in the block
//
// Rows are independent but for scales shared by channel_group adjacent ones; a task takes a few such groups.
// Cost: (end - start)^2 rows operations; the block of a row stays in the first-level cache.
#pragma once

#include <cstdint>

namespace atom {

/// How a group's scale is found when its first column is reached.
struct GroupScaleRule {
  int32_t format;         // ElementFormat: integers or four-bit floats
  int32_t published;      // 1: integers span 2 * peak in 2^bits - 1 steps, as Atom's GPTQ has it; 0: peak in 2^(bits-1) - 1
  int32_t stale;          // 1: the scale sees the weights as they were before the block, as published
  int32_t round_to_fp16;  // 1: scales are rounded to FP16 before they are used
  int32_t search_steps;   // 0: `clip` as given; else the clip ratio is searched in [search_low, 1]
  float clip;
  float search_low;
  float tensor_scale;     // nvfp4
};

using GptqBlockFn = void(float* weight, float* quantized, float* errors, const float* spread, float* scales,
                         const GroupScaleRule* rule, const float* importance, int64_t rows, int64_t cols, int64_t start,
                         int64_t end, int64_t group_size, int64_t groups, int64_t channel_group);

//   The update of the columns after a block: weight (rows, cols)[:, end:] -= errors (rows, end - start) spread[start:end, end:]
//   cost: 2 rows (end - start) (cols - end) operations
using GptqSpreadFn = void(float* weight, const float* errors, const float* spread, int64_t rows, int64_t cols,
                          int64_t start, int64_t end);

}  // namespace atom
