// out = x W^T (+ bias) for weights in integer codes and inputs in bf16: codes are opened in registers, never stored.
// A code is exact in bf16, so products of a group are summed in f32 and then multiplied by its scale: nothing but the
// input is rounded. Sums go in the order of the channels, then of the groups, whatever rows are beside it. Inputs that
// overflow f32 when multiplied by a code (beyond 2^120) give infinities.
//
//   data   panels of 64 outputs; a panel is one stream: per group its codes, then its 64 scales
//          4 bits   [k / 8][64 outputs][4 bytes]   of eight channels, two's complement: pair i (channels 2 i, 2 i + 1)
//                                                  is nibbles i and i + 4: one shift brings it to the ends of two words
//          8 bits   [k / 4][64 outputs][4 bytes]   pair i is bytes i and i + 2
//          scales   [64] f16, or f32 where f16 would change them
//
//   With AMX linear_weight_only_tiles.h reads the same panels, and linear_weight_only_rows.h for one or two rows.
//
//   cost   2 tokens n in operations in bf16; reads (in / 2 + 2 in / group) n bytes once per block of rows. Opening
//          eight channels of 16 outputs takes seven operations, beside four products per row
#pragma once

#include <cstdint>

namespace atom {

constexpr int64_t kOutputs = 64;  // of a panel

/// Groups have so many channels, or a multiple.
constexpr int64_t kGroupUnit = 8;

/// A packed weight: written by src/backend/cpu/weight-only.ts, eight bytes a field, in this order.
struct WeightOnly {
  uint8_t* data;
  int64_t outputs;
  int64_t groups;
  int64_t group_size;   // channels
  int64_t bits;         // 4 or 8
  int64_t wide_scales;  // 1: scales are f32
  const float* bias;    // (outputs) or null

  int64_t code_bytes() const { return group_size * kOutputs * bits / 8; }
  int64_t group_bytes() const { return code_bytes() + kOutputs * (wide_scales ? 4 : 2); }
  int64_t panel_bytes() const { return groups * group_bytes(); }
};

/// x (tokens, groups group_size) bf16; out (tokens, stride) f32, columns [0, weight->outputs).
using LinearWeightOnlyFn = void(const uint16_t* x, const WeightOnly* weight, float* out, int64_t tokens, int64_t stride,
                                int32_t accumulate);

/// Brings rows [first, first + rows) of a weight into their panels. codes (rows, in / 2) nibbles, low first, two's
/// complement, or (rows, in) i8; scales (rows / channel_group, groups) f16 or f32.
using PackWeightOnlyFn = void(const WeightOnly* weight, int64_t first, int64_t rows, const uint8_t* codes,
                              const void* scales, int32_t scales_f32, int64_t channel_group);

}  // namespace atom
