#include "quantize_rows.h"

#include "element_format.h"
#include "half.h"
#include "memory.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

inline float value_at(const void* x, PlainType type, int64_t i) {
  switch (type) {
    case PlainType::f16: return f16_to_float(static_cast<const uint16_t*>(x)[i]);
    case PlainType::bf16: return bf16_to_float(static_cast<const uint16_t*>(x)[i]);
    default: return static_cast<const float*>(x)[i];
  }
}

/// The f16 nearest to a positive scale; codes that it pushes past the last are clamped.
inline uint16_t scale_bits(float scale) {
  const float rounded = round_fp16(scale);
  if (std::isnan(rounded)) return 0x7e00;
  const uint32_t bits = float_bits(rounded);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x7f800000u) return 0x7c00;
  if (magnitude >= 0x38800000u) return static_cast<uint16_t>((magnitude - 0x38000000u) >> 13);
  return static_cast<uint16_t>(rounded * 0x1p24f);
}

}  // namespace

void quantize_rows(const void* x, int32_t type, int8_t* codes, uint16_t* scales, int64_t rows, int64_t cols,
                   int64_t group) {
  parallel_for(rows, [=](int64_t row, int) {
    float* values = thread_scratch(static_cast<size_t>(group));
    for (int64_t start = 0; start < cols; start += group) {
      for (int64_t i = 0; i < group; ++i) values[i] = value_at(x, static_cast<PlainType>(type), row * cols + start + i);
      const uint16_t bits = scale_bits(symmetric_scale(peak_of(values, group), 8, 1));
      scales[(row * cols + start) / group] = bits;
      const float scale = f16_to_float(bits);
      for (int64_t i = 0; i < group; ++i) {
        const float code = std::isnan(scale) ? 0.0f : integer_code(values[i], scale, -127, 127);
        codes[row * cols + start + i] = static_cast<int8_t>(code);
      }
    }
  });
}

}  // namespace atom::ATOM_ISA
