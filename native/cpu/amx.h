// Tiles of AMX: eight registers of 16 rows x 64 bytes each, one helper per instruction. Only for the set `amx`.
//
//   a tile product  C (rows, 16) += A (rows, k) B (k, 16)   rows <= 16, k = 64 bytes or 32 bf16
//   A  [rows][64 bytes]        a row's channels in order
//   B  [k / 4][16][4 bytes]    four channels of each output together (of bf16: [k / 2][16][2])
//   C  [rows][16] i32 or f32
//
// The compiler's own intrinsics do not say that a load reads memory, and stores before it are then moved or dropped
// (GCC 12): hence these, which say so.
#pragma once

#include <cstdint>

#if defined(__AMX_TILE__)

namespace atom::ATOM_ISA {

namespace {

constexpr int64_t kTileBytes = 1024;           // of A, B and C alike
constexpr int64_t kTileWords = kTileBytes / 4;  // of C

/// The shapes of the eight tiles: what LDTILECFG reads.
struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  constexpr void set(int tile, int tile_rows, int bytes) {
    rows[tile] = static_cast<uint8_t>(tile_rows);
    row_bytes[tile] = static_cast<uint16_t>(bytes);
  }
};
static_assert(sizeof(TileShapes) == 64);

/// Tiles of these shapes while it lives; afterwards the thread has none, and switching it costs nothing more.
class TileSession {
 public:
  explicit TileSession(const TileShapes& shapes) { __asm__ volatile("ldtilecfg %0" : : "m"(shapes)); }
  ~TileSession() { __asm__ volatile("tilerelease"); }
  TileSession(const TileSession&) = delete;
  TileSession& operator=(const TileSession&) = delete;
};

/// Rows `pitch` bytes apart.
template <int Tile>
[[gnu::always_inline]] inline void tile_load(const void* from, int64_t pitch) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(pitch), "i"(Tile) : "memory");
}

template <int Tile>
[[gnu::always_inline]] inline void tile_store(void* to, int64_t pitch) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(pitch), "i"(Tile) : "memory");
}

template <int Tile>
[[gnu::always_inline]] inline void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(Tile));
}

/// C += A B for signed bytes, exactly.
template <int C, int A, int B>
[[gnu::always_inline]] inline void tile_dot_bytes() {
  __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

/// C += A B for signed bytes times unsigned ones, exactly.
template <int C, int A, int B>
[[gnu::always_inline]] inline void tile_dot_unsigned() {
  __asm__ volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

/// C += A B for bf16: even and odd channels are summed apart, each in order, rounded to f32 at every step.
template <int C, int A, int B>
[[gnu::always_inline]] inline void tile_dot_bf16() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
