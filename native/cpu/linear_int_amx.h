// linear_int by tiles of AMX: a panel's 32 outputs times many rows, group by group. Sums are those of linear_int_tile.h,
// and so are the operations that scale them: both give the same bits.
//
//   rows     [rows / 16] tiles of [k / 64][16 rows][64 bytes] as integer_row.h stores them: operands A where they lie
//   weights  each group is opened once for all rows of a block, while the tiles multiply the group before (amx_codes.h)
//   sums     leave the tiles through one of two buffers, and are scaled while the tiles multiply the next rows
//   totals   (rows, 32) f32, in the first-level cache as long as a block of rows is
//
//   registers  groups of one or two steps keep their weights in tiles 4 to 7 and rows pass by in tiles 2 and 3; longer
//              groups load both, two tiles of rows at a time. Tiles 0 and 1 (and then 2 and 3) are sums
//
//   cost per 128 channels, of 32 outputs and 16 rows: four products of 16 cycles, beside the operations of amx_codes.h
#pragma once

#include "amx_codes.h"
#include "memory.h"

#if defined(__AMX_TILE__)

#include <optional>

namespace atom::ATOM_ISA {

namespace {

// Rows whose totals (16 KiB) and codes of one group (as many) stay in a first-level cache of 48 KiB.
constexpr int64_t kTileBlockRows = 128;

// Tiles of rows that are too few for codes of 8 bits to be opened.
constexpr int64_t kFewTiles = 2;

/// How a group of so many channels from `position` on is taken: in steps of 64, or of 32; none may cross a run of 64.
struct Steps {
  int64_t step, count;

  Steps(int64_t channels, int64_t position)
      : step((channels | position) % 64 == 0 ? 64 : 32), count(channels / step) {}

  static bool possible(int64_t channels) { return channels % 32 == 0; }
  bool resident() const { return count <= 2; }
  bool operator==(const Steps& other) const { return step == other.step && resident() == other.resident(); }

  TileShapes shapes() const {
    TileShapes shapes;
    for (int tile = 0; tile < 8; ++tile) shapes.set(tile, 16, 64);
    const int rows = resident() ? 2 : 4, weights = resident() ? 4 : 6;
    for (int tile = rows; tile < weights; ++tile) shapes.set(tile, 16, static_cast<int>(step));
    for (int tile = weights; tile < 8; ++tile) shapes.set(tile, static_cast<int>(step / 4), 64);
    return shapes;
  }
};

/// The panels of a weight times the rows [row, row + count) of x: working memory, and where the tiles stand.
class TiledBlock {
 public:
  TiledBlock(const ActivationSpec& x, const IntegerWeight& weight, int64_t row, int64_t count)
      : weight_(weight),
        codes_(tile_codes(x, row)),
        tile_bytes_(x.integers.tile_bytes),
        groups_(x.integers.groups),
        count_(count),
        normal_(weight.group_size, 0),
        outliers_(weight.outliers > 0 ? weight.outliers : weight.group_size, weight.groups * weight.group_size) {
    const int64_t opened = std::max(normal_.count, outliers_.count) * 2 * kTileBytes;
    totals_ = thread_scratch(static_cast<size_t>(kTileBlockRows * kPanel + 4 * kTileWords + opened / 2 +
                                                 groups_ * (kTileBlockRows + kFewTiles * kTileRows)));
    sums_ = reinterpret_cast<int32_t*>(totals_ + kTileBlockRows * kPanel);
    opened_[0] = reinterpret_cast<int8_t*>(sums_ + 4 * kTileWords);
    opened_[1] = opened_[0] + opened;
    x_scales_ = reinterpret_cast<float*>(opened_[1] + opened);
    // A group's scales of all rows together, as they are wanted.
    offsets_ = reinterpret_cast<int32_t*>(x_scales_ + groups_ * kTileBlockRows);
    for (int64_t t = 0; t < count; t += kRowTile) {
      const TileFactors* from = factors_of(x.integers, row + t);
      for (int64_t g = 0; g < groups_; ++g) {
        std::copy_n(from[g].scales, kRowTile, x_scales_ + g * kTileBlockRows + t);
        for (int64_t r = 0; r < kRowTile && few(); ++r) {
          offsets_[g * kFewTiles * kTileRows + t + r] = 128 * from[g].sums[r];
        }
      }
    }
  }

