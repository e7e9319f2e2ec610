// What the linears of bf16 in tiles of AMX share: their sizes, and reading no further than there are channels.
#pragma once

#if defined(__AMX_TILE__)

#include <algorithm>
#include <cstdint>

#include "amx.h"
#include "simd.h"

namespace atom::ATOM_ISA {

namespace {

constexpr int64_t kTile = 16;  // rows of A, columns of B
constexpr int64_t kStep = 32;  // channels of a product

/// Channels [channel, channel + kStep) of those there are.
inline __m512i load_channels(const uint16_t* row, int64_t channel, int64_t there_are) {
  const int64_t count = std::clamp<int64_t>(there_are - channel, 0, kStep);
  return _mm512_maskz_loadu_epi16(static_cast<__mmask32>((uint64_t{1} << count) - 1), row + channel);
}

}  // namespace

}  // namespace atom::ATOM_ISA

#endif
