#include "activation.h"

#include <algorithm>

#include "element_format.h"
#include "hadamard.h"
#include "half.h"
#include "memory.h"

namespace atom::ATOM_ISA {

namespace {

/// to[c] = from[order[c]].
void gather(const float* from, const int32_t* order, int64_t count, float* to) {
  int64_t c = 0;
#if defined(__AMX_TILE__)
  // Where there are tiles, gathering lane by lane in one instruction is the faster.
  for (; c + kLanes <= count; c += kLanes) {
    _mm512_storeu_ps(to + c, _mm512_i32gather_ps(_mm512_loadu_si512(order + c), from, 4));
  }
#elif defined(__AVX2__)
  // Elsewhere not: fours of single loads, two indices to a load, take half its time, and of one by one.
  for (; c + 4 <= count; c += 4) {
    uint64_t indices[2];
    std::memcpy(indices, order + c, sizeof indices);
    const auto at = [&](int i) { return _mm_load_ss(from + static_cast<uint32_t>(indices[i / 2] >> (i % 2 * 32))); };
    const __m128 two = _mm_insert_ps(at(0), at(1), 1 << 4);
    _mm_storeu_ps(to + c, _mm_insert_ps(_mm_insert_ps(two, at(2), 2 << 4), at(3), 3 << 4));
  }
#endif
  for (; c < count; ++c) to[c] = from[order[c]];
}

/// Quantizes groups [first, last) of a row, whose values in the order of the linear are x.
void quantize_groups(const ActivationSpec& spec, int64_t row, int64_t first, int64_t last, const float* x) {
  const auto format = static_cast<ElementFormat>(spec.format);
  const int64_t normal = spec.channels - spec.outliers, size = group_size_of(format, spec.group_size, normal);
  const int bits = integer_bits(format);
  const auto range = static_cast<IntegerRange>(spec.range);
  int8_t* codes = static_cast<int8_t*>(spec.storage) + row / kRowTile * spec.integers.tile_bytes + row % kRowTile * kRun;
  TileFactors* const factors = factors_of(spec.integers, row);
  const int64_t slot = row % kRowTile;
  // All scales first: each waits for its group's peak, and none of them for the codes of the group before.
  const auto is_outliers = [&](int64_t g) { return g * size >= normal; };
  for (int64_t g = first; g < last; ++g) {
    const float* const group = x + (g - first) * size;
    factors[g].scales[slot] =
        is_outliers(g) ? group_scale(group, spec.outliers, 8, IntegerRange::symmetric, static_cast<float>(spec.outlier_clip))
                       : group_scale(group, size, bits, range, static_cast<float>(spec.clip));
  }
  for (int64_t g = first; g < last; ++g) {
    const float* const group = x + (g - first) * size;
    const int64_t position = g * padded_channels(size);
    const float scale = factors[g].scales[slot];
    factors[g].sums[slot] = is_outliers(g) ? store_codes(group, spec.outliers, 8, scale, codes, position)
                                           : store_codes(group, size, bits, scale, codes, position);
  }
}

/// Quantizes a row of finished values.
void store_integers(const ActivationSpec& spec, int64_t row, const float* values) {
  const int64_t groups = spec.integers.groups;
  if (!spec.reorder && !spec.hadamard) return quantize_groups(spec, row, 0, groups, values);
  float* own = second_scratch(static_cast<size_t>(spec.channels));
  if (spec.reorder) gather(values, spec.reorder, spec.channels, own);
  else std::copy(values, values + spec.channels, own);
  store_groups(spec, row, 0, groups, own);
}

}  // namespace

void store_row(const ActivationSpec& spec, int64_t row, const float* values) {
  const int64_t channels = spec.channels;
  if (spec.kind == ActivationKind::integer) return store_integers(spec, row, values);
  if (spec.kind == ActivationKind::bf16) {
    uint16_t* to = static_cast<uint16_t*>(spec.storage) + row * channels;
    for (int64_t c = 0; c < channels; ++c) to[c] = float_to_bf16(values[spec.reorder ? spec.reorder[c] : c]);
    return;
  }
  float* to = static_cast<float*>(spec.storage) + row * channels;
  if (spec.reorder) gather(values, spec.reorder, channels, to);
  if (spec.kind != ActivationKind::simulated) return;
  const int64_t normal = channels - spec.outliers;
  if (normal > 0) {
    const auto format = static_cast<ElementFormat>(spec.format);
    if (spec.hadamard) walsh_hadamard(to, normal, group_size_of(format, spec.group_size, normal));
    fake_quantize(to, to, normal, format, spec.group_size, static_cast<IntegerRange>(spec.range),
                  static_cast<float>(spec.clip));
  }
  if (spec.outliers > 0) {
    fake_quantize(to + normal, to + normal, spec.outliers, static_cast<ElementFormat>(spec.outlier_format), 0,
                  IntegerRange::symmetric,
                  static_cast<float>(spec.outlier_clip));
  }
}

void store_groups(const ActivationSpec& spec, int64_t row, int64_t first, int64_t last, float* values) {
  if (spec.hadamard) {
    const int64_t normal = spec.channels - spec.outliers;
    const int64_t size = group_size_of(static_cast<ElementFormat>(spec.format), spec.group_size, normal);
    walsh_hadamard(values, std::min(last * size, normal) - first * size, size);
  }
  quantize_groups(spec, row, first, last, values);
}

}  // namespace atom::ATOM_ISA
