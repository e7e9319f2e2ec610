// The vector vocabulary of the kernels: one set of names, a meaning per instruction set.
// Operators are written once with these; plus, minus, times and comparisons come from the compiler's vector extensions.
//   VecF  kLanes f32      VecI  kLanes i32
// Everything is in an anonymous namespace: a weak symbol of one set must not stand in for another's.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "half.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__x86_64__)
#include <emmintrin.h>  // all that is needed; the other takes a second to read
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace atom::ATOM_ISA {

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float VecF __attribute__((vector_size(kLanes * 4)));
typedef int32_t VecI __attribute__((vector_size(kLanes * 4)));

inline VecF load(const float* from) {
  VecF v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

inline VecI load_words(const void* from) {
  VecI v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

/// The same word in every lane, loaded so: adding it to zeros would cost an operation.
inline VecI same_words(const void* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof word);
#if defined(__AVX512F__)
  return (VecI)_mm512_set1_epi32(word);
#elif defined(__AVX2__)
  return (VecI)_mm256_set1_epi32(word);
#else
  return VecI{} + word;
#endif
}

inline void store(float* to, VecF v) { std::memcpy(to, &v, sizeof v); }

/// Past the caches where the set can; `to` is aligned to a vector. Other threads see it once the locked instruction that
/// ends a thread's tasks (threads.cpp) is done, as they see all else.
inline void stream(float* to, VecF v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(to, (__m512)v);
#else
  store(to, v);
#endif
}

/// Asks for a cache line that is not needed at once: to the second-level cache.
inline void prefetch_far(const void* line) { __builtin_prefetch(line, 0, 2); }

inline VecF broadcast(float x) { return VecF{} + x; }

/// a * b + c, rounded once where the set has it.
inline VecF multiply_add(VecF a, VecF b, VecF c) {
#if defined(__AVX512F__)
  return (VecF)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (VecF)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (VecF)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

inline VecF maximum(VecF a, VecF b) {
#if defined(__AVX512F__)
  return (VecF)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (VecF)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return a > b ? a : b;
#endif
}

inline VecF minimum(VecF a, VecF b) {
#if defined(__AVX512F__)
  return (VecF)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (VecF)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return a < b ? a : b;
#endif
}

/// Nearest integers, halves to even, of values within +-2^22: adding 1.5 * 2^23 leaves no fraction bits.
inline VecF round_half_even(VecF v) { return (v + 12582912.0f) - 12582912.0f; }

inline VecF magnitude(VecF v) { return (VecF)((VecI)v & 0x7fffffff); }

/// Whether a lane of v is above its limit; none that is NaN is.
inline bool any_above(VecF v, VecF limits) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask((__m512)v, (__m512)limits, _CMP_GT_OQ) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps(_mm256_cmp_ps((__m256)v, (__m256)limits, _CMP_GT_OQ)) != 0;
#else
  const VecI above = v > limits;
  return (above[0] | above[1] | above[2] | above[3]) != 0;
#endif
}

/// Whether a lane of what comparisons give is true.
inline bool any(VecI mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps((__m256)mask) != 0;
#else
  return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
#endif
}

/// Stores the lanes of v that a comparison has found, one after the other, and gives their number. What follows them, up to
/// a vector, may be written over.
inline int64_t store_some(float* to, VecF v, VecI mask) {
#if defined(__AVX512F__)
  const __mmask16 lanes = _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask);
  _mm512_storeu_ps(to, _mm512_maskz_compress_ps(lanes, (__m512)v));  // into memory at once takes longer
  return __builtin_popcount(lanes);
#else
  if (!any(mask)) return 0;
  int64_t count = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    to[count] = v[lane];
    count -= mask[lane];
  }
  return count;
#endif
}

typedef float Four __attribute__((vector_size(16)));

/// Sum of the lanes, always in the same order: halves are added until one is left.
inline float sum_lanes(VecF v) {
#if defined(__AVX512F__)
  typedef float Eight __attribute__((vector_size(32)));
  const Eight eight = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                      __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const Four four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
#elif defined(__AVX2__)
  const Four four = __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
#else
  const Four four = v;
#endif
  return (four[0] + four[2]) + (four[1] + four[3]);
}

/// `sum_lanes` of each of four vectors, for a third of the operations.
inline Four sum_lanes_of(VecF a, VecF b, VecF c, VecF d) {
#if defined(__AVX512F__)
  // Halves of two vectors, then of four, are added side by side.
  const auto halves = [](VecF x, VecF y) {
    return __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           __builtin_shufflevector(x, y, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  };
  const VecF x = halves(a, b), y = halves(c, d);
  const VecF fours = __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
                     __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  const VecF twos = fours + (VecF)_mm512_permute_ps((__m512)fours, 0b01001110);
  const VecF ones = twos + (VecF)_mm512_permute_ps((__m512)twos, 0b10110001);
  return __builtin_shufflevector(ones, ones, 0, 4, 8, 12);
#else
#if defined(__AVX2__)
  const auto four = [](VecF v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7); };
#else
  const auto four = [](VecF v) { return v; };
#endif
  const auto twos = [](Four x, Four y) { return __builtin_shufflevector(x, y, 0, 4, 1, 5) + __builtin_shufflevector(x, y, 2, 6, 3, 7); };
  const Four x = twos(four(a), four(b)), y = twos(four(c), four(d));
  return __builtin_shufflevector(x, y, 0, 1, 4, 5) + __builtin_shufflevector(x, y, 2, 3, 6, 7);
#endif
}

