// Numbers of 32 bits packed into bytes, four vectors at a time.
#pragma once

#include "dot_bytes.h"

namespace atom::ATOM_ISA {

namespace {

constexpr int kPacked = 4;  // vectors of numbers in a vector of bytes

/// Four vectors of numbers in [0, 256), in order, as bytes.
inline VecB pack_bytes(VecI a, VecI b, VecI c, VecI d) {
  // Packing works within 16 bytes of a register, so fours of numbers end up like the columns of a matrix.
#if defined(__AVX512BW__)
  const __m512i low = _mm512_packus_epi32((__m512i)a, (__m512i)b), high = _mm512_packus_epi32((__m512i)c, (__m512i)d);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return (VecB)_mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
#elif defined(__AVX2__)
  const __m256i low = _mm256_packus_epi32((__m256i)a, (__m256i)b), high = _mm256_packus_epi32((__m256i)c, (__m256i)d);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  return (VecB)_mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
#else
  typedef uint8_t Quarter __attribute__((vector_size(kLanes)));
  const Quarter parts[4] = {__builtin_convertvector(a, Quarter), __builtin_convertvector(b, Quarter),
                            __builtin_convertvector(c, Quarter), __builtin_convertvector(d, Quarter)};
  VecB packed;
  std::memcpy(&packed, parts, sizeof packed);
  return packed;
#endif
}

inline void store_plane(void* to, VecB plane) { std::memcpy(to, &plane, sizeof plane); }

}  // namespace

}  // namespace atom::ATOM_ISA
