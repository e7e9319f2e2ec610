// One layer of the paged cache: where a token's keys and values lie, and how they are written.
// A block holds its KV heads one after another; a head holds slices of 16 tokens, in order:
//
//   keys      f32, bf16  [head_dim][16]                transposed: one query channel meets a whole vector of keys
//             bytes      [head_dim / 4][16][4]         four channels of a token are one lane of a dot product
//             nibbles    [head_dim / 8][16][4]         byte i of a lane: channel i (low) and i + 4 (high) of eight
//   values    f32, bf16  [16][width]                   width: head_dim rounded up to 16
//             bytes      [4][width][4]                 four tokens of a channel are one lane
//             nibbles    [2][width][4]                 byte i of a lane: token i (low) and i + 4 (high) of eight
//   scales    [16] f32 of keys, [16] f32 of values, then zeros [16] u8 and [16] u8; only where either is an integer
//
// Quantization is asymmetric per token and head (src/numerics/asymmetric.ts); a simulated cache stores as f32 what
// quantizing and dequantizing gave. Slots that hold no token yet have any codes and any scales, never trap values.
#pragma once

#include <cstdint>
#include <cstring>

#include "element_format.h"
#include "half.h"
#include "pack_bytes.h"

namespace atom {

constexpr int64_t kSliceTokens = 16;

/// Written by src/backend/cpu/kv-cache.ts, eight bytes a field, in this order.
struct KvLayerSpec {
  uint8_t* base;
  int64_t block_bytes, head_bytes, slice_bytes;
  int64_t value_offset, scale_offset;      // within a slice
  int64_t heads, head_dim, block_size;     // block_size: tokens, a multiple of 16
  int64_t key_bits, value_bits;            // as stored: 32, 16, 8 or 4
  int64_t key_fake_bits, value_fake_bits;  // 0, or the bits that a simulated cache rounds to
  int64_t key_before_rope;
  int64_t key_hadamard;                    // queries and keys are transformed after the rotation
  double clip;
};

namespace ATOM_ISA {

namespace {

/// Keys or values of one slice.
struct SlicePart {
  uint8_t* data;
  float* scales;   // (16); they and the zeros mean something for 8 and 4 bits alone
  uint8_t* zeros;  // (16)
};

/// Goes through the slices of one head of a sequence with this row of the block table.
class SliceCursor {
 public:
  SliceCursor(const KvLayerSpec& kv, const int32_t* table, int64_t head, int64_t index)
      : kv_(kv), per_block_(kv.block_size / kSliceTokens), table_(table + index / per_block_),
        inside_(index % per_block_), head_offset_(head * kv.head_bytes) {}

  /// Tokens [16 index, 16 index + 16) of the sequence.
  uint8_t* slice() const { return kv_.base + *table_ * kv_.block_bytes + head_offset_ + inside_ * kv_.slice_bytes; }

  void advance() {
    if (++inside_ < per_block_) return;
    inside_ = 0;
    ++table_;
  }

