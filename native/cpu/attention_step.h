// A step of attention: consecutive keys of one KV head, whole slices, that rows are scored against together.
// Steps start at multiples of their length, so what a row meets in which order depends on its position alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kv_cache.h"
#include "pack_bytes.h"
#include "unrolled.h"

namespace atom::ATOM_ISA {

namespace {

// Longer steps cost less per key, and round weights more: with 4, 8 and 16 slices a row takes 200, 180 and 165 cycles
// per 64 keys of 64 channels, and the rounding of weights adds 0.6, 0.9 and 1.3 % to the noise of values of 4 bits.
constexpr int kStepSlices = 8;
constexpr int kStepKeys = kStepSlices * static_cast<int>(kSliceTokens);
constexpr int kSliceVectors = static_cast<int>(kSliceTokens) / kLanes;
static_assert(kStepKeys % (kPacked * kLanes) == 0);

// Accumulators that fit the registers beside the operands of a tile.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kAccumulators = 16;
#else
constexpr int kAccumulators = 8;
#endif

/// Rows are taken four, two or one at a time; that many vectors of keys or channels go with their `operands`.
constexpr int vectors_beside(int operands) { return std::clamp(kAccumulators / operands, 1, 4); }

struct Step {
  const KvLayerSpec& kv;
  int64_t start;               // position of the first key
  int slices;                  // that hold keys to look at
  uint8_t* at[kStepSlices];    // those past `slices` repeat an address
  uint8_t* next[kStepSlices];  // the slices of what is taken after this: the next head's, or the next step's
  int64_t asked;               // bytes of each of those that were asked for

  /// Where vector `v` of the step's keys lies in its slice, in lanes.
  static int lane(int v) { return v % kSliceVectors * kLanes; }
  uint8_t* slice(int v) const { return at[v / kSliceVectors]; }
  int vectors() const { return slices * kSliceVectors; }
  int padded_vectors() const { return (vectors() + kPacked - 1) / kPacked * kPacked; }

  /// Asks for cache lines to come, a few between all that is computed: the machine's own prefetching does not see
  /// through blocks, and drops requests while too many are under way. Each line is asked for one step ahead, and keys and
  /// values once more shortly before they are read. A step and the next are more than a first-level cache holds: what is a
  /// step ahead comes to the second.
  void ask_ahead() {
    constexpr int64_t kShortly = 256;
    if (asked >= kv.slice_bytes) return;
    for (int i = 0; i < kStepSlices; ++i) {
      prefetch_far(next[i] + line_to_ask());
      __builtin_prefetch(at[i] + asked + kShortly);
    }
    asked += 64;
  }

  /// Asks for all of the next step that was not asked for yet.
  void ask_for_rest() {
    for (; asked < kv.slice_bytes; asked += 64) {
      for (const uint8_t* slice : next) prefetch_far(slice + line_to_ask());
    }
  }

  /// Scales come first, which are needed first.
  int64_t line_to_ask() const {
    const int64_t scales = kv.scale_offset / 64 * 64, length = kv.slice_bytes - scales;
    return asked < length ? scales + asked : asked - length;
  }

  /// The same in a loop whose n-th turn reads `Bytes` of the slices: so much more is asked for.
  template <int Bytes>
  void ask_ahead(int64_t n) {
    constexpr int kLines = 64 * kStepSlices;
    if constexpr (Bytes < kLines) {
      if (n % (kLines / Bytes) == 0) ask_ahead();
    } else {
      unroll<Bytes / kLines>([&](auto) { ask_ahead(); });
    }
  }
};

/// The steps over the slices of keys [first, last] of a sequence, from position `start` on, a multiple of a step, for some of
/// its heads, which lie in a block one behind the other: each step for all of them before the next. So memory is read
/// through many heads' keys and values without a break, where one head's are a few pages' ends in each block: that is
/// twice as slow where pages must be looked up.
class Steps {
 public:
  Steps(const KvLayerSpec& kv, const int32_t* table, int64_t head, int64_t heads, int64_t start, int64_t first, int64_t last)
      : step_{kv, start - kStepKeys, 0, {}, {}, 0}, index_(start / kSliceTokens), begin_(first / kSliceTokens),
        end_(last / kSliceTokens), cursor_(kv, table, head, std::clamp(index_, begin_, end_)), heads_(heads), taken_(heads) {
    look_ahead();
    std::copy_n(following_, kStepSlices, step_.next);
  }

  /// Asks for the first step.
  void ask_for_first() { step_.ask_for_rest(); }

  int64_t next_start() const { return step_.start + kStepKeys; }

  /// The same step of the next head, after the last head the next step of the first.
  Step& take() {
    if (taken_ < heads_) {
      for (uint8_t*& slice : step_.at) slice += step_.kv.head_bytes;
    } else {
      taken_ = 0;
      std::copy_n(following_, kStepSlices, step_.at);
      step_.start += kStepKeys;
      step_.slices = static_cast<int>(std::clamp<int64_t>(end_ + 1 - step_.start / kSliceTokens, 0, kStepSlices));
      look_ahead();
    }
    const bool another = ++taken_ < heads_;
    for (int i = 0; i < kStepSlices; ++i) {
      step_.next[i] = another ? step_.at[i] + step_.kv.head_bytes : following_[i];
    }
    step_.asked = 0;
    return step_;
  }

 private:
  // Outside of what is looked at, blocks may be gone: addresses there are of slices nearby, whose keys are masked.
  void look_ahead() {
    for (uint8_t*& slice : following_) {
      slice = cursor_.slice();
      if (index_ >= begin_ && index_ < end_) cursor_.advance();
      ++index_;
    }
  }

  Step step_;
  uint8_t* following_[kStepSlices];  // the slices of the next step, of the first head
  int64_t index_, begin_, end_;      // of slices
  SliceCursor cursor_;
  int64_t heads_;                    // that each step is taken for
  int64_t taken_;                    // of them, for the step at hand
};

alignas(64) constexpr int32_t kCount[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// Lanes of vector `v` of a step whose keys lie in [low, high).
inline VecI seen(int v, int low, int high) {
  const VecI key = load_words(kCount) + v * kLanes;
  return (key >= low) & (key < high);
}

}  // namespace

}  // namespace atom::ATOM_ISA