  /// All outputs of panels [first, last); `target` begins with theirs.
  void run(int64_t first, int64_t last, const LinearTarget& target) {
    PanelGroup next = group_of(first, 0);
    Opening(next, normal_.step, opened_[turn_]).some(next.lines());
    for (int64_t panel = first; panel < last; ++panel) {
      for (int64_t g = 0; g < groups_; ++g) {
        const PanelGroup group = next;
        const bool ends = g + 1 == groups_;
        next = ends ? group_of(panel + 1, 0) : group_of(panel, g + 1);
        Opening opening(next, steps_of(next).step, opened_[1 - turn_]);
        const int64_t lines = ends && panel + 1 == last ? 0 : next.lines();
        multiply(group, opening, lines);
        turn_ = 1 - turn_;
      }
      settle();
      write(target, (panel - first) * kPanel);
    }
  }

 private:
  PanelGroup group_of(int64_t panel, int64_t g) const {
    const bool outliers = g == weight_.groups;
    const int64_t bits = outliers ? 8 : weight_.bits;
    return {weight_.data + panel * weight_.panel_bytes() + g * weight_.group_bytes(), bits,
            outliers ? weight_.outliers : weight_.group_size, bits == 8 && few(), g, g * weight_.group_size};
  }

  const Steps& steps_of(const PanelGroup& group) const { return group.index == weight_.groups ? outliers_ : normal_; }

  /// Multiplies a group that is open, and opens `lines` lines of the next.
  void multiply(const PanelGroup& group, Opening& opening, int64_t lines) {
    const Steps& steps = steps_of(group);
    if (!shaped_ || !(*shaped_ == steps)) {
      shaped_ = steps;
      session_.reset();
      session_.emplace(steps.shapes());
    }
    const bool wide = weight_.wide_scales != 0;
    const VecF unit = broadcast(group.bits == 4 ? 0.0625f : 1.0f);
    by_[0] = load_scales(group.scales(), wide) * unit;
    by_[1] = load_scales(group.scales() + kLanes * (wide ? 4 : 2), wide) * unit;
    const auto in_steps = [&](auto stays) __attribute__((always_inline)) {
      if (!steps.resident()) stream<stays>(group, steps.step), opening.some(lines);
      else if (steps.count == 2) pass<2, stays>(group, steps.step, opening, lines);
      else pass<1, stays>(group, steps.step, opening, lines);
    };
    group.stays ? in_steps(std::true_type()) : in_steps(std::false_type());
  }

  /// Where a group's weights lie and how far apart rows, halves and steps of them are: opened, or in the panel.
  struct Weights {
    const uint8_t* at;
    int64_t row, half, step;
  };
  Weights weights(const PanelGroup& group, int64_t step) const {
    if (group.stays) return {group.w, 4 * kPanel, 64, step * kPanel};
    return {reinterpret_cast<const uint8_t*>(opened_[turn_]), 64, kTileBytes, 2 * kTileBytes};
  }

  template <bool Stays, int C, int A, int B>
  static void dot() {
    if constexpr (Stays) tile_dot_unsigned<C, A, B>();
    else tile_dot_bytes<C, A, B>();
  }

