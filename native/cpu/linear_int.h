// out = x W^T (+ bias) for integers: activations as integer_row.h leaves them, weights packed by pack_integers.
// Per group one integer dot product, times the group's two scales, summed in f32 in the order of the groups; the same for
// the outliers, a group of 8-bit weights behind the others. A row's sums do not depend on which rows are beside it.
//
//   data   panels of 32 outputs; a panel is one stream: per group its codes, then its 32 scales
//          4 bits   [k / 8][32 outputs][4 bytes]   byte j holds channel j in the low nibble, 4 + j in the high one; code + 8
//          8 bits   [k / 4][32 outputs][4 bytes]   code + 128
//          scales   [32] f16, or f32 where f16 would change them
//   Codes are unsigned because the instruction multiplies unsigned by signed bytes; the offset is taken back by starting a
//   group's sum at -offset * sum(x), known since x was quantized.
//
//   cost   tokens in n multiplications; reads (in / 2 + 2 in / group) n bytes once per block of rows
#pragma once

#include <cstdint>

#include "activation.h"

namespace atom {

constexpr int64_t kPanel = 32;

/// A packed weight: written by src/backend/cpu/integer-weight.ts, eight bytes a field, in this order.
struct IntegerWeight {
  uint8_t* data;
  int64_t outputs;
  int64_t groups;       // without the outliers'
  int64_t group_size;   // channels
  int64_t outliers;     // channels; 0 for none
  int64_t bits;         // 4 or 8; outliers have 8
  int64_t wide_scales;  // 1: scales are f32
  const float* bias;    // (outputs) or null

  int64_t scale_bytes() const { return kPanel * (wide_scales ? 4 : 2); }
  int64_t group_bytes() const { return padded_channels(group_size) * kPanel * bits / 8 + scale_bytes(); }
  int64_t outlier_bytes() const { return outliers > 0 ? padded_channels(outliers) * kPanel + scale_bytes() : 0; }
  int64_t panel_bytes() const { return groups * group_bytes() + outlier_bytes(); }
};

/// out (tokens, stride) f32, columns [0, weight->outputs).
using LinearIntFn = void(const ActivationSpec* x, const IntegerWeight* weight, float* out, int64_t tokens,
                         int64_t stride, int32_t accumulate);

/// The same, where the outputs are a fused gate and up: `out` gets silu(gate) * up, in integers, without a reorder, and of
/// groups that are whole panels. What is between stays in a second-level cache: values are those of linear_int and
/// silu_mul, bit for bit.
using LinearIntSiluMulFn = void(const ActivationSpec* x, const IntegerWeight* weight, const ActivationSpec* out,
                                int64_t tokens);

/// Brings rows [first, first + rows) of a weight into their panels. codes (rows, normal / 2) nibbles, low first, two's
/// complement, or (rows, normal) i8; scales (rows / channel_group, groups) f16 or f32; outlier_codes (rows, outliers) i8,
/// outlier_scales (rows).
using PackIntegersFn = void(const IntegerWeight* weight, int64_t first, int64_t rows, const uint8_t* codes,
                            const void* scales, int32_t scales_f32, int64_t channel_group, const int8_t* outlier_codes,
                            const void* outlier_scales, int32_t outlier_scales_f32);

}  // namespace atom
