// Dot products of bytes, four to a lane: the integer half of the vector vocabulary (simd.h is the other).
//   VecB  4 kLanes bytes: codes (unsigned) or coefficients (signed), those of a lane belong together
#pragma once

#include <cstdint>
#include <cstring>

#include "simd.h"

namespace atom::ATOM_ISA {

namespace {

typedef uint8_t VecB __attribute__((vector_size(kLanes * 4)));
typedef int16_t VecH __attribute__((vector_size(kLanes * 4)));

inline VecB load_bytes(const uint8_t* from) {
  VecB v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

/// The same four bytes in every lane.
inline VecB broadcast_four(const int8_t* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof word);
  return (VecB)(VecI{} + word);
}

inline VecB low_nibbles(VecB v) { return v & 15; }
// Shifted as words, for no set shifts bytes; what comes over from the neighbour is cut off.
inline VecB high_nibbles(VecB v) { return (VecB)((VecI)v >> 4) & 15; }

// GCC 12 takes conversions between bytes and words apart, lane by lane, where it is not told the instruction.

/// kLanes bytes as numbers.
inline VecI widen_bytes(const uint8_t* from) {
#if defined(__AVX512F__)
  return (VecI)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#elif defined(__AVX2__)
  return (VecI)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
#else
  typedef uint8_t Quarter __attribute__((vector_size(kLanes)));
  Quarter v;
  std::memcpy(&v, from, sizeof v);
  return __builtin_convertvector(v, VecI);
#endif
}

/// The lanes of v, which are -128 to 127, as bytes.
inline void store_bytes(int8_t* to, VecI v) {
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8((__m512i)v));
#elif defined(__AVX2__)
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi16(words, words));
#else
  typedef int8_t Quarter __attribute__((vector_size(kLanes)));
  const Quarter bytes = __builtin_convertvector(v, Quarter);
  std::memcpy(to, &bytes, sizeof bytes);
#endif
}

/// sum + the four products of each lane, exactly; codes are below 2^Bits.
template <int Bits>
inline VecI dot_bytes(VecI sum, VecB codes, VecB coefficients) {
#if defined(__AVX512VNNI__)
  return (VecI)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)codes, (__m512i)coefficients);
#elif defined(__AVXVNNI__)
  return (VecI)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)codes, (__m256i)coefficients);
#elif defined(__AVX2__)
  if constexpr (Bits <= 7) {  // a pair of products fits 16 bits
    const __m256i pairs = _mm256_maddubs_epi16((__m256i)codes, (__m256i)coefficients);
    return sum + (VecI)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  } else {
    const VecH even = (VecH)(codes & (VecB)(VecH{} + 0xff)), odd = (VecH)_mm256_srli_epi16((__m256i)codes, 8);
    const VecH by_even = (VecH)((VecH)_mm256_slli_epi16((__m256i)coefficients, 8) >> 8), by_odd = (VecH)coefficients >> 8;
    return sum + (VecI)_mm256_madd_epi16((__m256i)even, (__m256i)by_even) +
           (VecI)_mm256_madd_epi16((__m256i)odd, (__m256i)by_odd);
  }
#elif defined(__ARM_FEATURE_DOTPROD)
  const auto dot = [&](VecI to, VecB part) {
    return (VecI)vdotq_s32((int32x4_t)to, (int8x16_t)part, (int8x16_t)coefficients);
  };
  if constexpr (Bits <= 7) return dot(sum, codes);
  else return dot(sum, codes & 127) + (dot(VecI{}, codes >> 7) << 7);
#else
  // A product fits 16 bits, the sum of two may not.
  typedef uint16_t VecU __attribute__((vector_size(kLanes * 4)));
  const VecH even = (VecH)((VecU)codes & 0xff), odd = (VecH)((VecU)codes >> 8);
  const VecH by_even = (VecH)((VecU)coefficients << 8) >> 8, by_odd = (VecH)coefficients >> 8;
  const VecI a = (VecI)(even * by_even), b = (VecI)(odd * by_odd);
  typedef uint32_t VecW __attribute__((vector_size(kLanes * 4)));
  return sum + ((VecI)((VecW)a << 16) >> 16) + (a >> 16) + ((VecI)((VecW)b << 16) >> 16) + (b >> 16);
#endif
}

}  // namespace

}  // namespace atom::ATOM_ISA
