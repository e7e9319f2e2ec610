// SwiGLU's element-wise part (Shazeer, 2020): silu(gate) * up, finished in the form the next linear wants.
#pragma once

#include <cmath>
#include <cstdint>

#include "activation.h"
#include "simd.h"

namespace atom {

//   gate_up (rows, 2 channels) f32: gate, then up  ->  rows [0, rows) of out
//   cost: 12 bytes, one exponential and 3 operations per element
using SiluMulFn = void(const float* gate_up, const ActivationSpec* out, int64_t rows);

namespace ATOM_ISA {

namespace {

/// to[c] = silu(gate[c]) * up[c]; `to` may be one of them.
inline void silu_mul_row(const float* gate, const float* up, float* to, int64_t channels) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    const VecF g = load(gate + c);
    store(to + c, g / (1.0f + exponential(-g)) * load(up + c));
  }
  for (; c < channels; ++c) to[c] = gate[c] / (1.0f + std::exp(-gate[c])) * up[c];
}

}  // namespace

}  // namespace ATOM_ISA

}  // namespace atom
