// The input of a linear: one description, made once, that the operators before it finish their rows with.
// This is where reordering and quantization are fused: a row is still in the first-level cache when it is stored.
//
//   values (channels) f32, in the operator's order  ->  row `row` of the storage, in the order and format of the linear
#pragma once

#include <cstdint>

#include "element_format.h"
#include "integer_row.h"
#include "memory.h"
#include "simd.h"
#include "threads.h"

namespace atom {

enum class ActivationKind : int64_t { f32, bf16, simulated, integer };

/// Written by src/backend/cpu/activation.ts, eight bytes a field, in this order.
struct ActivationSpec {
  void* storage;           // (tokens, channels) f32 or bf16; for integers their codes (integer_row.h)
  const int32_t* reorder;  // (channels) or null: stored position c holds channel reorder[c]
  int64_t channels;
  ActivationKind kind;
  // simulated and integer: the quantizer that values go through; integer formats only, for integers
  int64_t format, group_size, range, outliers, outlier_format, hadamard;
  double clip, outlier_clip;
  IntegerRows integers;
};

namespace ATOM_ISA {

namespace {

/// Where an operator may put row `row` so that `store_row` has nothing to move: the storage itself where it is f32 in
/// natural order, else `scratch`.
inline float* row_target(const ActivationSpec& spec, int64_t row, float* scratch) {
  const bool in_place = (spec.kind == ActivationKind::f32 || spec.kind == ActivationKind::simulated) && !spec.reorder;
  return in_place ? static_cast<float*>(spec.storage) + row * spec.channels : scratch;
}

/// Quantizes a row of finished values.
inline void store_integers(const ActivationSpec& spec, int64_t row, const float* values) {
  const int64_t normal = spec.channels - spec.outliers;
  const int64_t size = spec.group_size > 0 ? spec.group_size : normal;
  const float* x = values;
  if (spec.reorder || spec.hadamard) {
    float* own = second_scratch(static_cast<size_t>(spec.channels));
    if (spec.reorder) {
      for (int64_t c = 0; c < spec.channels; ++c) own[c] = values[spec.reorder[c]];
    } else {
      std::copy(values, values + spec.channels, own);
    }
    if (spec.hadamard) walsh_hadamard(own, normal, size);
    x = own;
  }
  int8_t* codes = static_cast<int8_t*>(spec.storage) + row / kRowTile * spec.integers.tile_bytes + row % kRowTile * kRun;
  int64_t position = 0;
  float* scales = spec.integers.scales + row * spec.integers.groups;
  int32_t* sums = spec.integers.sums + row * spec.integers.groups;
  const auto group = [&](int64_t start, int64_t count, int bits, IntegerRange range, float clip) {
    *scales = group_scale(x + start, count, bits, range, clip);
    *sums++ = store_codes(x + start, count, bits, *scales, codes, position);
    ++scales;
    position += padded_channels(count);
  };
  const int bits = integer_bits(static_cast<ElementFormat>(spec.format));
  const auto range = static_cast<IntegerRange>(spec.range);
  for (int64_t start = 0; start < normal; start += size) group(start, size, bits, range, static_cast<float>(spec.clip));
  if (spec.outliers > 0) {
    group(normal, spec.outliers, 8, IntegerRange::symmetric, static_cast<float>(spec.outlier_clip));
  }
}

/// Stores a finished row. `values` is what `row_target` gave.
inline void store_row(const ActivationSpec& spec, int64_t row, const float* values) {
  const int64_t channels = spec.channels;
  if (spec.kind == ActivationKind::integer) return store_integers(spec, row, values);
  if (spec.kind == ActivationKind::bf16) {
    uint16_t* to = static_cast<uint16_t*>(spec.storage) + row * channels;
    for (int64_t c = 0; c < channels; ++c) to[c] = float_to_bf16(values[spec.reorder ? spec.reorder[c] : c]);
    return;
  }
  float* to = static_cast<float*>(spec.storage) + row * channels;
  if (spec.reorder) {
    for (int64_t c = 0; c < channels; ++c) to[c] = values[spec.reorder[c]];
  }
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

/// `body(row)` for every row that is to be stored. Where runs are shorter than cache lines, integer rows of a tile share
/// them, so one thread takes them all. `work` estimates the operations of all rows together.
template <class Body>
inline void for_rows(const ActivationSpec& spec, int64_t rows, int64_t work, Body&& body) {
  const int64_t step = spec.kind == ActivationKind::integer && kRun < 64 ? kRowTile : 1;
  parallel_for((rows + step - 1) / step, [&](int64_t task, int) {
    for (int64_t row = task * step; row < std::min(rows, (task + 1) * step); ++row) body(row);
  }, work);
}

}  // namespace

}  // namespace ATOM_ISA

}  // namespace atom
