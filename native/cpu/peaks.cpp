#include "peaks.h"

#include <algorithm>
#include <utility>

#include "amx.h"
#include "simd.h"
#include "streams.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

constexpr int kAccumulators = 12;

/// Makes the compiler forget what it knows of a register, so that a loop is neither folded nor moved.
template <class Vector>
inline void disturb(Vector& value) {
#if defined(__x86_64__)
  __asm__ volatile("" : "+v"(value));
#else
  __asm__ volatile("" : "+w"(value));
#endif
}

// Written out by index, because the compiler keeps an array in registers only where every index is a constant.
template <class Vector, class Step, size_t... I>
void rounds_of(int64_t rounds, Step step, std::index_sequence<I...>) {
  Vector sums[sizeof...(I)] = {};
  for (int64_t round = 0; round < rounds; ++round) ((sums[I] = step(sums[I]), disturb(sums[I])), ...);
}

template <class Vector, class Step>
double run(int64_t rounds, double operations_per_step, Step step) {
  // Many small tasks: a thread that something else holds up must not hold up the measurement.
  const int64_t tasks = 32;
  parallel_for(tasks, [=](int64_t, int) {
    rounds_of<Vector>(rounds, step, std::make_index_sequence<kAccumulators>());
  });
  return operations_per_step * kAccumulators * static_cast<double>(rounds) * static_cast<double>(tasks);
}

#if defined(__AMX_TILE__)
/// Four products of whole tiles a round, each with a sum of its own.
template <class Round>
double run_tiles(int64_t rounds, double channels, Round round) {
  static constexpr TileShapes shapes = [] {
    TileShapes all;
    for (int tile = 0; tile < 8; ++tile) all.set(tile, 16, 64);
    return all;
  }();
  // Zeros may be multiplied faster than anything else: bf16 between 1 and 2, or bytes that differ.
  alignas(64) uint16_t values[512];
  for (uint16_t i = 0; i < 512; ++i) values[i] = static_cast<uint16_t>(0x3f80 + i * 37 % 128);
  const int64_t tasks = 32;
  parallel_for(tasks, [&](int64_t, int) {
    const TileSession session(shapes);
    tile_zero<0>(), tile_zero<1>(), tile_zero<2>(), tile_zero<3>();
    tile_load<4>(values, 64), tile_load<5>(values, 64), tile_load<6>(values, 64), tile_load<7>(values, 64);
    for (int64_t i = 0; i < rounds; ++i) round();
  });
  return 4 * 2 * 16 * 16 * channels * static_cast<double>(rounds) * static_cast<double>(tasks);
}
#endif

}  // namespace

double peak_f32(int64_t rounds) {
  const VecF a = broadcast(1.0f), b = broadcast(0.5f);
  return run<VecF>(rounds, 2 * kLanes, [=](VecF sum) { return multiply_add(a, b, sum); });
}

double peak_bf16_vector(int64_t rounds) {
#if defined(__AVX512BF16__)
  const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f80), b = (__m512bh)_mm512_set1_epi16(0x3f00);
  return run<__m512>(rounds, 4 * kLanes, [=](__m512 sum) { return _mm512_dpbf16_ps(sum, a, b); });
#else
  // Without dot products of bf16 the kernels widen to f32.
  return peak_f32(rounds);
#endif
}

double peak_int8_vector(int64_t rounds) {
#if defined(__AVX512VNNI__)
  const __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2);
  return run<__m512i>(rounds, 8 * kLanes, [=](__m512i sum) { return _mm512_dpbusd_epi32(sum, a, b); });
#elif defined(__AVXVNNI__)
  const __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2);
  return run<__m256i>(rounds, 8 * kLanes, [=](__m256i sum) { return _mm256_dpbusd_avx_epi32(sum, a, b); });
#elif defined(__AVX2__)
  const __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2), ones = _mm256_set1_epi16(1);
  return run<__m256i>(rounds, 8 * kLanes, [=](__m256i sum) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
  });
#elif defined(__ARM_FEATURE_DOTPROD)
  const int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(2);
  return run<int32x4_t>(rounds, 8 * kLanes, [=](int32x4_t sum) { return vdotq_s32(sum, a, b); });
#else
  return peak_f32(rounds);
#endif
}

double peak_bf16(int64_t rounds) {
#if defined(__AMX_TILE__)
  return run_tiles(rounds, 32, [] {
    tile_dot_bf16<0, 4, 6>(), tile_dot_bf16<1, 4, 7>(), tile_dot_bf16<2, 5, 6>(), tile_dot_bf16<3, 5, 7>();
  });
#else
  return peak_bf16_vector(rounds);
#endif
}

double peak_int8(int64_t rounds) {
#if defined(__AMX_TILE__)
  return run_tiles(rounds, 64, [] {
    tile_dot_bytes<0, 4, 6>(), tile_dot_bytes<1, 4, 7>(), tile_dot_bytes<2, 5, 6>(), tile_dot_bytes<3, 5, 7>();
  });
#else
  return peak_int8_vector(rounds);
#endif
}

double peak_read(const void* memory, int64_t bytes) {
  const int64_t chunk = 1 << 20, stream = chunk / kTogether, line = 64;
  const auto* from = static_cast<const char*>(memory);
  const int64_t chunks = bytes / chunk;
  parallel_for(chunks, [=](int64_t task, int) {
    VecI sums[line / sizeof(VecI)] = {};
    for (int64_t at = 0; at < stream; at += line) {
      for (int64_t s = 0; s < kTogether; ++s) {
        const char* place = from + task * chunk + s * stream + at;
        if constexpr (kAheadOfEach > 0) __builtin_prefetch(place + kAheadOfEach);
        for (VecI& sum : sums) sum ^= (VecI)load(reinterpret_cast<const float*>(place) + (&sum - sums) * kLanes);
      }
    }
    for (VecI& sum : sums) disturb(sum);
  });
  return static_cast<double>(chunks * chunk);
}

}  // namespace atom::ATOM_ISA