/// Largest of the lanes; where some are NaN it may be one of them or not.
inline float max_lanes(VecF v) {
  const auto larger = [](Four a, Four b) -> Four {
#if defined(__x86_64__)
    return (Four)_mm_max_ps((__m128)a, (__m128)b);  // left alone the compiler may branch
#else
    return a > b ? a : b;
#endif
  };
#if defined(__AVX512F__)
  const Four four = larger(larger(__builtin_shufflevector(v, v, 0, 1, 2, 3), __builtin_shufflevector(v, v, 4, 5, 6, 7)),
                           larger(__builtin_shufflevector(v, v, 8, 9, 10, 11), __builtin_shufflevector(v, v, 12, 13, 14, 15)));
#elif defined(__AVX2__)
  const Four four = larger(__builtin_shufflevector(v, v, 0, 1, 2, 3), __builtin_shufflevector(v, v, 4, 5, 6, 7));
#else
  const Four four = v;
#endif
  const Four two = larger(four, __builtin_shufflevector(four, four, 2, 3, 0, 1));
  return larger(two, __builtin_shufflevector(two, two, 1, 0, 3, 2))[0];
}

#if defined(__AVX512F__)
/// x times 2^floor(power), x in [0.5, 2]; 0 for powers below -125, NaN where the power is. Never a denormal: one costs some
/// processors more than a hundred cycles.
inline VecF scaled_by_power(VecF x, VecF power) {
  const __mmask16 normal = _mm512_cmp_ps_mask((__m512)power, _mm512_set1_ps(-125.0f), _CMP_NLT_UQ);
  return (VecF)_mm512_maskz_scalef_ps(normal, (__m512)x, (__m512)power);
}
#endif

/// e^x to about 1 ulp: x = n ln 2 + r, a polynomial for e^r on [-ln2/2, ln2/2], n added to the exponent.
/// Far below it gives 0 and far above infinity, as floats would; NaN stays NaN.
inline VecF exponential(VecF x) {
#if defined(__AVX512F__)
  // Where one of two is NaN these give the second.
  const VecF clamped = (VecF)_mm512_min_ps((__m512)broadcast(110.0f),
                                           _mm512_max_ps((__m512)broadcast(-110.0f), (__m512)x));
#else
  const VecF clamped = minimum(maximum(x, broadcast(-87.3f)), broadcast(88.5f));
#endif
  constexpr float kNoFraction = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const VecF n = multiply_add(clamped, broadcast(1.44269504f), broadcast(kNoFraction)) - kNoFraction;
  // ln 2 in two parts, so that n times the first is exact.
  VecF r = multiply_add(n, broadcast(-0.693359375f), clamped);
  r = multiply_add(n, broadcast(2.12194440e-4f), r);
  VecF p = broadcast(1.9875691500e-4f);
  p = multiply_add(p, r, broadcast(1.3981999507e-3f));
  p = multiply_add(p, r, broadcast(8.3334519073e-3f));
  p = multiply_add(p, r, broadcast(4.1665795894e-2f));
  p = multiply_add(p, r, broadcast(1.6666665459e-1f));
  p = multiply_add(p, r, broadcast(5.0000001201e-1f));
  p = multiply_add(p, r * r, r) + 1.0f;
#if defined(__AVX512F__)
  return scaled_by_power(p, n);
#else
  const VecI exponent = __builtin_convertvector(n, VecI);
  // Two steps, so that neither factor leaves the range of normal numbers.
  const VecI half = exponent >> 1;
  const VecF scale_a = (VecF)((half + 127) << 23);
  const VecF scale_b = (VecF)((exponent - half + 127) << 23);
  const VecF y = p * scale_a * scale_b;
  const VecF zero = {};
  const VecF infinity = broadcast(std::numeric_limits<float>::infinity());
  VecF result = x < -87.3f ? zero : y;
  result = x > 88.7f ? infinity : result;
  return x != x ? x : result;
#endif
}

/// kLanes f16 as f32.
inline VecF load_f16(const uint16_t* from) {
#if defined(__AVX512F__)
  return (VecF)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__AVX2__)
  return (VecF)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#elif defined(__aarch64__)
  return (VecF)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)));
#else
  VecF v;
  for (int i = 0; i < kLanes; ++i) v[i] = f16_to_float(from[i]);
  return v;
#endif
}

/// Scales of kLanes outputs, which weights keep as f32 or, where it changes none of them, as f16.
inline VecF load_scales(const uint8_t* from, bool wide) {
  return wide ? load(reinterpret_cast<const float*>(from)) : load_f16(reinterpret_cast<const uint16_t*>(from));
}

/// kLanes bf16 as f32.
inline VecF load_bf16(const uint16_t* from) {
  typedef uint16_t Half __attribute__((vector_size(kLanes * 2)));
  Half halves;
  std::memcpy(&halves, from, sizeof halves);
  typedef uint32_t Word __attribute__((vector_size(kLanes * 4)));
  return (VecF)(__builtin_convertvector(halves, Word) << 16);
}

}  // namespace

}  // namespace atom::ATOM_ISA
