// SwiGLU's element-wise part (Shazeer, 2020): silu(gate) * up, finished in the form the next linear wants.
#pragma once

#include <cstdint>

#include "activation.h"

namespace atom {

//   gate_up (rows, 2 channels) f32: gate, then up  ->  rows [0, rows) of out
//   cost: 12 bytes, one exponential and 3 operations per element
using SiluMulFn = void(const float* gate_up, const ActivationSpec* out, int64_t rows);

}  // namespace atom
