#include "silu_mul.h"

#include "memory.h"
#include "threads.h"

namespace atom::ATOM_ISA {

void silu_mul(const float* gate_up, const ActivationSpec* out, int64_t rows) {
  const int64_t channels = out->channels;
  for_rows(*out, rows, 20 * rows * channels, [=](int64_t row, int64_t count) {
    float* const to = row_target(*out, row, thread_scratch(static_cast<size_t>(count * channels)));
    for (int64_t r = 0; r < count; ++r) {
      const float* gate = gate_up + (row + r) * 2 * channels;
      silu_mul_row(gate, gate + channels, to + r * channels, channels);
    }
    store_rows(*out, row, count, to);
  });
}

}  // namespace atom::ATOM_ISA
