// The two 16-bit floats, one value at a time; the native twin of src/numerics/half-floats.ts.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace atom::ATOM_ISA {

namespace {

inline float bf16_to_float(uint16_t bits) {
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

/// Nearest, halves to even; NaN stays a NaN.
inline uint16_t float_to_bf16(float value) {
  uint32_t word;
  std::memcpy(&word, &value, sizeof word);
  if (value != value) return static_cast<uint16_t>((word >> 16) | 0x40u);
  return static_cast<uint16_t>((word + 0x7fffu + ((word >> 16) & 1u)) >> 16);
}

inline float f16_to_float(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16;
  const uint32_t rest = bits & 0x7fffu;
  uint32_t word;
  float value;
  if (rest >= 0x7c00u) {
    word = sign | 0x7f800000u | ((rest & 0x3ffu) << 13);
  } else if (rest >= 0x0400u) {
    word = sign | ((rest << 13) + 0x38000000u);
  } else {
    value = static_cast<float>(rest) * 0x1p-24f;
    return sign ? -value : value;
  }
  std::memcpy(&value, &word, sizeof value);
  return value;
}

}  // namespace

}  // namespace atom::ATOM_ISA
