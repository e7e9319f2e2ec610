// out = x W^T for bf16 in tiles of AMX; linear_dense.h says of what shapes. A pass is two tiles of outputs by up to three
// of tokens, along a stretch of `in`:
//
//              x [k / 2][16 tokens][2]        packed once for all threads: [stretch][tile][step of 32 channels]
//              B0    B1    B2
//   W  A0     C0    C1    C2                  A: 16 rows of weights where they lie, 32 channels
//      A1     C3    C4    C5                  C: (16 outputs, 16 tokens) f32, written transposed
//
// A product takes 16 cycles, loading its tiles from the second-level cache longer: hence as many products to a tile as
// there are registers for. C waits in memory between stretches, so that a stretch of x stays in that cache.
//
//   order  products follow one another along `in`, the same for any number of rows; both sides end in zeros
//   cost   2 tokens n in operations; n in elements of W read once for kChunk tokens. One row is read at the machine's own
//          pace (32 rows of W side by side: asking ahead made it slower)
#pragma once

#if defined(__AMX_TILE__)

#include <algorithm>
#include <cstdint>

#include "bf16_tiles.h"
#include "linear_target.h"
#include "memory.h"
#include "threads.h"
#include "transposed.h"
#include "unrolled.h"

namespace atom::ATOM_ISA {

namespace {

constexpr int64_t kBlock = 2 * kTile;  // outputs of a pass
constexpr int64_t kMostAcross = 3;     // tiles of tokens of a pass
// Tokens for which weights are read once.
constexpr int64_t kChunk = 512;
// A stretch of a chunk's tokens stays in half of a second-level cache.
constexpr int64_t kPackedBytes = 1 << 20;
// Outputs of a task at most: the sums of a chunk that wait then take a quarter of that cache.
constexpr int64_t kTaskOutputs = 256;

/// A chunk of tokens, and what it is multiplied by. Channels that fill no step are a stretch of their own.
struct DenseChunk {
  const uint16_t* x;
  const uint16_t* weight;
  int64_t x_pitch, weight_pitch;  // elements
  int64_t tokens, in, n;

  /// Few tokens make narrow tiles.
  int64_t width() const { return std::min(tokens, kTile); }
  int64_t tiles() const { return (tokens + kTile - 1) / kTile; }
  int64_t tile_bytes() const { return kTileBytes / kTile * width(); }
  int64_t steps() const { return (in + kStep - 1) / kStep; }
  int64_t whole_steps() const { return in / kStep; }
  int64_t stretch_steps() const {
    return std::clamp<int64_t>(kPackedBytes / (tiles() * kTileBytes), 1, std::max<int64_t>(whole_steps(), 1));
  }
  int64_t whole_stretches() const { return (whole_steps() + stretch_steps() - 1) / stretch_steps(); }
  int64_t stretches() const { return whole_stretches() + steps() - whole_steps(); }
  int64_t first_step(int64_t stretch) const { return std::min(stretch * stretch_steps(), whole_steps()); }
  int64_t steps_of(int64_t stretch) const {
    return stretch < whole_stretches() ? first_step(stretch + 1) - first_step(stretch) : 1;
  }

