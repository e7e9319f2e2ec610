#include "linear_dense.h"

#include <algorithm>

#include "linear_dense_tiles.h"
#include "linear_target.h"
#include "simd.h"
#include "threads.h"
#include "unrolled.h"

namespace atom::ATOM_ISA {

namespace {

// Registers bound the tile: rows x columns accumulators, and the operands of one step.
#if defined(__AVX512F__)
constexpr int kTileRows = 4, kTileColumns = 6;  // 24 + 10 of 32 (the loads of x fold into the operations)
#elif defined(__aarch64__)
constexpr int kTileRows = 4, kTileColumns = 4;
#else
constexpr int kTileRows = 2, kTileColumns = 4;  // 8 + 6 of 16
#endif

// Rows of x that are used together stay in half of a second-level cache.
constexpr int64_t kPanelBytes = 512 * 1024;
// Row tiles of a panel at most: bounds the sums that wait between stretches (kept on the stack, 48 KiB).
constexpr int64_t kMostTiles = 32;

/// One step along `in` for an element type: kStep elements of x times as many of w.
struct F32 {
  using Element = float;
  using Vector = VecF;
  static constexpr int kStep = kLanes;
  static Vector load(const float* from) { return atom::ATOM_ISA::load(from); }
  static VecF dot(Vector x, Vector w, VecF sum) { return multiply_add(x, w, sum); }
  static float value(float x) { return x; }
};

struct Bf16 {
  using Element = uint16_t;
#if defined(__AVX512BF16__)
  using Vector = __m512i;
  static constexpr int kStep = 2 * kLanes;
  static Vector load(const uint16_t* from) { return _mm512_loadu_si512(from); }
  static VecF dot(Vector x, Vector w, VecF sum) {
    return (VecF)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)w);
  }
#else
  using Vector = VecF;
  static constexpr int kStep = kLanes;
  static Vector load(const uint16_t* from) { return load_bf16(from); }
  static VecF dot(Vector x, Vector w, VecF sum) { return multiply_add(x, w, sum); }
#endif
  static float value(uint16_t x) { return bf16_to_float(x); }
};

// Stretches of `in` that are run at once: a full tile's rows of x and w then fit the first-level cache together
// (10 x 4 KiB of 48 on current cores), and w is read from there for every row of the panel.
constexpr int64_t kStretchBytes = 4096;

/// Elements [begin, end) of a row of `in`; what came before is in `partial` unless begin is 0.
struct Stretch {
  int64_t in, begin, end, x_pitch, w_pitch;
};

/// Where the results of a tile go: the first `skip` of its columns belong to the tile before.
struct Place {
  int64_t row, column, skip;
};

/// Takes the sums of a tile's whole vectors, (rows, columns), to their results; what lies beyond `whole` is added one by
/// one. Not inlined: every tile would carry a copy, and few have such elements or a bias.
template <class Type>
[[gnu::noinline]] void finish(float* sums, int64_t rows, int64_t columns, const typename Type::Element* x,
                              const typename Type::Element* w, const Stretch& stretch, int64_t whole, const Place& place,
                              const LinearTarget& target) {
  for (int64_t r = 0; r < rows && whole < stretch.in; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      float& sum = sums[r * columns + c];
      for (int64_t k = whole; k < stretch.in; ++k) {
        sum += Type::value(x[r * stretch.x_pitch + k]) * Type::value(w[c * stretch.w_pitch + k]);
      }
    }
  }
  for (int64_t r = 0; r < rows && target.bias; ++r) {
    for (int64_t c = 0; c < columns; ++c) sums[r * columns + c] += target.bias[place.column + c];
  }
  for (int64_t r = 0; r < rows; ++r, sums += columns) {
    float* const out = target.out + (place.row + r) * target.stride + place.column;
    if (target.accumulate) {
      for (int64_t c = place.skip; c < columns; ++c) out[c] += sums[c];
    } else {
      for (int64_t c = place.skip; c < columns; ++c) out[c] = sums[c];
    }
  }
}

