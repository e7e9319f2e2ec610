// The normalised Walsh-Hadamard transform of consecutive blocks (src/numerics/hadamard.ts): log2(size) steps, in each of
// which pairs (a, b) become (a + b, a - b), the distance of a pair doubling from 1 on.
//
//   distance   1 .. kLanes / 2      within a vector: each lane gets the other of its pair plus or less itself
//              kLanes .. 4 kLanes   between the eight vectors that are in registers
//              beyond               through the first-level cache
//
//   cost   log2(size) operations a value; 8 bytes read and written for every 8 kLanes values, and again for what is beyond
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "simd.h"
#include "unrolled.h"

namespace atom::ATOM_ISA {

namespace {

/// A step within a vector. A product with 1 or -1 is exact, so that this is a + b and a - b with one rounding.
template <int Distance, int... Lane>
inline VecF butterfly(VecF v, std::integer_sequence<int, Lane...>) {
  const VecF signs = {((Lane & Distance) != 0 ? -1.0f : 1.0f)...};
  return multiply_add(v, signs, __builtin_shufflevector(v, v, (Lane ^ Distance)...));
}

/// A step between vectors `Distance` apart.
template <int Distance, int Vectors>
[[gnu::always_inline]] inline void butterflies(VecF* v) {
  unroll<Vectors>([&](auto i) {
    if constexpr ((i & Distance) == 0) {
      const VecF a = v[i], b = v[i + Distance];
      v[i] = a + b;
      v[i + Distance] = a - b;
    }
  });
}

/// A block of so many vectors, times `scale` at the end.
template <int Vectors>
inline void transform_vectors(float* x, VecF scale) {
  constexpr auto kAll = std::make_integer_sequence<int, kLanes>();
  VecF v[Vectors];
  unroll<Vectors>([&](auto i) {
    v[i] = butterfly<2>(butterfly<1>(load(x + i * kLanes), kAll), kAll);
    if constexpr (kLanes > 4) v[i] = butterfly<4>(v[i], kAll);
    if constexpr (kLanes > 8) v[i] = butterfly<8>(v[i], kAll);
  });
  if constexpr (Vectors > 1) butterflies<1, Vectors>(v);
  if constexpr (Vectors > 2) butterflies<2, Vectors>(v);
  if constexpr (Vectors > 4) butterflies<4, Vectors>(v);
  unroll<Vectors>([&](auto i) { store(x + i * kLanes, v[i] * scale); });
}

/// Blocks of less than a vector.
inline void transform_few(float* x, int64_t count, int64_t size, float scale) {
  for (int64_t half = 1; half < size; half *= 2) {
    for (int64_t start = 0; start < count; start += 2 * half) {
      for (int64_t i = start; i < start + half; ++i) {
        const float a = x[i], b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
  }
  for (int64_t i = 0; i < count; ++i) x[i] *= scale;
}

/// Each block of `size` values, a power of two, times the matrix.
inline void walsh_hadamard(float* x, int64_t count, int64_t size) {
  constexpr int64_t kHeld = 8 * kLanes;
  const float scale = static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
  if (size < kLanes) return transform_few(x, count, size, scale);
  const VecF last = broadcast(scale), first = broadcast(size > kHeld ? 1.0f : scale);
  for (int64_t start = 0; start < count; start += std::min(size, kHeld)) {
    float* const at = x + start;
    if (size >= kHeld) transform_vectors<8>(at, first);
    else if (size == 4 * kLanes) transform_vectors<4>(at, first);
    else if (size == 2 * kLanes) transform_vectors<2>(at, first);
    else transform_vectors<1>(at, first);
  }
  for (int64_t half = kHeld; half < size; half *= 2) {
    const VecF by = 2 * half == size ? last : broadcast(1.0f);
    for (int64_t start = 0; start < count; start += 2 * half) {
      for (int64_t i = start; i < start + half; i += kLanes) {
        const VecF a = load(x + i), b = load(x + i + half);
        store(x + i, (a + b) * by);
        store(x + i + half, (a - b) * by);
      }
    }
  }
}

}  // namespace

}  // namespace atom::ATOM_ISA
