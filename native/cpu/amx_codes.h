// A group's weight codes opened to signed bytes for tiles of AMX, and the sums that leave those tiles scaled to f32: what
// linear_int_amx.h does by vectors while the tiles multiply.
//
//   opened  [k / step][2 vectors of 16 outputs][step / 4 words][16 outputs][4 bytes], step = 64 or 32 channels: operands B
//           codes of 8 bits may be operands where they lie in a panel, too: unsigned, each 128 too large
//   sums    [2 vectors][16 rows][16 outputs] i32: operands C, through memory
//   totals  [rows][32 outputs] f32
//
//   cost per 8 channels of 32 outputs: 6 operations and 4 stores; per 16 rows of a group: 32 conversions, 32 products of
//   scales and 32 sums
#pragma once

#include "amx.h"

#if defined(__AMX_TILE__)

#include "linear_int_tile.h"

namespace atom::ATOM_ISA {

namespace {

constexpr int64_t kTileRows = 16;

// How far ahead weights are asked for, in bytes.
constexpr int64_t kTilesAhead = 8192;

/// A group of a panel as it lies in memory: its codes, then its scales.
struct PanelGroup {
  const uint8_t* w;
  int64_t bits, channels;
  bool stays;        // codes of 8 bits are multiplied as they lie
  int64_t index;     // among the groups, the outliers' last
  int64_t position;  // its first channel among those of a row as stored

  const uint8_t* scales() const { return w + channels * kPanel * bits / 8; }
  /// Of 128 bytes: 8 channels of 4 bits, or 4 of 8.
  int64_t lines() const { return channels * bits / 32; }
};

/// Opens a group's codes, some lines at a time, or asks for them alone where they stay as they are. Codes of 4 bits are
/// opened times 16, which takes an operation less; their scales are divided by 16, and no bit of a result changes.
class Opening {
 public:
  Opening(const PanelGroup& group, int64_t step, int8_t* to)
      : w_(group.w), to_(to), left_(group.lines()), step_(step), left_in_step_(step), bits_(group.bits),
        stays_(group.stays) {}

  void some(int64_t lines) {
    lines = std::min(lines, left_);
    left_ -= lines;
    if (stays_) return ask(lines);
    bits_ == 4 ? open<8>(lines) : open<4>(lines);
  }

 private:
  template <int Channels>
  void open(int64_t lines) {
    for (; lines > 0; --lines) {
      const uint8_t* from = w_;
      ask(1);
      unroll<2>([&](auto v) {
        const VecI raw = (VecI)load_bytes(from + v * 64);
        int8_t* to = to_ + v * kTileBytes;
        if constexpr (Channels == 8) put(to, upper_nibbles(raw << 4)), put(to + 64, upper_nibbles(raw));
        else put(to, raw ^ (VecI)(VecB{} + 0x80));
      });
      to_ += Channels * 16;
      if ((left_in_step_ -= Channels) > 0) continue;
      left_in_step_ = step_;
      to_ += 2 * kTileBytes - step_ * 16;
    }
  }

  /// Goes on by so many lines.
  void ask(int64_t lines) {
    for (; lines > 0; --lines, w_ += kPanel * 4) {
      __builtin_prefetch(w_ + kTilesAhead);
      __builtin_prefetch(w_ + kTilesAhead + 64);
    }
  }

  /// 16 times the code of every upper nibble, from code + 8: (x ^ 0x80) & 0xf0 in one operation.
  static VecI upper_nibbles(VecI words) {
    constexpr int kXorAnd = 0x28;  // (a ^ b) & c, by the bits of a, b and c
    return (VecI)_mm512_ternarylogic_epi32((__m512i)words, _mm512_set1_epi8(-128), _mm512_set1_epi8(-16), kXorAnd);
  }
  static void put(int8_t* to, VecI bytes) { std::memcpy(to, &bytes, 64); }

  const uint8_t* w_;
  int8_t* to_;
  int64_t left_, step_, left_in_step_, bits_;
  bool stays_;
};

/// Sums of up to 16 rows that wait for their scales.
struct WaitingSums {
  const int32_t* sums;
  VecF by[2];              // scales of the panel's outputs
  const float* x;          // scales of the rows
  const int32_t* offsets;  // what is too much in the sums of the rows, or null
  float* totals;
  int64_t rows = 0;
  bool first;  // of the groups: totals begin here

  void add() const {
    const auto all = [](auto&& body) __attribute__((always_inline)) { unroll<kTileRows>(body); };
    const auto some = [this](auto&& body) __attribute__((always_inline)) { for (int64_t r = 0; r < rows; ++r) body(r); };
    if (rows < kTileRows) offsets ? add_rows<true>(some) : add_rows<false>(some);
    else offsets ? add_rows<true>(all) : add_rows<false>(all);
  }

 private:
  template <bool Offset, class EachRow>
  [[gnu::always_inline]] inline void add_rows(EachRow&& each_row) const {
    first ? add_rows<Offset, true>(each_row) : add_rows<Offset, false>(each_row);
  }

  template <bool Offset, bool First, class EachRow>
  [[gnu::always_inline]] inline void add_rows(EachRow&& each_row) const {
    // In registers: for all the compiler knows, totals lie over what scales them.
    const VecF by_outputs[2] = {held(by[0]), held(by[1])};
    const int32_t* from = sums;
    const float* scales = x;
    const int32_t* less = offsets;
    float* to = totals;
    each_row([&](auto row) __attribute__((always_inline)) {
      const VecF by_row = (VecF)same_words(scales + row);
      unroll<2>([&](auto v) __attribute__((always_inline)) {
        VecI sum;
        std::memcpy(&sum, from + v * kTileWords + row * 16, sizeof sum);
        if constexpr (Offset) sum -= same_words(less + row);
        float* total = to + row * kPanel + v * kLanes;
        const VecF before = First ? VecF{} : load(total);
        store(total, multiply_add(__builtin_convertvector(sum, VecF), by_outputs[v] * by_row, before));
      });
    });
  }
};

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
