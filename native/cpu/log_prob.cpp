#include "log_prob.h"

#include <algorithm>
#include <cmath>

#include "threads.h"

namespace atom::ATOM_ISA {

void log_prob(const float* logits, const int32_t* tokens, float* out, int64_t rows, int64_t vocab) {
  parallel_for(rows, [=](int64_t row, int) {
    const float* x = logits + row * vocab;
    float largest = x[0];
    for (int64_t i = 1; i < vocab; ++i) largest = std::max(largest, x[i]);
    // In double: a float sum over a vocabulary of 100,000 would cost three digits.
    double sum = 0;
    for (int64_t i = 0; i < vocab; ++i) sum += std::exp(x[i] - largest);
    out[row] = static_cast<float>(static_cast<double>(x[tokens[row]]) - largest - std::log(sum));
  });
}

}  // namespace atom::ATOM_ISA