template <class Type, int Rows, int Columns>
void tile(const typename Type::Element* x, const typename Type::Element* w, const Stretch& stretch, VecF* partial,
          const Place& place, const LinearTarget& target) {
  constexpr int kSums = Rows * Columns;
  const int64_t x_pitch = stretch.x_pitch, w_pitch = stretch.w_pitch;
  VecF sums[kSums];
  if (stretch.begin == 0) unroll<kSums>([&](auto i) { sums[i] = VecF{}; });
  else unroll<kSums>([&](auto i) { sums[i] = partial[i]; });
  const int64_t whole = stretch.begin + (stretch.end - stretch.begin) / Type::kStep * Type::kStep;
  for (int64_t k = stretch.begin; k < whole; k += Type::kStep) {
    typename Type::Vector rows[Rows];
    unroll<Rows>([&](auto r) { rows[r] = held(Type::load(x + r * x_pitch + k)); });
    unroll<Columns>([&](auto c) {
      const auto values = held(Type::load(w + c * w_pitch + k));
      unroll<Rows>([&](auto r) { sums[r * Columns + c] = Type::dot(rows[r], values, sums[r * Columns + c]); });
    });
  }
  if (stretch.end < stretch.in) {
    unroll<kSums>([&](auto i) { partial[i] = sums[i]; });
    return;
  }
  float totals[(kSums + 3) / 4 * 4];
  unroll<(kSums + 3) / 4>([&](auto four) {
    const auto at = [&](int i) { return sums[std::min(4 * four + i, kSums - 1)]; };
    const Four total = sum_lanes_of(at(0), at(1), at(2), at(3));
    std::memcpy(totals + 4 * four, &total, sizeof total);
  });
  finish<Type>(totals, Rows, Columns, x, w, stretch, whole, place, target);
}

template <class Type>
using TileFn = void(const typename Type::Element*, const typename Type::Element*, const Stretch&, VecF*, const Place&,
                    const LinearTarget&);

/// at[rows - 1]. Where columns are left over, a tile of all columns takes some of those before once more; tiles of one
/// are for weights of fewer rows than that.
template <class Type, int Columns>
struct Tiles {
  TileFn<Type>* at[kTileRows] = {};
  constexpr Tiles() { fill(std::make_integer_sequence<int, kTileRows>()); }

 private:
  template <int... Rows>
  constexpr void fill(std::integer_sequence<int, Rows...>) {
    ((at[Rows] = tile<Type, Rows + 1, Columns>), ...);
  }
};

template <class Type>
void run(const typename Type::Element* x, int64_t x_pitch, const typename Type::Element* weight, int64_t w_pitch,
         int64_t tokens, int64_t in, int64_t n, const LinearTarget& target) {
  static constexpr Tiles<Type, kTileColumns> wide;
  static constexpr Tiles<Type, 1> narrow;
  const int64_t width = n < kTileColumns ? 1 : kTileColumns;
  TileFn<Type>* const* const tiles = n < kTileColumns ? narrow.at : wide.at;
  const int64_t row_bytes = in * static_cast<int64_t>(sizeof(typename Type::Element));
  const int64_t panel = std::clamp<int64_t>(kPanelBytes / row_bytes / kTileRows, 1, kMostTiles) * kTileRows;
  const int64_t stretch = kStretchBytes / static_cast<int64_t>(sizeof(typename Type::Element));
  // Where several panels of x pass over a range of columns, they must find it in a cache.
  const int64_t most = tokens > panel ? n / (8 * thread_count()) : n;
  parallel_ranges(n, width, most, [&](int64_t first, int64_t last, const auto&) {
    VecF partial[kMostTiles * kTileRows * kTileColumns];
    for (int64_t panel_start = 0; panel_start < tokens; panel_start += panel) {
      const int64_t panel_end = std::min(tokens, panel_start + panel);
      for (int64_t next = first; next < last; next += width) {
        const int64_t column = std::min(next, n - width);
        for (int64_t begin = 0; begin == 0 || begin < in; begin += stretch) {
          const Stretch part{in, begin, std::min(in, begin + stretch), x_pitch, w_pitch};
          VecF* sums = partial;
          for (int64_t row = panel_start; row < panel_end; row += kTileRows, sums += kTileRows * kTileColumns) {
            const int64_t rows = std::min<int64_t>(kTileRows, panel_end - row);
            tiles[rows - 1](x + row * x_pitch, weight + column * w_pitch, part, sums, {row, column, next - column}, target);
          }
        }
      }
    }
  }, tokens * in * n);
}

}  // namespace

void linear_dense(const void* x, int64_t x_pitch, const void* weight, int64_t weight_pitch, const float* bias, float* out,
                  int64_t tokens, int64_t in, int64_t n, int64_t stride, int64_t column, int32_t bf16,
                  int32_t accumulate) {
  const LinearTarget target{out + column, stride, n, bias, accumulate != 0};
  if (bf16) {
    const auto *values = static_cast<const uint16_t*>(x), *rows = static_cast<const uint16_t*>(weight);
#if defined(__AMX_TILE__)
    linear_dense_tiles(values, x_pitch, rows, weight_pitch, tokens, in, n, target.for_rows(tokens));
#else
    run<Bf16>(values, x_pitch, rows, weight_pitch, tokens, in, n, target);
#endif
  } else {
    run<F32>(static_cast<const float*>(x), x_pitch, static_cast<const float*>(weight), weight_pitch, tokens, in, n,
             target);
  }
}

}  // namespace atom::ATOM_ISA
