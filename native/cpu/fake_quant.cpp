#include "fake_quant.h"

#include "element_format.h"
#include "threads.h"

namespace atom::ATOM_ISA {

void fake_quant(const float* x, float* out, int64_t rows, int64_t cols, int32_t format, int64_t group_size,
                int32_t symmetric, float clip, int64_t outliers, int32_t outlier_format, float outlier_clip) {
  parallel_for(rows, [=](int64_t row, int) {
    const float* in = x + row * cols;
    float* to = out + row * cols;
    const int64_t normal = cols - outliers;
    if (normal > 0) fake_quantize(in, to, normal, static_cast<ElementFormat>(format), group_size, symmetric != 0, clip);
    if (outliers > 0) {
      fake_quantize(in + normal, to + normal, outliers, static_cast<ElementFormat>(outlier_format), 0, true,
                    outlier_clip);
    }
  });
}

}  // namespace atom::ATOM_ISA
