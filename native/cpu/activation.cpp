#include "activation.h"

#include <algorithm>

#include "element_format.h"
#include "hadamard.h"
#include "half.h"
#include "integer_columns.h"
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

/// The groups of a row, the outliers being the last.
class Groups {
 public:
  explicit Groups(const ActivationSpec& spec)
      : normal_(spec.channels - spec.outliers), outliers_(spec.outliers),
        size_(group_size_of(static_cast<ElementFormat>(spec.format), spec.group_size, normal_)),
        quantizer_(quantizer_of(spec)),
        outlier_quantizer_{8, IntegerRange::symmetric, static_cast<float>(spec.outlier_clip)} {}

  int64_t start(int64_t g) const { return g * size_; }                      // channel in the order of the linear
  int64_t position(int64_t g) const { return g * padded_channels(size_); }  // the same as stored
  int64_t channels(int64_t g) const { return is_outliers(g) ? outliers_ : size_; }
  int64_t size() const { return size_; }
  /// Channels of groups [first, last) that are no outliers.
  int64_t normal(int64_t first, int64_t last) const { return std::min(last * size_, normal_) - first * size_; }
  const GroupQuantizer& quantizer(int64_t g) const { return is_outliers(g) ? outlier_quantizer_ : quantizer_; }

 private:
  bool is_outliers(int64_t g) const { return g * size_ >= normal_; }

  int64_t normal_, outliers_, size_;
  GroupQuantizer quantizer_, outlier_quantizer_;
};

/// Quantizes groups [first, last) of a row, whose values in the order of the linear are x.
void quantize_groups(const ActivationSpec& spec, int64_t row, int64_t first, int64_t last, const float* x) {
  const Groups groups(spec);
  int8_t* const codes = tile_codes(spec, row) + row % kRowTile * kRun;
  TileFactors* const factors = factors_of(spec.integers, row);
  const int64_t slot = row % kRowTile;
  // All scales first: each waits for its group's peak, and none of them for the codes of the group before.
  for (int64_t g = first; g < last; ++g) {
    const float* const group = x + groups.start(g - first);
    const auto [low, peak] = range_of(group, groups.channels(g));
    factors[g].scales[slot] = groups.quantizer(g).scale(low, peak);
  }
  for (int64_t g = first; g < last; ++g) {
    const float* const group = x + groups.start(g - first);
    factors[g].sums[slot] = store_codes(group, groups.channels(g), factors[g].scales[slot], groups.quantizer(g).top(), codes,
                                        groups.position(g));
  }
}

#if defined(ATOM_BY_COLUMNS)
/// The same of all rows of a tile, `stride` floats apart. Where they are in the order of an operator, `reorder` is not null.
void quantize_tile(const ActivationSpec& spec, int64_t row, int64_t first, int64_t last, const float* x, int64_t stride,
                   const int32_t* reorder) {
  const Groups groups(spec);
  const auto floats = [](int64_t channels) { return padded_channels(channels) * kColumnRows; };
  const int64_t most = floats(std::max(groups.size(), spec.outliers));
  float* const columns = column_scratch(static_cast<size_t>(most + (reorder ? floats(spec.channels) : 0)));
  float* const moved = columns + most;
  if (reorder) columns_of<natural_place>(x, stride, spec.channels, moved);
  for (int64_t g = first; g < last; ++g) {
    const int64_t channels = groups.channels(g), start = groups.start(g - first);
    for (int64_t c = channels; c < padded_channels(channels); ++c) {
      std::fill_n(columns + column_place(c) * kColumnRows, kColumnRows, 0.0f);
    }
    if (reorder) order_columns(moved, reorder + start, channels, columns);
    else columns_of<column_place>(x + start, stride, channels, columns);
    quantize_columns(columns, channels, groups.quantizer(g), factors_of(spec.integers, row)[g], tile_codes(spec, row),
                     groups.position(g));
  }
}
#endif

/// Quantizes a row of finished values.
void store_integers(const ActivationSpec& spec, int64_t row, const float* values) {
  const int64_t groups = spec.integers.groups;
  if (!spec.reorder && !spec.hadamard) return quantize_groups(spec, row, 0, groups, values);
  float* own = second_scratch(static_cast<size_t>(spec.channels));
  if (spec.reorder) gather(values, spec.reorder, spec.channels, own);
  else std::copy(values, values + spec.channels, own);
  store_groups(spec, row, 1, 0, groups, own, 0);
}

/// Stores a row of finished values.
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

}  // namespace

void store_rows(const ActivationSpec& spec, int64_t row, int64_t count, const float* values) {
#if defined(ATOM_BY_COLUMNS)
  if (spec.kind == ActivationKind::integer && !spec.hadamard && count == kRowTile) {
    return quantize_tile(spec, row, 0, spec.integers.groups, values, spec.channels, spec.reorder);
  }
#endif
  for (int64_t r = 0; r < count; ++r) store_row(spec, row + r, values + r * spec.channels);
}

void store_groups(const ActivationSpec& spec, int64_t row, int64_t count, int64_t first, int64_t last, float* values,
                  int64_t stride) {
  if (spec.hadamard) {
    const Groups groups(spec);
    for (int64_t r = 0; r < count; ++r) walsh_hadamard(values + r * stride, groups.normal(first, last), groups.size());
  }
#if defined(ATOM_BY_COLUMNS)
  if (count == kRowTile) return quantize_tile(spec, row, first, last, values, stride, nullptr);
#endif
  for (int64_t r = 0; r < count; ++r) quantize_groups(spec, row + r, first, last, values + r * stride);
}

}  // namespace atom::ATOM_ISA
