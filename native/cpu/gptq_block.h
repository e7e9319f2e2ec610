// One block of columns of GPTQ (Frantar et al., 2022), for all rows of a weight; with pruning, of SparseGPT (Frantar and
// Alistarh, 2023); without a spread, rounding to nearest.
//
//   weight (rows, cols) f32     what is left to represent; columns [start, end) are updated in place
//   spread (cols, cols) f32     upper Cholesky factor of the inverse Hessian, or null: errors stay where they are
//   quantized (rows, cols) f32  columns [start, end) receive the values that the codes stand for
//   errors (rows, end - start)  minus (w - q) / pivot of each column, for the update of the columns after the block
//   scales (rows / channel_group, groups) f32   one per group entered in the block
//   importance (cols) f32       what a squared error of each column weighs when clip ratios are searched, or null
//
// Rows are independent but for scales shared by channel_group adjacent ones; a task takes a few such groups.
// Cost: (end - start)^2 rows operations; the block of a row stays in the first-level cache.
#pragma once

#include <cstdint>

namespace atom {

/// How a group's scale is found when its first column is reached, and which weights become zero.
struct GroupScaleRule {
  int32_t format;         // ElementFormat; none leaves values as they are
  int32_t published;      // 1: integers span 2 * peak in 2^bits - 1 steps, as Atom's GPTQ has it; 0: peak in 2^(bits-1) - 1
  int32_t stale;          // 1: the scale sees the weights as they were before the block, as published
  int32_t round_to_fp16;  // 1: scales are rounded to FP16 before they are used
  int32_t search_steps;   // 0: `clip` as given; else the clip ratio is searched in [search_low, 1]
  int32_t either_sign;    // 1: the search tries scales of both signs, whose codes span peak in 2^(bits-1)
  int32_t prune_of;       // of every prune_of columns ...
  int32_t prune_count;    // ... this many become zero, those of least w^2 / pivot^2
  float clip;
  float search_low;
  float tensor_scale;     // nvfp4
  float prune_below;      // weights of less w^2 / pivot^2 become zero
};

using GptqBlockFn = void(float* weight, float* quantized, float* errors, const float* spread, float* scales,
                         const GroupScaleRule* rule, const float* importance, int64_t rows, int64_t cols, int64_t start,
                         int64_t end, int64_t group_size, int64_t groups, int64_t channel_group);

//   The w^2 / pivot^2 that `share` of the block's weights are below (SparseGPT's mask, chosen block by block).
//   `costs` (rows, end - start) is scratch.
using PruneThresholdFn = double(const float* weight, const float* spread, float* costs, int64_t rows, int64_t cols,
                                int64_t start, int64_t end, double share);

}  // namespace atom
