// Scores of a few rows against a step of keys, straight from the cache's format.
//
//   queries (rows, head_dim)  x  keys of a step  ->  scores (rows, 64) f32
//
// Integer keys are never turned into floats: a query becomes integers, and dot products of bytes do the rest.
//   nibbles   q = step * code, 8 bits: rounding the query then adds 1/70 of the noise that rounding the key has added
//   bytes     q = step * (256 high + low), 16 bits
// and q . k = step * scale * (codes of q . codes of k - zero * sum of codes of q), exact but for the rounding of q.
//
//   cost per 64 keys and row of 128 channels: 8 KiB of dot products from 4 KiB (nibbles), 16 from 8 KiB (bytes)
#pragma once

#include "attention_step.h"
#include "dot_bytes.h"

namespace atom::ATOM_ISA {

namespace {

constexpr int query_planes(int64_t bits) { return bits <= 4 ? 1 : 2; }

/// The queries of a task, scaled: as floats, and for integer keys as one or two planes of bytes.
struct Queries {
  int64_t width;   // head_dim rounded up to 16; what is beyond is 0
  float* values;   // (rows, width)
  int8_t* planes;  // (rows, planes, width), high and low
  float* steps;    // (rows)
  int32_t* sums;   // (rows) of the codes

  /// Fills the planes of a row from its values, for keys of `bits`.
  void round(int64_t row, int64_t bits) const {
    const float* q = values + row * width;
    VecF peaks = {}, shown = {};
    for (int64_t c = 0; c < width; c += kLanes) {
      const VecF x = load(q + c);
      peaks = maximum(maximum(x, -x), peaks);
      shown += x * 0.0f;  // NaN where a channel is not finite
    }
    const float unusual = sum_lanes(shown);
    const bool two = query_planes(bits) == 2;
    // Both planes are bytes, and the whole dot product must fit 32 bits: that matters beyond 257 channels.
    const int64_t most = two ? std::min<int64_t>(127 * 256 + 127, INT32_MAX / (255 * width)) : 127;
    const float step = std::max(max_lanes(peaks), 1e-30f) / static_cast<float>(most);
    const float per_step = unusual == 0 ? 1 / step : 0.0f;
    constexpr float kNoFraction = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    int8_t* high = planes + row * query_planes(bits) * width;
    VecI sum = {};
    for (int64_t c = 0; c < width; c += kLanes) {
      const VecF rounded = (load(q + c) * per_step + kNoFraction) - kNoFraction;
      const VecI code = unusual == 0 ? __builtin_convertvector(rounded, VecI) : VecI{};
      sum += code;
      const VecI upper = two ? (code + 128) >> 8 : code;
      store_bytes(high + c, upper);
      if (two) store_bytes(high + width + c, code - (upper << 8));
    }
    steps[row] = step + unusual;
    sums[row] = 0;
    for (int i = 0; i < kLanes; ++i) sums[row] += sum[i];
  }
};

template <int Bits, int Rows, int Vectors>
void score_codes(Step& step, const Queries& queries, int64_t row, int first, float* scores) {
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
  unroll<Vectors>([&](auto v) {
    const SlicePart part = keys_of(step.kv, step.slice(first + v));
    const VecI zeros = widen_bytes(part.zeros + Step::lane(first + v));
    const VecF scales = load(part.scales + Step::lane(first + v));
    unroll<Rows>([&](auto r) {
      VecI whole = sums[kPlanes * r * Vectors + v];
      if constexpr (kPlanes == 2) whole = (whole << 8) + sums[(2 * r + 1) * Vectors + v];
      whole -= zeros * queries.sums[row + r];
      store(scores + r * kStepKeys + (first + v) * kLanes,
            __builtin_convertvector(whole, VecF) * (scales * queries.steps[row + r]));
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
void score_step(Step& step, const Queries& queries, int64_t row, float* scores) {
  constexpr int kVectors = vectors_beside(Bits < 16 ? Rows * query_planes(Bits) : Rows);
  for (int first = 0; first < step.vectors(); first += kVectors) {
    if constexpr (Bits < 16) score_codes<Bits, Rows, kVectors>(step, queries, row, first, scores);
    else score_floats<Bits, Rows, kVectors>(step, queries, row, first, scores);
  }
}

/// scores (Rows, 64) of rows [row, row + Rows) of the queries.
template <int Rows>
void score(Step& step, const Queries& queries, int64_t row, float* scores) {
  switch (step.kv.key_bits) {
    case 32: return score_step<32, Rows>(step, queries, row, scores);
    case 16: return score_step<16, Rows>(step, queries, row, scores);
    case 8: return score_step<8, Rows>(step, queries, row, scores);
    default: return score_step<4, Rows>(step, queries, row, scores);
  }
}

}  // namespace

}  // namespace atom::ATOM_ISA
