// Scores of a few rows against a step of keys, straight from the cache's format.
//
//   queries (rows, head_dim)  x  keys of a step  ->  scores (rows, keys) f32, still to be multiplied by the row's step
//
// Integer keys are never turned into floats: queries are integers, too, and dot products of bytes do the rest.
//   q . k = step * scale * (codes of q . codes of k - zero * sum of codes of q), exact but for the rounding of q.
//
//   cost per 64 keys and row of 128 channels: 8 KiB of dot products from 4 KiB (nibbles), 16 from 8 KiB (bytes)
#pragma once

#include "attention_queries.h"
#include "attention_weights.h"

namespace atom::ATOM_ISA {

namespace {

template <int Bits, int Rows, int Vectors>
void score_codes(Step& step, const Terms& terms, const Queries& queries, int64_t row, int first, float* scores) {
  constexpr int kChannels = 32 / Bits;  // of a lane of stored keys
  constexpr int kPlanes = query_planes(Bits);
  const int64_t width = queries.width, groups = (step.kv.head_dim + kChannels - 1) / kChannels;
  const int8_t* planes = queries.planes + row * kPlanes * width;
  const uint8_t* keys[Vectors];
  unroll<Vectors>([&](auto v) { keys[v] = step.slice(first + v) + 4 * Step::lane(first + v); });
  VecI sums[Rows * kPlanes * Vectors];
  unroll<Rows * kPlanes * Vectors>([&](auto i) { sums[i] = VecI{}; });
  for (int64_t group = 0; group < groups; ++group) {
    VecB codes[Vectors];
    unroll<Vectors>([&](auto v) { codes[v] = held(load_bytes(keys[v] + group * 64)); });
    step.ask_ahead<Vectors * kLanes * 4>(group);
    unroll<kChannels / 4>([&](auto half) {
      VecB part[Vectors];
      unroll<Vectors>([&](auto v) {
        part[v] = Bits == 8 ? codes[v] : half == 0 ? low_nibbles(codes[v]) : high_nibbles(codes[v]);
      });
      unroll<Rows * kPlanes>([&](auto plane) {
        const VecB q = broadcast_four(planes + plane * width + group * kChannels + half * 4);
        unroll<Vectors>([&](auto v) {
          sums[plane * Vectors + v] = dot_bytes<Bits>(sums[plane * Vectors + v], part[v], q);
        });
      });
    });
  }
  VecF less[Rows];
  unroll<Rows>([&](auto r) { less[r] = broadcast(-queries.sums[row + r]); });
  unroll<Vectors>([&](auto v) {
    const int at = (first + v) * kLanes;
    const VecF zeros = load(terms.key_zeros + at), scales = load(terms.key_scales + at);
    unroll<Rows>([&](auto r) {
      VecI whole = sums[kPlanes * r * Vectors + v];
      if constexpr (kPlanes == 2) whole = (whole << 8) + sums[(2 * r + 1) * Vectors + v];
      store(scores + r * kStepKeys + at, multiply_add(zeros, less[r], __builtin_convertvector(whole, VecF)) * scales);
    });
  });
}

/// kLanes stored floats of either width.
template <int Bits>
inline VecF load_float(const uint8_t* from) {
  if constexpr (Bits == 16) return load_bf16(reinterpret_cast<const uint16_t*>(from));
  else return load(reinterpret_cast<const float*>(from));
}

template <int Bits, int Rows, int Vectors>
void score_floats(Step& step, const Queries& queries, int64_t row, int first, float* scores) {
  constexpr int64_t kChannelBytes = kSliceTokens * Bits / 8;
  const int64_t dim = step.kv.head_dim;
  const float* q = queries.values + row * queries.width;
  const uint8_t* keys[Vectors];
  unroll<Vectors>([&](auto v) { keys[v] = step.slice(first + v) + Step::lane(first + v) * Bits / 8; });
  VecF sums[Rows * Vectors];
  unroll<Rows * Vectors>([&](auto i) { sums[i] = VecF{}; });
  for (int64_t c = 0; c < dim; ++c) {
    VecF part[Vectors];
    unroll<Vectors>([&](auto v) { part[v] = load_float<Bits>(keys[v] + c * kChannelBytes); });
    step.ask_ahead<Vectors * kLanes * Bits / 8>(c);
    unroll<Rows>([&](auto r) {
      const VecF channel = broadcast(q[r * queries.width + c]);
      unroll<Vectors>([&](auto v) { sums[r * Vectors + v] = multiply_add(channel, part[v], sums[r * Vectors + v]); });
    });
  }
  unroll<Rows * Vectors>([&](auto i) {
    store(scores + i / Vectors * kStepKeys + (first + i % Vectors) * kLanes, sums[i]);
  });
}

template <int Bits, int Rows>
void score_step(Step& step, const Terms& terms, const Queries& queries, int64_t row, float* scores) {
  constexpr int kVectors = vectors_beside(Bits < 16 ? Rows * query_planes(Bits) : Rows);
  for (int first = 0; first < step.vectors(); first += kVectors) {
    if constexpr (Bits < 16) score_codes<Bits, Rows, kVectors>(step, terms, queries, row, first, scores);
    else score_floats<Bits, Rows, kVectors>(step, queries, row, first, scores);
  }
}

/// scores (Rows, keys) of rows [row, row + Rows) of the queries.
template <int Rows>
void score(Step& step, const Terms& terms, const Queries& queries, int64_t row, float* scores) {
  switch (step.kv.key_bits) {
    case 32: return score_step<32, Rows>(step, terms, queries, row, scores);
    case 16: return score_step<16, Rows>(step, terms, queries, row, scores);
    case 8: return score_step<8, Rows>(step, terms, queries, row, scores);
    default: return score_step<4, Rows>(step, terms, queries, row, scores);
  }
}

}  // namespace

}  // namespace atom::ATOM_ISA
