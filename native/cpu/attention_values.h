// Weighted sums of a step of values for a few rows, straight from the cache's format.
//
//   weights (rows, keys of a step)  x  values of a step  ->  added to sums (rows, width) f32
//
// Integer sums are exact; attention_weights.h tells what the weights are.
//
//   cost per 64 keys and row of 128 channels: 8 KiB of dot products from 4 KiB (nibbles), 16 from 8 KiB (bytes)
#pragma once

#include "attention_scores.h"

namespace atom::ATOM_ISA {

namespace {

/// sums of row `r` = shrink * sums + grow * added, at a channel.
template <int Rows>
inline void add_to_sums(const Contribution<Rows>& c, int r, int64_t channel, VecF added) {
  float* const to = c.sums[r] + channel;
  store(to, multiply_add(added, broadcast(c.grows[r]), load(to) * c.shrinks[r]));
}

template <int Bits, int Rows, int Vectors>
void add_codes(Step& step, const Contribution<Rows>& c, int64_t channel) {
  constexpr int kTokens = 32 / Bits;  // of a lane of stored values
  constexpr int kPlanes = weight_planes(Bits);
  const int64_t row_bytes = value_width(step.kv.head_dim) * 4;
  VecI sums[Rows * kPlanes * Vectors];
  unroll<Rows * kPlanes * Vectors>([&](auto i) { sums[i] = VecI{}; });
  for (int slice = 0; slice < step.slices; ++slice) {
    const uint8_t* values = step.at[slice] + step.kv.value_offset + channel * 4;
    const auto* weights = reinterpret_cast<const int8_t*>(c.planes + slice * kSliceTokens);
    unroll<kSliceTokens / kTokens>([&](auto group) {
      VecB codes[Vectors];
      unroll<Vectors>([&](auto v) { codes[v] = held(load_bytes(values + group * row_bytes + v * kLanes * 4)); });
      step.ask_ahead<Vectors * kLanes * 4>(group);
      unroll<kTokens / 4>([&](auto half) {
        VecB part[Vectors];
        unroll<Vectors>([&](auto v) {
          part[v] = Bits == 8 ? codes[v] : half == 0 ? low_nibbles(codes[v]) : high_nibbles(codes[v]);
        });
        unroll<Rows * kPlanes>([&](auto plane) {
          const VecB weight = broadcast_four(weights + plane * kStepKeys + group * kTokens + half * 4);
          unroll<Vectors>([&](auto v) {
            sums[plane * Vectors + v] = dot_weights<Bits>(sums[plane * Vectors + v], weight, part[v]);
          });
        });
      });
    });
  }
  unroll<Rows>([&](auto r) {
    if (!c.active(r)) return;
    unroll<Vectors>([&](auto v) {
      VecI whole = sums[kPlanes * r * Vectors + v];
      if constexpr (kPlanes == 2) whole = (whole << 7) + sums[(2 * r + 1) * Vectors + v];
      add_to_sums(c, r, channel + v * kLanes, __builtin_convertvector(whole, VecF));
    });
  });
}

/// Keys are taken from each row's first to its last, never beyond: what a row does not see may be NaN.
template <int Bits, int Rows, int Vectors>
void add_floats(Step& step, const Contribution<Rows>& c, int64_t channel) {
  const int64_t token_bytes = value_width(step.kv.head_dim) * Bits / 8;
  VecF sums[Rows * Vectors];
  unroll<Rows * Vectors>([&](auto i) { sums[i] = VecF{}; });
  for (int slice = 0; slice < step.slices; ++slice) {
    const uint8_t* values = step.at[slice] + step.kv.value_offset + channel * Bits / 8;
    for (int token = 0; token < kSliceTokens; ++token) {
      const int key = slice * static_cast<int>(kSliceTokens) + token;
      VecF part[Vectors];
      unroll<Vectors>([&](auto v) {
        part[v] = load_float<Bits>(values + token * token_bytes + v * kLanes * Bits / 8);
      });
      step.ask_ahead<Vectors * kLanes * Bits / 8>(token);
      unroll<Rows>([&](auto r) {
        if (key < c.lows[r] || key >= c.highs[r]) return;
        const VecF weight = broadcast(c.scores[r * kStepKeys + key]);
        unroll<Vectors>([&](auto v) {
          sums[r * Vectors + v] = multiply_add(weight, part[v], sums[r * Vectors + v]);
        });
      });
    }
  }
  unroll<Rows>([&](auto r) {
    if (!c.active(r)) return;
    unroll<Vectors>([&](auto v) { add_to_sums(c, r, channel + v * kLanes, sums[r * Vectors + v]); });
  });
}

template <int Bits, int Rows, int Vectors>
void add_channels(Step& step, const Contribution<Rows>& c, int64_t channel) {
  if constexpr (Bits < 16) add_codes<Bits, Rows, Vectors>(step, c, channel);
  else add_floats<Bits, Rows, Vectors>(step, c, channel);
}

/// Turns the scores of the rows into weights, and adds the values of a step to their sums.
template <int Bits, int Rows>
void add_step(Step& step, const Terms& terms, Contribution<Rows>& c, const SoftmaxSums& sums, int64_t row) {
  constexpr int kVectors = vectors_beside(Bits < 16 ? weight_planes(Bits) * Rows : Rows);
  weigh<std::min(Bits, 16)>(step, terms, c, sums, row);  // for values that are floats, of either width, it is the same
  for (int r = 0; r < Rows; ++r) c.sums[r] = sums.values(row + r);
  const int64_t width = value_width(step.kv.head_dim);
  int64_t channel = 0;
  for (; channel + kVectors * kLanes <= width; channel += kVectors * kLanes) {
    add_channels<Bits, Rows, kVectors>(step, c, channel);
  }
  for (; channel < width; channel += kLanes) add_channels<Bits, Rows, 1>(step, c, channel);
}

/// Rows [row, row + Rows) of the sums take in a step that they have been scored against.
template <int Rows>
void add_values(Step& step, const Terms& terms, Contribution<Rows>& c, const SoftmaxSums& sums, int64_t row) {
  switch (step.kv.value_bits) {
    case 32: return add_step<32>(step, terms, c, sums, row);
    case 16: return add_step<16>(step, terms, c, sums, row);
    case 8: return add_step<8>(step, terms, c, sums, row);
    default: return add_step<4>(step, terms, c, sums, row);
  }
}

}  // namespace

}  // namespace atom::ATOM_ISA
