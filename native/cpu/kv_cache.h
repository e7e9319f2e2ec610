// One layer of the paged cache: how a token's keys and values are stored, and read back a block at a time.
//
//   base: per block, per KV head: keys of the block, then its values
//   keys    [headDim][blockSize]   transposed, so that one query channel meets a whole vector of keys
//   values  [blockSize][headDim]
//   each as f32, bf16, bytes or nibbles; bytes and nibbles are followed by scales [blockSize] f32 and
//   zeros [blockSize] u8. Of a row of n nibbles byte i holds elements i (low) and i + n/2 (high).
//
// Quantization is asymmetric per token and head (src/numerics/asymmetric.ts); a simulated cache stores as f32 what
// quantizing and dequantizing gave.
#pragma once

#include <cstdint>
#include <cstring>

#include "element_format.h"
#include "half.h"

namespace atom {

/// Written by src/backend/cpu/kv-cache.ts, eight bytes a field, in this order.
struct KvLayerSpec {
  uint8_t* base;
  int64_t block_bytes, head_bytes, value_offset;
  int64_t heads, head_dim, block_size;
  int64_t key_bits, value_bits;            // as stored: 32, 16, 8 or 4
  int64_t key_fake_bits, value_fake_bits;  // 0, or the bits that a simulated cache rounds to
  int64_t key_before_rope;
  int64_t key_hadamard;                    // queries and keys are transformed after the rotation
  double clip;
};

namespace ATOM_ISA {

namespace {

/// `rows` x `columns` elements of one block: keys (head_dim x block_size) or values (block_size x head_dim).
inline int64_t part_bytes(int64_t elements, int64_t bits, int64_t block_size) {
  const int64_t data = elements * bits / 8;
  return bits >= 16 ? data : data + block_size * 5;
}

inline uint8_t* key_part(const KvLayerSpec& kv, int64_t block, int64_t head) {
  return kv.base + block * kv.block_bytes + head * kv.head_bytes;
}
inline uint8_t* value_part(const KvLayerSpec& kv, int64_t block, int64_t head) {
  return key_part(kv, block, head) + kv.value_offset;
}

inline float* part_scales(uint8_t* part, int64_t elements, int64_t bits) {
  return reinterpret_cast<float*>(part + elements * bits / 8);
}

/// Where element `index` of row `row` (rows of `width`) lies, and a way to write it.
inline void put(uint8_t* part, int64_t bits, int64_t row, int64_t width, int64_t index, float value) {
  const int64_t at = row * width + index;
  if (bits == 32) std::memcpy(part + 4 * at, &value, 4);
  else if (bits == 16) {
    const uint16_t half = float_to_bf16(value);
    std::memcpy(part + 2 * at, &half, 2);
  } else if (bits == 8) part[at] = static_cast<uint8_t>(value);
  else {
    const bool high = index >= width / 2;
    uint8_t& byte = part[(row * width) / 2 + (high ? index - width / 2 : index)];
    const auto code = static_cast<uint8_t>(value);
    byte = high ? static_cast<uint8_t>((byte & 0x0f) | (code << 4)) : static_cast<uint8_t>((byte & 0xf0) | code);
  }
}

/// Stores one token's vector x (head_dim) f32 as column `slot` of keys (transposed) or row `slot` of values.
inline void append(const KvLayerSpec& kv, uint8_t* part, int64_t bits, bool transposed, int64_t slot, const float* x) {
  const int64_t dim = kv.head_dim, size = kv.block_size;
  float scale = 1, zero = 0;
  if (bits < 16) {
    const AsymmetricScale found = asymmetric_scale(x, dim, static_cast<int>(bits), static_cast<float>(kv.clip));
    scale = found.scale;
    zero = found.zero;
    float* scales = part_scales(part, dim * size, bits);
    scales[slot] = scale;
    reinterpret_cast<uint8_t*>(scales + size)[slot] = static_cast<uint8_t>(zero);
  }
  const float top = static_cast<float>((1 << bits % 16) - 1);
  for (int64_t c = 0; c < dim; ++c) {
    float value = x[c];
    // A NaN scale makes every value NaN when it is read; the codes are 0.
    if (bits < 16) value = std::isnan(scale) ? 0 : integer_code(value, scale, -zero, top - zero) + zero;
    if (transposed) put(part, bits, c, size, slot, value);
    else put(part, bits, slot, dim, c, value);
  }
}

/// One row of `width` stored elements as f32, before scales: codes for bytes and nibbles.
inline void read_row(const uint8_t* part, int64_t bits, int64_t row, int64_t width, float* out) {
  if (bits == 32) {
    std::memcpy(out, part + 4 * row * width, static_cast<size_t>(4 * width));
  } else if (bits == 16) {
    const auto* halves = reinterpret_cast<const uint16_t*>(part) + row * width;
    for (int64_t i = 0; i < width; ++i) out[i] = bf16_to_float(halves[i]);
  } else if (bits == 8) {
    const uint8_t* codes = part + row * width;
    for (int64_t i = 0; i < width; ++i) out[i] = static_cast<float>(codes[i]);
  } else {
    const uint8_t* codes = part + row * width / 2;
    const int64_t half = width / 2;
    for (int64_t i = 0; i < half; ++i) out[i] = static_cast<float>(codes[i] & 15);
    for (int64_t i = 0; i < half; ++i) out[half + i] = static_cast<float>(codes[i] >> 4);
  }
}

/// Keys of a block, out (head_dim, block_size) f32.
inline void read_keys(const KvLayerSpec& kv, int64_t block, int64_t head, float* out) {
  uint8_t* part = key_part(kv, block, head);
  const int64_t dim = kv.head_dim, size = kv.block_size, bits = kv.key_bits;
  const float* scales = part_scales(part, dim * size, bits);
  const auto* zeros = reinterpret_cast<const uint8_t*>(scales + size);
  for (int64_t c = 0; c < dim; ++c) {
    float* row = out + c * size;
    read_row(part, bits, c, size, row);
    if (bits < 16) {
      for (int64_t j = 0; j < size; ++j) row[j] = (row[j] - static_cast<float>(zeros[j])) * scales[j];
    }
  }
}

/// The first `count` values of a block, out (count, head_dim) f32.
inline void read_values(const KvLayerSpec& kv, int64_t block, int64_t head, int64_t count, float* out) {
  uint8_t* part = value_part(kv, block, head);
  const int64_t dim = kv.head_dim, size = kv.block_size, bits = kv.value_bits;
  const float* scales = part_scales(part, dim * size, bits);
  const auto* zeros = reinterpret_cast<const uint8_t*>(scales + size);
  for (int64_t j = 0; j < count; ++j) {
    float* row = out + j * dim;
    read_row(part, bits, j, dim, row);
    if (bits < 16) {
      const float zero = static_cast<float>(zeros[j]), scale = scales[j];
      for (int64_t c = 0; c < dim; ++c) row[c] = (row[c] - zero) * scale;
    }
  }
}

}  // namespace

}  // namespace ATOM_ISA

}  // namespace atom
