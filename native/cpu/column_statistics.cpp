#include "column_statistics.h"

#include <algorithm>
#include <cmath>

#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

// Columns per task: four cache lines of a row, wide enough to stream.
constexpr int64_t kTile = 64;

}  // namespace

void column_statistics(const float* x, int64_t rows, int64_t cols, double* sum_squares, double* sum_magnitudes,
                       float* peaks) {
  parallel_for((cols + kTile - 1) / kTile, [=](int64_t task, int) {
    const int64_t start = task * kTile;
    const int64_t width = std::min(kTile, cols - start);
    double squares[kTile] = {}, magnitudes[kTile] = {};
    for (int64_t row = 0; row < rows; ++row) {
      const float* values = x + row * cols + start;
      for (int64_t i = 0; i < width; ++i) {
        const double value = values[i];
        squares[i] += value * value;
        magnitudes[i] += std::fabs(value);
        peaks[start + i] = std::max(peaks[start + i], std::fabs(values[i]));
      }
    }
    for (int64_t i = 0; i < width; ++i) {
      sum_squares[start + i] += squares[i];
      sum_magnitudes[start + i] += magnitudes[i];
    }
  });
}

}  // namespace atom::ATOM_ISA
