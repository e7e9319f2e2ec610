#include "rms_norm.h"

#include <cmath>

#include "simd.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

// The sum of squares runs in double: with a single huge channel a float sum would lose the others.
double mean_square(const float* x, int64_t cols) {
  double sum = 0;
  for (int64_t i = 0; i < cols; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum / static_cast<double>(cols);
}

}  // namespace

void rms_norm(const float* x, const float* weight, float* out, int64_t rows, int64_t cols, float epsilon) {
  parallel_for(rows, [=](int64_t row, int) {
    const float* in = x + row * cols;
    float* to = out + row * cols;
    const float scale = static_cast<float>(1.0 / std::sqrt(mean_square(in, cols) + epsilon));
    for (int64_t i = 0; i < cols; ++i) to[i] = in[i] * scale * weight[i];
  });
}

}  // namespace atom::ATOM_ISA
