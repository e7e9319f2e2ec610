#include <algorithm>
#include <cstring>

#include "half.h"
#include "linear_weight_only.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

/// Codes of `Bits` bits in the order of the channels, the first in the lowest bits, to their order in a word: pair i in
/// fields i and i + half of all.
template <int Bits>
inline uint32_t reordered(uint32_t codes) {
  constexpr uint32_t kCodes = 32 / Bits, kMask = (1u << Bits) - 1;
  uint32_t word = 0;
  for (uint32_t c = 0; c < kCodes; ++c) word |= (codes >> (c * Bits) & kMask) << ((c / 2 + c % 2 * kCodes / 2) * Bits);
  return word;
}

/// One output's codes of a group, from where they lie in a row to every kOutputs-th word of a panel.
template <int Bits>
void pack_group(const uint8_t* from, int64_t bytes, uint8_t* to) {
  for (int64_t at = 0; at < bytes; at += 4, to += kOutputs * 4) {
    uint32_t word;
    std::memcpy(&word, from + at, 4);
    word = reordered<Bits>(word);
    std::memcpy(to, &word, 4);
  }
}

/// One scale; the weight keeps f16 only where all its scales come as f16.
void pack_scale(const void* scales, bool f32, int64_t i, uint8_t* to, bool wide) {
  if (!wide) {
    std::memcpy(to, static_cast<const uint16_t*>(scales) + i, 2);
    return;
  }
  const float value =
      f32 ? static_cast<const float*>(scales)[i] : f16_to_float(static_cast<const uint16_t*>(scales)[i]);
  std::memcpy(to, &value, 4);
}

}  // namespace

void pack_weight_only(const WeightOnly* weight, int64_t first, int64_t rows, const uint8_t* codes, const void* scales,
                      int32_t scales_f32, int64_t channel_group) {
  const int64_t group_bytes = weight->group_size * weight->bits / 8;  // of one row
  const bool wide = weight->wide_scales != 0;
  // A task is a panel, or what of it these rows fill: its lines are written together.
  const int64_t first_panel = first / kOutputs, last_panel = (first + rows - 1) / kOutputs;
  parallel_for(last_panel - first_panel + 1, [=](int64_t task, int) {
    const int64_t panel = first_panel + task;
    const int64_t begin = std::max(first, panel * kOutputs), end = std::min(first + rows, (panel + 1) * kOutputs);
    for (int64_t group = 0; group < weight->groups; ++group) {
      uint8_t* to = weight->data + panel * weight->panel_bytes() + group * weight->group_bytes();
      for (int64_t output = begin; output < end; ++output) {
        const int64_t row = output - first, lane = output % kOutputs;
        const uint8_t* from = codes + (row * weight->groups + group) * group_bytes;
        if (weight->bits == 4) pack_group<4>(from, group_bytes, to + lane * 4);
        else pack_group<8>(from, group_bytes, to + lane * 4);
        pack_scale(scales, scales_f32 != 0, row / channel_group * weight->groups + group,
                   to + weight->code_bytes() + lane * (wide ? 4 : 2), wide);
      }
    }
  });
}

}  // namespace atom::ATOM_ISA
