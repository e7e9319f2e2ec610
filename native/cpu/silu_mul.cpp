#include "silu_mul.h"

#include "memory.h"
#include "threads.h"

namespace atom::ATOM_ISA {

void silu_mul(const float* gate_up, const ActivationSpec* out, int64_t rows) {
  const int64_t channels = out->channels;
  for_rows(*out, rows, 20 * rows * channels, [=](int64_t row) {
    const float* gate = gate_up + row * 2 * channels;
    const float* up = gate + channels;
    float* to = row_target(*out, row, thread_scratch(static_cast<size_t>(channels)));
    silu_mul_row(gate, up, to, channels);
    store_row(*out, row, to);
  });
}

}  // namespace atom::ATOM_ISA
