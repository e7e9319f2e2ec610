#include "log_prob.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

// Sums are taken in floats over a block, and in double over the blocks: a float sum over a vocabulary of 100,000 would cost
// three digits.
constexpr int64_t kBlock = 256;

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
  VecF peaks = broadcast(-std::numeric_limits<float>::infinity());
  int64_t i = 0;
  for (; i + kLanes <= vocab; i += kLanes) peaks = maximum(load(logits + i), peaks);
  float largest = max_lanes(peaks);
  for (; i < vocab; ++i) largest = std::max(largest, logits[i]);
  return largest + std::log(sum_of_exponentials(logits, vocab, largest));
}

void log_prob(const float* logits, const int32_t* tokens, float* out, int64_t rows, int64_t vocab) {
  parallel_for(rows, [=](int64_t row, int) {
    const float* x = logits + row * vocab;
    out[row] = static_cast<float>(static_cast<double>(x[tokens[row]]) - log_total(x, vocab));
  });
}

}  // namespace atom::ATOM_ISA
