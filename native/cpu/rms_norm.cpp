#include "rms_norm.h"

#include <cmath>

#include "memory.h"
#include "threads.h"
#include "unrolled.h"

namespace atom::ATOM_ISA {

namespace {

// The sum of squares runs in double: with a single huge channel a float sum would lose the others. Of its 32 lanes eight
// are added to at a time, for each must wait for what was added before.
double mean_square(const float* x, int64_t cols) {
  typedef double Eight __attribute__((vector_size(64)));
  typedef float EightF __attribute__((vector_size(32)));
  Eight four[4] = {};
  int64_t i = 0;
  for (; i + 32 <= cols; i += 32) {
    unroll<4>([&](auto v) {
      EightF values;
      __builtin_memcpy(&values, x + i + 8 * v, sizeof values);
      const Eight wide = __builtin_convertvector(values, Eight);
      four[v] += wide * wide;
    });
  }
  const Eight sums = (four[0] + four[2]) + (four[1] + four[3]);
  double sum = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
  for (; i < cols; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum / static_cast<double>(cols);
}

}  // namespace

void rms_norm(const float* x, const float* weight, float epsilon, const ActivationSpec* out, int64_t rows,
              const int32_t* picked) {
  const int64_t channels = out->channels;
  for_rows(*out, rows, 4 * rows * channels, [=](int64_t row, int64_t count) {
    float* const to = row_target(*out, row, thread_scratch(static_cast<size_t>(count * channels)));
    for (int64_t r = 0; r < count; ++r) {
      const float* in = x + (picked ? picked[row + r] : row + r) * channels;
      const float scale = static_cast<float>(1.0 / std::sqrt(mean_square(in, channels) + epsilon));
      for (int64_t i = 0; i < channels; ++i) to[r * channels + i] = in[i] * scale * weight[i];
    }
    store_rows(*out, row, count, to);
  });
}

}  // namespace atom::ATOM_ISA
