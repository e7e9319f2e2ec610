#include "transpose.h"

#include <algorithm>

#include "threads.h"

namespace atom::ATOM_ISA {

void transpose(const float* x, int64_t pitch, float* out, int64_t out_pitch, int64_t rows, int64_t cols) {
  constexpr int64_t kSquare = 16;
  parallel_for((cols + kSquare - 1) / kSquare, [=](int64_t task, int) {
    const int64_t first = task * kSquare, last = std::min(cols, first + kSquare);
    for (int64_t row = 0; row < rows; row += kSquare) {
      const int64_t end = std::min(rows, row + kSquare);
      for (int64_t c = first; c < last; ++c) {
        for (int64_t r = row; r < end; ++r) out[c * out_pitch + r] = x[r * pitch + c];
      }
    }
  }, rows * cols);
}

}  // namespace atom::ATOM_ISA
