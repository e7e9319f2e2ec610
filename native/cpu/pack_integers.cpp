#include <algorithm>
#include <cstring>

#include "half.h"
#include "linear_int.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

/// A value of an array of f16 or f32.
struct Scales {
  const void* values;
  bool f32;

  float at(int64_t i) const {
    return f32 ? static_cast<const float*>(values)[i] : f16_to_float(static_cast<const uint16_t*>(values)[i]);
  }
  void store(uint8_t* to, int64_t i, bool wide) const {
    if (!wide) {  // the weight keeps f16 only where all its scales come as f16
      std::memcpy(to, static_cast<const uint16_t*>(values) + i, 2);
      return;
    }
    const float value = at(i);
    std::memcpy(to, &value, 4);
  }
};

/// Eight channels of four bits: from nibbles in order to the halves of four bytes, code + 8.
inline uint32_t pack_eight(const uint8_t* nibbles, int64_t channels) {
  uint32_t word = 0;
  for (int64_t c = 0; c < 8; ++c) {
    const uint32_t code = c < channels ? (nibbles[c / 2] >> (c % 2 * 4) & 15) ^ 8 : 8;
    word |= code << (c % 4 * 8 + c / 4 * 4);
  }
  return word;
}

inline uint32_t pack_four(const int8_t* codes, int64_t channels) {
  uint32_t word = 0;
  for (int64_t c = 0; c < 4; ++c) {
    word |= static_cast<uint32_t>((c < channels ? codes[c] : 0) + 128) << (8 * c);
  }
  return word;
}

void pack_row(const IntegerWeight& weight, int64_t output, const uint8_t* codes, Scales scales, int64_t scale_row,
              const int8_t* outlier_codes, Scales outlier_scales, int64_t row) {
  const bool wide = weight.wide_scales != 0;
  const int64_t lane = output % kPanel, scale_size = wide ? 4 : 2;
  uint8_t* to = weight.data + output / kPanel * weight.panel_bytes();
  const auto put = [&](uint32_t word) {
    std::memcpy(to + lane * 4, &word, 4);
    to += kPanel * 4;
  };
  const auto put_eight_bits = [&](const int8_t* from, int64_t channels) {
    for (int64_t c = 0; c < padded_channels(channels); c += 4) put(pack_four(from + c, channels - c));
  };
  for (int64_t group = 0; group < weight.groups; ++group) {
    const int64_t start = group * weight.group_size;
    if (weight.bits == 4) {
      for (int64_t c = 0; c < weight.group_size; c += 8) put(pack_eight(codes + (start + c) / 2, weight.group_size - c));
    } else {
      put_eight_bits(reinterpret_cast<const int8_t*>(codes) + start, weight.group_size);
    }
    scales.store(to + lane * scale_size, scale_row * weight.groups + group, wide);
    to += weight.scale_bytes();
  }
  if (weight.outliers == 0) return;
  put_eight_bits(outlier_codes, weight.outliers);
  outlier_scales.store(to + lane * scale_size, row, wide);
}

}  // namespace

void pack_integers(const IntegerWeight* weight, int64_t first, int64_t rows, const uint8_t* codes, const void* scales,
                   int32_t scales_f32, int64_t channel_group, const int8_t* outlier_codes, const void* outlier_scales,
                   int32_t outlier_scales_f32) {
  const int64_t row_bytes = weight->groups * weight->group_size * weight->bits / 8;
  // A task is a panel, or what of it these rows fill: its lines are written together.
  const int64_t first_panel = first / kPanel, last_panel = (first + rows - 1) / kPanel;
  parallel_for(last_panel - first_panel + 1, [=](int64_t task, int) {
    const int64_t begin = std::max(first, (first_panel + task) * kPanel);
    const int64_t end = std::min(first + rows, (first_panel + task + 1) * kPanel);
    for (int64_t output = begin; output < end; ++output) {
      const int64_t row = output - first;
      pack_row(*weight, output, codes + row * row_bytes, {scales, scales_f32 != 0}, row / channel_group,
               outlier_codes ? outlier_codes + row * weight->outliers : nullptr,
               {outlier_scales, outlier_scales_f32 != 0}, row);
    }
  });
}

}  // namespace atom::ATOM_ISA
