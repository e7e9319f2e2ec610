// out = x W^T for codes in tiles of AMX; linear_weight_only.h says of what shapes. Codes of a piece of a group are opened
// to tiles in the first-level cache, once for all rows of a chunk:
//
//                 W [k / 2][16 outputs][2]    opened: [step of 32 channels][B0 to B3: the 64 outputs of a panel]
//                 B0   B1   B2   B3
//   x  A          C0   C1   C2   C3           A: 16 rows, 32 channels; packed: [stretch][tile][group][step][row]
//                                             C: (16 rows, 16 outputs) f32
//
// While the first tile of rows is multiplied, the next piece is opened. C of a group is multiplied by its scales and added
// to the totals, which wait in memory, while the products of the tile after it run.
//
//   order  a group's products follow one another along its channels, groups follow one another; the same for any number
//          of rows. What groups lack to whole steps is zeros on both sides
//   cost   a step is 64 cycles of products; a group 4 tiles stored and 64 vectors scaled beside them, and per chunk its
//          codes opened: two operations and a store for every pair of channels of 16 outputs, four times that for 8 bits
#pragma once

#if defined(__AMX_TILE__)

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "bf16_pairs.h"
#include "bf16_tiles.h"
#include "linear_target.h"
#include "linear_weight_only.h"
#include "memory.h"
#include "threads.h"
#include "unrolled.h"

namespace atom::ATOM_ISA {

namespace {

constexpr int kAcross = kOutputs / kTile;  // tiles of a panel
// Steps of a piece at most: two opened pieces are 32 KiB of a first-level cache.
constexpr int64_t kPieceSteps = 4;
constexpr int64_t kOpenedBytes = kPieceSteps * kAcross * kTileBytes;
// Rows for which codes are opened once.
constexpr int64_t kChunk = 256;
// A stretch of a chunk's rows stays in a quarter of a second-level cache, and so do the totals of a task.
constexpr int64_t kPackedBytes = 1 << 19, kTaskPanels = 4;
// How far ahead codes are asked for, in bytes.
constexpr int64_t kCodesAhead = 8192;

/// A chunk of rows, and what it is multiplied by.
struct CodesChunk {
  const uint16_t* x;
  const WeightOnly& weight;
  int64_t rows;

  /// Few rows make low tiles.
  int64_t height() const { return std::min(rows, kTile); }
  int64_t tiles() const { return (rows + kTile - 1) / kTile; }
  int64_t group_steps() const { return (weight.group_size + kStep - 1) / kStep; }
  int64_t group_pieces() const { return (group_steps() + kPieceSteps - 1) / kPieceSteps; }
  int64_t stretch_groups() const {
    return std::clamp<int64_t>(kPackedBytes / (tiles() * group_steps() * kTileBytes), 1, weight.groups);
  }
  int64_t stretches() const { return (weight.groups + stretch_groups() - 1) / stretch_groups(); }
  int64_t groups_of(int64_t stretch) const {
    return std::min(stretch_groups(), weight.groups - stretch * stretch_groups());
  }

  int64_t step_bytes() const { return height() * 2 * kStep; }
  int64_t packed_bytes() const { return weight.groups * tiles() * group_steps() * step_bytes(); }
  int64_t packed_at(int64_t stretch, int64_t tile) const {
    return (stretch * stretch_groups() * tiles() + tile * groups_of(stretch)) * group_steps() * step_bytes();
  }
};

/// Brings a stretch of a tile of rows into steps.
void pack_rows(const CodesChunk& chunk, int64_t stretch, int64_t tile, uint8_t* packed) {
  const int64_t size = chunk.weight.group_size, in = chunk.weight.groups * size;
  const int64_t rows = std::min(kTile, chunk.rows - tile * kTile);
  const int64_t first = stretch * chunk.stretch_groups();
  uint8_t* to = packed + chunk.packed_at(stretch, tile);
  for (int64_t group = first; group < first + chunk.groups_of(stretch); ++group) {
    const uint16_t* x = chunk.x + tile * kTile * in + group * size;
    for (int64_t step = 0; step < chunk.group_steps(); ++step) {
      for (int64_t row = 0; row < chunk.height(); ++row, to += 2 * kStep) {
        _mm512_storeu_si512(to, row < rows ? load_channels(x + row * in, step * kStep, size) : __m512i{});
      }
    }
  }
}

/// Some steps of a group of a panel: what is opened at once.
struct Piece {
  const uint8_t* codes;
  const uint8_t* scales;  // of the group
  int64_t words;          // of channels
  int64_t steps;
  bool begins, ends;  // the group
};

/// The pieces of a task's panels over a stretch, in the order they are multiplied in.
class Pieces {
 public:
  Pieces(const CodesChunk& chunk, int64_t first_panel, int64_t panels, int64_t stretch)
      : chunk_(chunk), first_panel_(first_panel), first_group_(stretch * chunk.stretch_groups()),
        groups_(chunk.groups_of(stretch)), count(panels * groups_ * chunk.group_pieces()) {}

