#include "syrk.h"

#include <algorithm>

#include "simd.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

constexpr int64_t kRows = 8;  // rows of h per task: one broadcast each, against two vectors of columns

/// h[i .. i + 8)[j .. j + 2 kLanes) += sum over rows of x[r][i] x[r][j]
void full_tile(const float* x, int64_t rows, int64_t n, float* h, int64_t i, int64_t j) {
  VecF sums[kRows][2] = {};
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = x + r * n;
    const VecF a = load(row + j), b = load(row + j + kLanes);
    for (int64_t k = 0; k < kRows; ++k) {
      const VecF left = broadcast(row[i + k]);
      sums[k][0] = multiply_add(left, a, sums[k][0]);
      sums[k][1] = multiply_add(left, b, sums[k][1]);
    }
  }
  for (int64_t k = 0; k < kRows; ++k) {
    float* to = h + (i + k) * n + j;
    store(to, load(to) + sums[k][0]);
    store(to + kLanes, load(to + kLanes) + sums[k][1]);
  }
}

void edge(const float* x, int64_t rows, int64_t n, float* h, int64_t i, int64_t j) {
  float sum = 0;
  for (int64_t r = 0; r < rows; ++r) sum += x[r * n + i] * x[r * n + j];
  h[i * n + j] += sum;
}

}  // namespace

void syrk(const float* x, int64_t rows, int64_t n, float* h) {
  const int64_t step = 2 * kLanes;
  parallel_for((n + kRows - 1) / kRows, [=](int64_t task, int) {
    const int64_t first = task * kRows, last = std::min(n, first + kRows);
    int64_t j = 0;
    if (last - first == kRows) {
      for (; j + step <= n; j += step) full_tile(x, rows, n, h, first, j);
    }
    for (; j < n; ++j) {
      for (int64_t i = first; i < last; ++i) edge(x, rows, n, h, i, j);
    }
  }, rows * n * n);
}

}  // namespace atom::ATOM_ISA
