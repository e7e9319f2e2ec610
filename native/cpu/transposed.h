// Sixteen rows of sixteen words to sixteen columns, in registers. Only for sets with vectors of 512 bits.
#pragma once

#include "simd.h"

#if defined(__AVX512F__)

namespace atom::ATOM_ISA {

namespace {

/// rows[i][j] becomes rows[j][i].
[[gnu::always_inline]] inline void transpose_words(__m512i* rows) {
  __m512i pairs[16];
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  // Four words of a column in each 128 bits: column 4 lane + c of rows [4 group, 4 group + 4) in rows[4 group + c].
  for (int i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  for (int c = 0; c < 4; ++c) {
    const __m512i first = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0x88);
    const __m512i second = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0xdd);
    const __m512i third = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0x88);
    const __m512i fourth = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0xdd);
    rows[c] = _mm512_shuffle_i32x4(first, third, 0x88);
    rows[4 + c] = _mm512_shuffle_i32x4(second, fourth, 0x88);
    rows[8 + c] = _mm512_shuffle_i32x4(first, third, 0xdd);
    rows[12 + c] = _mm512_shuffle_i32x4(second, fourth, 0xdd);
  }
}

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
