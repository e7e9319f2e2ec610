#include "fake_quant.h"

#include "element_format.h"
#include "hadamard.h"
#include "threads.h"

namespace atom::ATOM_ISA {

void fake_quant(const float* x, float* out, int64_t rows, int64_t cols, int32_t format, int64_t group_size,
                int32_t range, float clip, int64_t outliers, int32_t outlier_format, float outlier_clip,
                int32_t hadamard) {
  parallel_for(rows, [=](int64_t row, int) {
    const float* in = x + row * cols;
    float* to = out + row * cols;
    const int64_t normal = cols - outliers;
    if (normal > 0) {
      const auto element = static_cast<ElementFormat>(format);
      if (to != in) std::copy(in, in + normal, to);
      if (hadamard) walsh_hadamard(to, normal, group_size_of(element, group_size, normal));
      fake_quantize(to, to, normal, element, group_size, static_cast<IntegerRange>(range), clip);
    }
    if (outliers > 0) {
      fake_quantize(in + normal, to + normal, outliers, static_cast<ElementFormat>(outlier_format), 0,
                    IntegerRange::symmetric, outlier_clip);
    }
  });
}

}  // namespace atom::ATOM_ISA