 private:
  const KvLayerSpec& kv_;
  int64_t per_block_;
  const int32_t* table_;
  int64_t inside_, head_offset_;
};

inline SlicePart keys_of(const KvLayerSpec& kv, uint8_t* slice) {
  uint8_t* const scales = slice + kv.scale_offset;
  return {slice, reinterpret_cast<float*>(scales), scales + 8 * kSliceTokens};
}

inline SlicePart values_of(const KvLayerSpec& kv, uint8_t* slice) {
  uint8_t* const scales = slice + kv.scale_offset + 4 * kSliceTokens;
  return {slice + kv.value_offset, reinterpret_cast<float*>(scales), scales + 5 * kSliceTokens};
}

inline int64_t value_width(int64_t head_dim) { return (head_dim + 15) / 16 * 16; }

/// Asks for the cache lines that a token in `slot` of a slice is written to: every one of the keys, which are transposed.
inline void ask_for_token(const KvLayerSpec& kv, uint8_t* slice, int64_t slot) {
  const int64_t value_bytes = kv.scale_offset - kv.value_offset, group = kv.value_bits < 16 ? 32 / kv.value_bits : 1;
  const int64_t groups = kSliceTokens / group, share = value_bytes / groups;
  uint8_t* const values = slice + kv.value_offset + slot / group * share;
  for (uint8_t* line = slice; line < slice + kv.value_offset; line += 64) __builtin_prefetch(line, 1);
  for (uint8_t* line = values; line < values + share; line += 64) __builtin_prefetch(line, 1);
  for (uint8_t* line = slice + kv.scale_offset; line < slice + kv.slice_bytes; line += 64) __builtin_prefetch(line, 1);
}

/// Channels that a token's key or value is quantized in: whole vectors of bytes.
inline int64_t coded_width(int64_t head_dim) {
  return (head_dim + kPacked * kLanes - 1) / (kPacked * kLanes) * (kPacked * kLanes);
}

/// What quantizing a key or value needs: both hold coded_width channels.
struct CodeScratch {
  float* values;   // 0 beyond the head's channels
  int32_t* codes;
};

/// Codes of x (head_dim), with the scale and zero point that its token gets in the slice. A NaN scale makes every value
/// NaN when it is read; the codes are 0.
inline void encode(const float* x, int64_t dim, int64_t bits, double clip, SlicePart part, int64_t slot,
                   const CodeScratch& scratch) {
  const int64_t width = coded_width(dim);
  std::copy_n(x, dim, scratch.values);
  std::fill(scratch.values + dim, scratch.values + width, 0.0f);
  VecF low = {}, high = {}, shown = {};
  for (int64_t c = 0; c < width; c += kLanes) {
    const VecF v = load(scratch.values + c);
    low = minimum(v, low);
    high = maximum(v, high);
    shown += v * 0.0f;  // NaN where a channel is not finite
  }
  if (sum_lanes(shown) != 0) {
    part.scales[slot] = kNaN;
    part.zeros[slot] = 0;
    std::fill_n(scratch.codes, width, 0);
    return;
  }
  const auto [scale, zero] = asymmetric_scale_of(-max_lanes(-low), max_lanes(high), static_cast<int>(bits),
                                                 static_cast<float>(clip));
  part.scales[slot] = scale;
  part.zeros[slot] = static_cast<uint8_t>(zero);
  const VecF least = broadcast(-zero), most = broadcast(static_cast<float>((1 << bits) - 1) - zero);
  for (int64_t c = 0; c < width; c += kLanes) {
    const VecF clamped = minimum(maximum(load(scratch.values + c) / scale, least), most);
    const VecI code = __builtin_convertvector(round_half_even(clamped) + zero, VecI);
    std::memcpy(scratch.codes + c, &code, sizeof code);
  }
}

inline void put_float(uint8_t* data, int64_t bits, int64_t index, float value) {
  if (bits == 32) {
    std::memcpy(data + 4 * index, &value, 4);
  } else {
    const uint16_t half = float_to_bf16(value);
    std::memcpy(data + 2 * index, &half, 2);
  }
}

/// Stores one token's key x (head_dim) f32 in `slot` of a slice.
inline void append_key(const KvLayerSpec& kv, uint8_t* slice, int64_t slot, const float* x,
                       const CodeScratch& scratch) {
  const SlicePart part = keys_of(kv, slice);
  const int64_t dim = kv.head_dim, bits = kv.key_bits;
  if (bits >= 16) {
    for (int64_t c = 0; c < dim; ++c) put_float(part.data, bits, c * kSliceTokens + slot, x[c]);
    return;
  }
  encode(x, dim, bits, kv.clip, part, slot, scratch);
  auto* const bytes = reinterpret_cast<uint8_t*>(scratch.values);  // no longer needed
  for (int64_t c = 0; c < dim; c += kPacked * kLanes) {
    const int32_t* const at = scratch.codes + c;
    store_plane(bytes + c, pack_bytes(load_words(at), load_words(at + kLanes), load_words(at + 2 * kLanes),
                                      load_words(at + 3 * kLanes)));
  }
  const int64_t channels = 32 / bits;  // of a lane
  for (int64_t group = 0; group * channels < dim; ++group) {
    uint32_t lane, upper;
    std::memcpy(&lane, bytes + group * channels, sizeof lane);
    if (bits == 4) {
      std::memcpy(&upper, bytes + group * channels + 4, sizeof upper);
      lane |= upper << 4;
    }
    std::memcpy(part.data + (group * kSliceTokens + slot) * 4, &lane, sizeof lane);
  }
}

/// Stores one token's value x (head_dim) f32 in `slot` of a slice.
inline void append_value(const KvLayerSpec& kv, uint8_t* slice, int64_t slot, const float* x,
                         const CodeScratch& scratch) {
  const SlicePart part = values_of(kv, slice);
  const int64_t dim = kv.head_dim, bits = kv.value_bits, width = value_width(dim);
  if (bits >= 16) {
    for (int64_t c = 0; c < dim; ++c) put_float(part.data, bits, slot * width + c, x[c]);
    return;
  }
  encode(x, dim, bits, kv.clip, part, slot, scratch);
  // The token's place in the lanes of its group, which other tokens share.
  const int64_t tokens = 32 / bits, inside = slot % tokens;
  const int shift = static_cast<int>(8 * (inside % 4) + 4 * (inside / 4));
  const auto mask = static_cast<int32_t>(((1u << bits) - 1) << shift);
  uint8_t* const group = part.data + slot / tokens * width * 4;
  for (int64_t c = 0; c < width; c += kLanes) {
    const VecI lanes = (load_words(group + c * 4) & ~mask) | (load_words(scratch.codes + c) << shift);
    std::memcpy(group + c * 4, &lanes, sizeof lanes);
  }
}

}  // namespace

}  // namespace ATOM_ISA

}  // namespace atom