  /// Weights stay in tiles, rows pass by.
  template <int Count, bool Stays>
  void pass(const PanelGroup& group, int64_t step, Opening& opening, int64_t lines) {
    const auto [w, pitch, half, next] = weights(group, step);
    tile_load<4>(w, pitch), tile_load<5>(w + half, pitch);
    if constexpr (Count == 2) tile_load<6>(w + next, pitch), tile_load<7>(w + next + half, pitch);
    const int8_t* rows = codes_ + code_offset(group.position);
    const int64_t second = code_offset(group.position + step) - code_offset(group.position);
    const int64_t share = (lines + tiles() - 1) / tiles();
    for (int64_t t = 0; t < tiles(); ++t, rows += tile_bytes_) {
      tile_zero<0>(), tile_zero<1>();
      tile_load<2>(rows, 64);
      dot<Stays, 0, 2, 4>(), dot<Stays, 1, 2, 5>();
      if constexpr (Count == 2) {
        tile_load<3>(rows + second, 64);
        dot<Stays, 0, 3, 6>(), dot<Stays, 1, 3, 7>();
      }
      opening.some(std::min(share, lines));
      lines -= std::min(share, lines);
      settle();
      int32_t* sums = sums_ + t % 2 * 2 * kTileWords;
      tile_store<0>(sums, 64), tile_store<1>(sums + kTileWords, 64);
      wait(group, t, sums);
    }
  }

  /// Rows and weights pass, two tiles of each at a time.
  template <bool Stays>
  void stream(const PanelGroup& group, int64_t step) {
    settle();
    const Weights weight = weights(group, step);
    for (int64_t t = 0; t < tiles(); t += 2) {
      const int8_t* rows = codes_ + t * tile_bytes_;
      const bool both = t + 1 < tiles();
      tile_zero<0>(), tile_zero<1>(), tile_zero<2>(), tile_zero<3>();
      const uint8_t* w = weight.at;
      for (int64_t k = 0; k < group.channels; k += step, w += weight.step) {
        const int8_t* at = rows + code_offset(group.position + k);
        tile_load<6>(w, weight.row), tile_load<7>(w + weight.half, weight.row);
        tile_load<4>(at, 64);
        dot<Stays, 0, 4, 6>(), dot<Stays, 1, 4, 7>();
        if (!both) continue;
        tile_load<5>(at + tile_bytes_, 64);
        dot<Stays, 2, 5, 6>(), dot<Stays, 3, 5, 7>();
      }
      tile_store<0>(sums_, 64), tile_store<1>(sums_ + kTileWords, 64);
      wait(group, t, sums_);
      settle();
      if (!both) break;
      tile_store<2>(sums_, 64), tile_store<3>(sums_ + kTileWords, 64);
      wait(group, t + 1, sums_);
      settle();
    }
  }

  /// Opening codes of 8 bits pays where many rows use them; else what is too much in each row's sums is taken off.
  bool few() const { return tiles() <= kFewTiles; }
  int64_t tiles() const { return (count_ + kTileRows - 1) / kTileRows; }

  /// The sums of a tile of rows are to be scaled later.
  void wait(const PanelGroup& group, int64_t t, const int32_t* sums) {
    const int64_t row = t * kTileRows;
    waiting_ = {sums, {by_[0], by_[1]}, x_scales_ + group.index * kTileBlockRows + row,
                group.stays ? offsets_ + group.index * kFewTiles * kTileRows + row : nullptr, totals_ + row * kPanel,
                std::min(kTileRows, count_ - row), group.index == 0};
  }

  /// The totals of a panel, to where they belong.
  void write(const LinearTarget& target, int64_t column) const {
    const float* from = totals_;
    for (int64_t r = 0; r < count_; ++r, from += kPanel) {
      unroll<2>([&](auto v) { target.write(r, column + v * kLanes, load(from + v * kLanes)); });
    }
  }

  void settle() {
    if (waiting_.rows > 0) waiting_.add();
    waiting_.rows = 0;
  }

  const IntegerWeight& weight_;
  const int8_t* codes_;
  int64_t tile_bytes_, groups_, count_;
  Steps normal_, outliers_;
  float* totals_;
  int32_t* sums_;
  int8_t* opened_[2];
  float* x_scales_;
  int32_t* offsets_;  // (groups, rows of kFewTiles)
  int turn_ = 0;  // which of `opened_` is multiplied
  VecF by_[2] = {};
  WaitingSums waiting_{};
  std::optional<Steps> shaped_;
  std::optional<TileSession> session_;
};

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
