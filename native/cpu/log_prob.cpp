#include "log_prob.h"

#include <algorithm>
#include <cmath>

#include "logits.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

/// Sum of e^(x - largest), NaN where an x is.
double sum_of_exponentials(const float* x, int64_t count, float largest) {
  double sum = 0;
  for (int64_t block = 0; block < count; block += kBlock) {
    const int64_t end = std::min(block + kBlock, count);
    VecF lanes = {};
    int64_t i = block;
    for (; i + kLanes <= end; i += kLanes) lanes += exponential(load(x + i) - largest);
    sum += static_cast<double>(sum_lanes(lanes));
    for (; i < end; ++i) sum += static_cast<double>(std::exp(x[i] - largest));
  }
  return sum;
}

}  // namespace

double log_total(const float* logits, int64_t vocab) {
  const float largest = largest_of(logits, vocab);
  return largest + std::log(sum_of_exponentials(logits, vocab, largest));
}

void log_prob(const float* logits, const int32_t* tokens, float* out, int64_t rows, int64_t vocab) {
  parallel_for(rows, [=](int64_t row, int) {
    const float* x = logits + row * vocab;
    out[row] = static_cast<float>(static_cast<double>(x[tokens[row]]) - log_total(x, vocab));
  });
}

}  // namespace atom::ATOM_ISA
