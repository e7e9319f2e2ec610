// One token of a row of logits: what softmax(logits / temperature) and the filters leave, and a draw from it.
#pragma once

#include <cstdint>

namespace atom {

//   logits (vocab) f32, NaN and minus infinity are never taken  ->  the token's id, -1 where there is none to take
//
//   filters, in this order   min_p: tokens of less than min_p times the best one's probability go
//                            top_k: all but the most probable so many go; 0 keeps all
//                            top_p: those after the most probable ones that together reach top_p go
//   Of equals the lower id is the more probable one; the best token stays whatever filters say. `draw` in [0, 1) falls upon
//   a token of those left, which lie side by side by id, each as wide as it is probable. Temperature 0 takes the best.
//
//   cost: 12 bytes and an exponential per logit; with top_k or top_p about six passes more, from cache
using SampleFn = int64_t(const float* logits, int64_t vocab, double temperature, int64_t top_k, double top_p, double min_p,
                         double draw);

}  // namespace atom
