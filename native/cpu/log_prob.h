// Log-probability of one token per row: log softmax(logits)[token].
#pragma once

#include <cstdint>

namespace atom {

//   logits (rows, vocab) f32, tokens (rows) i32  ->  out (rows) f32
//   cost: 8 bytes and one exponential per logit; the second pass reads from cache
//   NaN where a logit of the row is
using LogProbFn = void(const float* logits, const int32_t* tokens, float* out, int64_t rows, int64_t vocab);

/// log of the sum of e^logits (vocab), to be taken off a logit for its log-probability.
using LogTotalFn = double(const float* logits, int64_t vocab);

}  // namespace atom