  int64_t packed_bytes() const { return steps() * tiles() * tile_bytes(); }
  int64_t packed_at(int64_t stretch, int64_t tile) const {
    return (first_step(stretch) * tiles() + tile * steps_of(stretch)) * tile_bytes();
  }
};

/// Brings a stretch of a tile of tokens into pairs of channels.
void pack_tokens(const DenseChunk& chunk, int64_t stretch, int64_t tile, uint8_t* packed) {
  const uint16_t* x = chunk.x + tile * kTile * chunk.x_pitch;
  const int64_t tokens = std::min(kTile, chunk.tokens - tile * kTile), width = chunk.width();
  const __mmask16 lanes = static_cast<__mmask16>((1u << width) - 1);
  uint8_t* to = packed + chunk.packed_at(stretch, tile);
  const int64_t first = chunk.first_step(stretch);
  for (int64_t step = first; step < first + chunk.steps_of(stretch); ++step) {
    __m512i rows[kTile] = {};
    for (int64_t t = 0; t < tokens; ++t) rows[t] = load_channels(x + t * chunk.x_pitch, step * kStep, chunk.in);
    transpose_words(rows);
    for (int64_t pair = 0; pair < kTile; ++pair, to += 4 * width) _mm512_mask_storeu_epi32(to, lanes, rows[pair]);
  }
}

/// A stretch of two tiles of weights: rows of a checkpoint, or a copy in which tiles follow one another.
struct WeightTiles {
  const uint8_t* at;
  int64_t pitch, step, tile;  // bytes from a row, a step and a tile to the next
};

WeightTiles tiles_in_rows(const DenseChunk& chunk, int64_t output, int64_t channel) {
  const uint16_t* at = chunk.weight + output * chunk.weight_pitch + channel;
  return {reinterpret_cast<const uint8_t*>(at), 2 * chunk.weight_pitch, 2 * kStep, 2 * kTile * chunk.weight_pitch};
}

WeightTiles tiles_in_copy(const uint8_t* copy) { return {copy, 2 * kStep, 2 * kTileBytes, kTileBytes}; }

/// A block that has fewer rows or channels than its tiles; nothing beyond the last of either is read.
void copy_ragged(const DenseChunk& chunk, int64_t output, int64_t channel, int64_t steps, uint8_t* copy) {
  for (int64_t row = 0; row < kBlock; ++row) {
    const uint16_t* from = chunk.weight + (output + row) * chunk.weight_pitch;
    const int64_t there_are = output + row < chunk.n ? chunk.in : 0;
    for (int64_t step = 0; step < steps; ++step) {
      const __m512i line = load_channels(from, channel + step * kStep, there_are);
      _mm512_store_si512(copy + step * 2 * kTileBytes + row * 2 * kStep, line);
    }
  }
}

/// The tokens of a pass, and where its sums are.
struct PassTokens {
  const uint8_t* packed;
  int64_t row, tile;  // bytes from a row of a tile, and a tile, to the next
  float* sums;        // (6, 16, 16)
};

/// One pass over a stretch. Where it saves, the weights' tiles are stored for the passes that follow.
template <int Across, bool Saves>
void run_pass(const WeightTiles& w, const PassTokens& tokens, int64_t steps, bool begins, uint8_t* save) {
  constexpr int kA = 6, kB = 7;
  if (begins) unroll<2 * Across>([](auto c) { tile_zero<c>(); });
  else unroll<2 * Across>([&](auto c) { tile_load<c>(tokens.sums + c * kTileWords, 64); });
  for (int64_t step = 0; step < steps; ++step) {
    const uint8_t* a = w.at + step * w.step;
    const uint8_t* b = tokens.packed + step * kTile * tokens.row;
    tile_load<kA>(a, w.pitch);
    if constexpr (Saves) tile_store<kA>(save + step * 2 * kTileBytes, 64);
    unroll<Across>([&](auto t) __attribute__((always_inline)) {
      tile_load<kB>(b + t * tokens.tile, tokens.row);
      tile_dot_bf16<t, kA, kB>();
    });
    tile_load<kA>(a + w.tile, w.pitch);
    if constexpr (Saves) tile_store<kA>(save + step * 2 * kTileBytes + kTileBytes, 64);
    unroll<Across>([&](auto i) __attribute__((always_inline)) {  // backwards: the last tile of tokens is still there
      constexpr int t = Across - 1 - i;
      if constexpr (i > 0) tile_load<kB>(b + t * tokens.tile, tokens.row);
      tile_dot_bf16<Across + t, kA, kB>();
    });
  }
  unroll<2 * Across>([&](auto c) { tile_store<c>(tokens.sums + c * kTileWords, 64); });
}

void run_pass(int64_t across, bool saves, const WeightTiles& w, const PassTokens& tokens, int64_t steps, bool begins,
              uint8_t* save) {
  if (across == 1) run_pass<1, false>(w, tokens, steps, begins, save);
  else if (across == 2) run_pass<2, false>(w, tokens, steps, begins, save);
  else if (saves) run_pass<3, true>(w, tokens, steps, begins, save);
  else run_pass<3, false>(w, tokens, steps, begins, save);
}

/// Writes a tile of sums to the rows of its tokens.
void write_tile(const LinearTarget& target, const float* sums, int64_t row, int64_t rows, int64_t output) {
  __m512i words[kTile];
  for (int64_t i = 0; i < kTile; ++i) words[i] = _mm512_load_si512(sums + i * kTile);
  transpose_words(words);
  for (int64_t i = 0; i < rows; ++i) target.write(row + i, output, (VecF)words[i]);
}

/// Outputs [first, last) of a chunk, whose first token is row `row` of the target.
void multiply_outputs(const DenseChunk& chunk, int64_t first, int64_t last, const uint8_t* packed, int64_t row,
                      const LinearTarget& target) {
  TileShapes shapes;
  for (const int tile : {0, 1, 2, 3, 4, 5, 7}) shapes.set(tile, kTile, static_cast<int>(4 * chunk.width()));
  shapes.set(6, kTile, 64);

  const int64_t blocks = (last - first + kBlock - 1) / kBlock;
  const int64_t passes = (chunk.tiles() + kMostAcross - 1) / kMostAcross;
  const int64_t pass_sums = 2 * kMostAcross * kTileWords, stretches = chunk.stretches();
  float* const waiting = thread_scratch(static_cast<size_t>(blocks * passes * pass_sums));
  auto* const copy = reinterpret_cast<uint8_t*>(
      second_scratch(static_cast<size_t>(chunk.stretch_steps() * 2 * kTileBytes / 4)));
  // Rows that begin inside a line are two lines to a tile's row: worth copying where there are passes to gain by it.
  const bool copies = passes > 1 && ((reinterpret_cast<uintptr_t>(chunk.weight) | (2 * chunk.weight_pitch)) & 63) != 0;

  const TileSession session(shapes);
  for (int64_t stretch = 0; stretch < stretches; ++stretch) {
    const int64_t steps = chunk.steps_of(stretch), channel = chunk.first_step(stretch) * kStep;
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t output = first + block * kBlock;
      const bool ragged = output + kBlock > chunk.n || channel + steps * kStep > chunk.in;
      if (ragged) copy_ragged(chunk, output, channel, steps, copy);
      WeightTiles weights = ragged ? tiles_in_copy(copy) : tiles_in_rows(chunk, output, channel);
      for (int64_t pass = 0; pass < passes; ++pass) {
        const int64_t tile = pass * kMostAcross, across = std::min(kMostAcross, chunk.tiles() - tile);
        const PassTokens tokens{packed + chunk.packed_at(stretch, tile), 4 * chunk.width(), steps * chunk.tile_bytes(),
                                waiting + (block * passes + pass) * pass_sums};
        const bool saves = copies && !ragged && pass == 0;
        const bool ends = stretch + 1 == stretches;
        const bool asks = ends && !target.streams;
        for (int64_t i = tile * kTile; asks && i < std::min(chunk.tokens, (tile + across) * kTile); ++i) {
          target.ask(row + i, output);
        }
        run_pass(across, saves, weights, tokens, steps, stretch == 0, copy);
        if (saves) weights = tiles_in_copy(copy);
        for (int64_t i = 0; ends && i < 2 * across; ++i) {
          const int64_t token = (tile + i % across) * kTile;
          write_tile(target, tokens.sums + i * kTileWords, row + token, std::min(kTile, chunk.tokens - token),
                     output + i / across * kTile);
        }
      }
    }
  }
}

void linear_dense_tiles(const uint16_t* x, int64_t x_pitch, const uint16_t* weight, int64_t weight_pitch, int64_t tokens,
                        int64_t in, int64_t n, const LinearTarget& target) {
  for (int64_t row = 0; row < tokens; row += kChunk) {
    const DenseChunk chunk{x + row * x_pitch, weight, x_pitch, weight_pitch, std::min(kChunk, tokens - row), in, n};
    auto* const packed = reinterpret_cast<uint8_t*>(operator_scratch(static_cast<size_t>(chunk.packed_bytes() / 4)));
    const int64_t stretches = chunk.stretches();
    parallel_for(chunk.tiles() * stretches, [&](int64_t task, int) {
      pack_tokens(chunk, task % stretches, task / stretches, packed);
    }, chunk.tokens * in);
    // Enough tasks to share evenly, large enough that a stretch of x is brought in for many outputs.
    const int64_t share = (n + 4 * thread_count() - 1) / (4 * thread_count());
    const int64_t outputs = std::clamp((share + kBlock - 1) / kBlock * kBlock, kBlock, kTaskOutputs);
    parallel_for((n + outputs - 1) / outputs, [&](int64_t task, int) {
      multiply_outputs(chunk, task * outputs, std::min(n, (task + 1) * outputs), packed, row, target);
    }, chunk.tokens * in * n);
  }
}

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
