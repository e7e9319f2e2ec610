// Products of bf16 pairs, and codes opened to such pairs: what a tile of linear_weight_only is made of.
//   Pair  two channels per lane: two bf16 in a word where the set multiplies them so, else two vectors of f32
#pragma once

#include <cstdint>
#include <cstring>

#include "simd.h"
#include "unrolled.h"

namespace atom::ATOM_ISA {

namespace {

/// The signed field of `Bits` bits that begins at bit `At` of each word.
template <int Bits, int At>
inline VecF field(VecI words) {
  VecI code = words;
  if constexpr (At + Bits < 32) code = code << (32 - Bits - At);
  code = code >> (32 - Bits);
#if defined(__AVX512F__)
  return (VecF)_mm512_cvtepi32_ps((__m512i)code);
#else
  return __builtin_convertvector(code, VecF);
#endif
}

/// Code `I` of those of each word, in the order they are packed in: the firsts of all pairs, then the seconds.
template <int Bits, int I>
[[gnu::always_inline]] inline VecF open_code(VecI words) {
#if defined(__AVX512F__)
  if constexpr (Bits == 4) {  // the bits above a nibble are not looked at
    const __m512 values = _mm512_set_ps(-1, -2, -3, -4, -5, -6, -7, -8, 7, 6, 5, 4, 3, 2, 1, 0);
    return (VecF)_mm512_permutexvar_ps((__m512i)(words >> (4 * I)), values);
  }
#endif
  return field<Bits, Bits * I>(words);
}

#if defined(__AVX512BF16__)

using Pair = VecI;

inline Pair same_pair(const uint16_t* from) { return held(same_words(from)); }

inline VecF dot_pair(VecF sum, Pair x, Pair w) {
  return (VecF)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)w);
}

/// bf16 of the codes 0 to 7 and -8 to -1, twice: the bit above a nibble is not looked at.
inline VecI nibble_values() {
  alignas(64) static constexpr uint16_t kValues[32] = {
      0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0, 0xc100, 0xc0e0, 0xc0c0,
      0xc0a0, 0xc080, 0xc040, 0xc000, 0xbf80, 0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0,
      0x40c0, 0x40e0, 0xc100, 0xc0e0, 0xc0c0, 0xc0a0, 0xc080, 0xc040, 0xc000, 0xbf80};
  return load_words(kValues);
}

/// Pair `I` of the codes of `Bits` bits in each word.
template <int Bits, int I>
inline Pair open_pair(VecI words) {
  if constexpr (Bits == 4) {
    return (Pair)_mm512_permutexvar_epi16((__m512i)(words >> (4 * I)), (__m512i)nibble_values());
  } else {
    // Eight bits fit the fraction of bf16: what is cut off is zero.
    const VecI first = (VecI)field<8, 8 * I>(words), second = (VecI)field<8, 8 * I + 16>(words);
    return (Pair)_mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_srli_epi32((__m512i)first, 16), (__m512i)second);
  }
}

#else

struct Pair {
  VecF first, second;
};

inline Pair same_pair(const uint16_t* from) {
  const VecI words = held(same_words(from));
  return {(VecF)(words << 16), (VecF)(words & static_cast<int32_t>(0xffff0000))};
}

inline VecF dot_pair(VecF sum, const Pair& x, const Pair& w) {
  return multiply_add(x.second, w.second, multiply_add(x.first, w.first, sum));
}

template <int Bits, int I>
inline Pair open_pair(VecI words) {
  return {open_code<Bits, I>(words), open_code<Bits, I + 16 / Bits>(words)};
}

#endif

}  // namespace

}  // namespace atom::ATOM_ISA
