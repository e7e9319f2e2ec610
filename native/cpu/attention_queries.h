// The queries of a task: its rows, and what they are scored against keys with.
//
//   qkv (tokens, heads, head_dim) f32  ->  floats (rows, width), and for integer keys bytes (rows, planes, width)
//
// For nibbles a query is step * code, 8 bits: rounding it then adds 1/70 of the noise that rounding the key has added.
// For bytes it is step * (256 high + low), 16 bits.
#pragma once

#include "pack_bytes.h"

namespace atom::ATOM_ISA {

namespace {

constexpr int query_planes(int64_t key_bits) { return key_bits <= 4 ? 1 : 2; }

struct Queries {
  int64_t width;   // head_dim rounded up to 16; what is beyond is 0
  float* values;   // (rows, width), in units of ln 2
  int8_t* planes;  // (rows, planes, width), high and low
  float* steps;    // (rows), 1 for keys that are floats
  float* sums;     // (rows) of the codes

  /// Takes in a row, q (dim) times `scale`, for keys of `bits`.
  void set(int64_t row, const float* q, int64_t dim, float scale, int64_t bits) const {
    float* const to = values + row * width;
    int64_t c = 0;
    for (; c + kLanes <= dim; c += kLanes) store(to + c, load(q + c) * scale);
    for (; c < width; ++c) to[c] = c < dim ? q[c] * scale : 0;
    if (bits >= 16) steps[row] = 1;
    else if (query_planes(bits) == 1) round<1>(row);
    else round<2>(row);
  }

 private:
  template <int Planes>
  void round(int64_t row) const {
    const float* q = values + row * width;
    VecF peaks = {}, shown = {};
    for (int64_t c = 0; c < width; c += kLanes) {
      const VecF x = load(q + c);
      peaks = maximum(maximum(x, -x), peaks);
      shown += x * 0.0f;  // NaN where a channel is not finite: the step then is, and codes do not matter
    }
    // Both planes are bytes, and the whole dot product must fit 32 bits: that matters beyond 257 channels.
    const int64_t most = Planes == 2 ? std::min<int64_t>(127 * 256 + 127, INT32_MAX / (255 * width)) : 127;
    const float step = std::max(max_lanes(peaks), 1e-30f) / static_cast<float>(most);
    const float per_step = 1 / step;
    int8_t* const high = planes + row * Planes * width;
    VecI sum = {};
    const auto code = [&](int64_t at) {
      constexpr float kNoFraction = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, its last bits
      const VecI rounded = (VecI)(load(q + at) * per_step + kNoFraction) - 0x4b400000;
      sum += rounded;
      return rounded;
    };
    int64_t c = 0;
    for (; c + kPacked * kLanes <= width; c += kPacked * kLanes) {
      const VecI a = code(c), b = code(c + kLanes), d = code(c + 2 * kLanes), e = code(c + 3 * kLanes);
      const auto upper = [](VecI code) { return (code + 128) >> 8 & 255; };
      if (Planes == 2) store_plane(high + c, pack_bytes(upper(a), upper(b), upper(d), upper(e)));
      store_plane(high + (Planes - 1) * width + c, pack_bytes(a & 255, b & 255, d & 255, e & 255));
    }
    for (; c < width; c += kLanes) {
      const VecI a = code(c), upper = Planes == 2 ? (a + 128) >> 8 : a;
      store_bytes(high + c, upper);
      if (Planes == 2) store_bytes(high + width + c, a - (upper << 8));
    }
    steps[row] = step + sum_lanes(shown);
    sums[row] = sum_lanes(__builtin_convertvector(sum, VecF));
  }
};

}  // namespace

}  // namespace atom::ATOM_ISA