  Piece at(int64_t i) const {
    const WeightOnly& weight = chunk_.weight;
    const int64_t part = i % chunk_.group_pieces(), group = group_of(i);
    const uint8_t* codes = weight.data + (first_panel_ + panel_of(i)) * weight.panel_bytes() +
                           (first_group_ + group) * weight.group_bytes();
    const int64_t per_step = kStep * weight.bits / 32, first = part * kPieceSteps * per_step;
    const int64_t all = weight.group_size * weight.bits / 32, words = std::min(all - first, kPieceSteps * per_step);
    return {codes + first * kOutputs * 4, codes + weight.code_bytes(), words, (words + per_step - 1) / per_step,
            part == 0, part + 1 == chunk_.group_pieces()};
  }

  int64_t panel_of(int64_t i) const { return i / chunk_.group_pieces() / groups_; }
  int64_t group_of(int64_t i) const { return i / chunk_.group_pieces() % groups_; }
  int64_t part_of(int64_t i) const { return i % chunk_.group_pieces(); }

 private:
  const CodesChunk& chunk_;
  const int64_t first_panel_, first_group_, groups_;

 public:
  const int64_t count;
};

/// Opens a step of a piece into its four tiles; rows beyond the last word are left as they are.
template <int Bits>
[[gnu::always_inline]] inline void open_step(const Piece& piece, int64_t step, uint8_t* opened) {
  constexpr int kPairs = 16 / Bits;
  constexpr int64_t kWords = kTile / kPairs;
  const uint8_t* codes = piece.codes + step * kWords * kOutputs * 4;
  uint8_t* to = opened + step * kAcross * kTileBytes;
  const int64_t words = std::min(kWords, piece.words - step * kWords);
  for (int64_t word = 0; word < words; ++word, codes += kOutputs * 4, to += kPairs * 64) {
    unroll<kAcross>([&](auto v) __attribute__((always_inline)) {
      __builtin_prefetch(codes + kCodesAhead + v * 64);
      const VecI values = held(load_words(codes + v * 64));
      unroll<kPairs>([&](auto i) __attribute__((always_inline)) {
        _mm512_store_si512(to + v * kTileBytes + i * 64, (__m512i)open_pair<Bits, i>(values));
      });
    });
  }
}

/// Sums of a group that wait for their scales.
struct Unscaled {
  const float* sums = nullptr;  // (kAcross, 16, 16)
  float* totals = nullptr;
  const uint8_t* scales = nullptr;
};

[[gnu::always_inline]] inline void add_scaled(const Unscaled& from, int64_t v, bool wide, int64_t height) {
  const VecF by = load_scales(from.scales + v * kTile * (wide ? 4 : 2), wide);
  const float* sums = from.sums + v * kTileWords;
  float* totals = from.totals + v * kTileWords;
  for (int64_t row = 0; row < height; ++row, sums += kTile, totals += kTile) {
    store(totals, multiply_add(load(sums), by, load(totals)));
  }
}

/// What a tile of rows is multiplied by in a piece, and what is done beside the products.
struct Beside {
  const Piece* next;  // to open, or null
  uint8_t* opened;
  Unscaled unscaled;  // to add, unless its sums are null
  bool wide;
  int64_t height;
};

/// C += A B over a piece. `sums` is where a group's sums come from and go to.
template <int Bits>
void multiply_piece(const Piece& piece, const uint8_t* opened, const uint8_t* x, const float* from, float* to,
                    const Beside& beside) {
  constexpr int kA = 4, kB = 5;
  if (piece.begins) unroll<kAcross>([](auto v) { tile_zero<v>(); });
  else unroll<kAcross>([&](auto v) { tile_load<v>(from + v * kTileWords, 64); });
  const int64_t step_bytes = beside.height * 2 * kStep;
  int64_t added = 0;
  for (int64_t step = 0; step < piece.steps; ++step) {
    const uint8_t* b = opened + step * kAcross * kTileBytes;
    tile_load<kA>(x + step * step_bytes, 64);
    unroll<kAcross>([&](auto v) __attribute__((always_inline)) {
      tile_load<kB + v % 3>(b + v * kTileBytes, 64);
      tile_dot_bf16<v, kA, kB + v % 3>();
    });
    if (beside.next && step < beside.next->steps) open_step<Bits>(*beside.next, step, beside.opened);
    if (beside.unscaled.sums) {
      for (; added < kAcross * (step + 1) / piece.steps; ++added) {
        add_scaled(beside.unscaled, added, beside.wide, beside.height);
      }
    }
  }
  unroll<kAcross>([&](auto v) { tile_store<v>(to + v * kTileWords, 64); });
  if (!beside.next) return;
  for (int64_t step = piece.steps; step < beside.next->steps; ++step) open_step<Bits>(*beside.next, step, beside.opened);
}

/// Panels [first, first + panels) of a chunk, whose first row is row `row` of the target.
template <int Bits>
void multiply_panels(const CodesChunk& chunk, int64_t first, int64_t panels, const uint8_t* packed, int64_t row,
                     const LinearTarget& target) {
  const int64_t tiles = chunk.tiles(), height = chunk.height(), tile_sums = kAcross * kTileWords;
  const bool wide = chunk.weight.wide_scales != 0;
  const bool split = chunk.group_pieces() > 1;
  // totals (panels, tiles, 4, 16, 16); opened (2, 4 steps, 4 tiles); turns (2, 4, 16, 16); unfinished (tiles, 4, 16, 16)
  float* const totals = thread_scratch(static_cast<size_t>(panels * tiles * tile_sums));
  float* const opened = second_scratch(static_cast<size_t>(2 * kOpenedBytes / 4 + 2 * tile_sums + (split ? tiles * tile_sums : 0)));
  float* const turns = opened + 2 * kOpenedBytes / 4;
  float* const unfinished = turns + 2 * tile_sums;
  std::memset(totals, 0, static_cast<size_t>(panels * tiles * tile_sums) * 4);
  std::memset(opened, 0, 2 * kOpenedBytes);

  TileShapes shapes;
  for (const int tile : {0, 1, 2, 3, 4}) shapes.set(tile, static_cast<int>(height), 64);
  for (const int tile : {5, 6, 7}) shapes.set(tile, kTile, 64);
  const TileSession session(shapes);
  Unscaled unscaled;
  int64_t turn = 0;
  uint8_t* buffers[2] = {reinterpret_cast<uint8_t*>(opened), reinterpret_cast<uint8_t*>(opened) + kOpenedBytes};
  for (int64_t stretch = 0; stretch < chunk.stretches(); ++stretch) {
    const Pieces pieces(chunk, first, panels, stretch);
    Piece piece = pieces.at(0);
    for (int64_t step = 0; step < piece.steps; ++step) open_step<Bits>(piece, step, buffers[0]);
    for (int64_t i = 0; i < pieces.count; ++i) {
      const bool more = i + 1 < pieces.count;
      const Piece next = more ? pieces.at(i + 1) : Piece{};
      const int64_t at = (pieces.group_of(i) * chunk.group_steps() + pieces.part_of(i) * kPieceSteps) * chunk.step_bytes();
      for (int64_t tile = 0; tile < tiles; ++tile) {
        float* between = unfinished + tile * tile_sums;
        float* to = piece.ends ? turns + turn * tile_sums : between;
        const Beside beside{more && tile == 0 ? &next : nullptr, buffers[1], unscaled, wide, height};
        multiply_piece<Bits>(piece, buffers[0], packed + chunk.packed_at(stretch, tile) + at, between, to, beside);
        unscaled = {};
        if (!piece.ends) continue;
        unscaled = {to, totals + (pieces.panel_of(i) * tiles + tile) * tile_sums, piece.scales};
        turn ^= 1;
      }
      piece = next;
      std::swap(buffers[0], buffers[1]);
    }
  }
  for (int64_t v = 0; v < kAcross; ++v) add_scaled(unscaled, v, wide, height);
  for (int64_t panel = 0; panel < panels; ++panel) {
    for (int64_t i = 0; i < chunk.rows; ++i) {
      const float* from = totals + (panel * tiles + i / kTile) * tile_sums + i % kTile * kTile;
      for (int64_t v = 0; v < kAcross; ++v) {
        target.write(row + i, (first + panel) * kOutputs + v * kTile, load(from + v * kTileWords));
      }
    }
  }
}

template <int Bits>
void linear_weight_only_tiles(const uint16_t* x, const WeightOnly& weight, int64_t tokens, const LinearTarget& target) {
  const int64_t in = weight.groups * weight.group_size;
  const int64_t panels = (weight.outputs + kOutputs - 1) / kOutputs;
  for (int64_t row = 0; row < tokens; row += kChunk) {
    const CodesChunk chunk{x + row * in, weight, std::min(kChunk, tokens - row)};
    auto* const packed = reinterpret_cast<uint8_t*>(operator_scratch(static_cast<size_t>(chunk.packed_bytes() / 4)));
    const int64_t stretches = chunk.stretches();
    parallel_for(chunk.tiles() * stretches, [&](int64_t task, int) {
      pack_rows(chunk, task % stretches, task / stretches, packed);
    }, chunk.rows * in);
    const int64_t per_task = std::clamp<int64_t>(panels / (8 * thread_count()), 1, kTaskPanels);
    parallel_for((panels + per_task - 1) / per_task, [&](int64_t task, int) {
      const int64_t first = task * per_task;
      multiply_panels<Bits>(chunk, first, std::min(per_task, panels - first), packed, row, target);
    }, chunk.rows * in * weight.outputs);
  }
}

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
