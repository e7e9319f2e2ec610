// The input of a linear: one description, made once, that the operators before it finish their rows with.
// This is where reordering and quantization are fused: a row is still in the first-level cache when it is stored.
//
//   values (channels) f32, in the operator's order  ->  row `row` of the storage, in the order and format of the linear
#pragma once

#include <cstdint>

#include "integer_row.h"
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

/// Stores `count` finished rows of a tile, the first of which is row `row`. `values` is what `row_target` gave for that.
void store_rows(const ActivationSpec& spec, int64_t row, int64_t count, const float* values);

/// Stores groups [first, last) of such integer rows, the outliers being the last: for who finishes rows in pieces. `values`
/// (count, stride) begin with those of the groups, in the order of the linear; they may change.
void store_groups(const ActivationSpec& spec, int64_t row, int64_t count, int64_t first, int64_t last, float* values,
                  int64_t stride);

namespace {

/// Where an operator may put row `row`, and those of its tile after it, so that `store_rows` has nothing to move: the storage
/// itself where it is f32 in natural order, else `scratch`.
inline float* row_target(const ActivationSpec& spec, int64_t row, float* scratch) {
  const bool in_place = (spec.kind == ActivationKind::f32 || spec.kind == ActivationKind::simulated) && !spec.reorder;
  return in_place ? static_cast<float*>(spec.storage) + row * spec.channels : scratch;
}

/// What the channels of an integer row that are no outliers go through.
inline GroupQuantizer quantizer_of(const ActivationSpec& spec) {
  return {integer_bits(static_cast<ElementFormat>(spec.format)), static_cast<IntegerRange>(spec.range),
          static_cast<float>(spec.clip)};
}

/// The codes of the tile that an integer row is in.
inline int8_t* tile_codes(const ActivationSpec& spec, int64_t row) {
  return static_cast<int8_t*>(spec.storage) + row / kRowTile * spec.integers.tile_bytes;
}

/// Rows that operators finish together. Where runs are shorter than cache lines, integer rows of a tile share them, and are
/// quantized together.
inline int64_t rows_at_once(const ActivationSpec& spec) {
  return spec.kind == ActivationKind::integer && kRun < 64 ? kRowTile : 1;
}

/// `body(row, count)` for the rows that are to be stored, as many at once as that. `work` estimates the operations of all
/// rows together.
template <class Body>
inline void for_rows(const ActivationSpec& spec, int64_t rows, int64_t work, Body&& body) {
  const int64_t step = rows_at_once(spec);
  parallel_for((rows + step - 1) / step, [&](int64_t task, int) {
    const int64_t row = task * step;
    body(row, std::min(step, rows - row));
  }, work);
}

}  // namespace

}  // namespace ATOM_ISA

}  // namespace atom
