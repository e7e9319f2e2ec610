#include "gptq_block.h"

#include "element_format.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

/// The value that the code of x stands for.
inline float nearest(float x, float scale, int bits) {
  if (bits == 0) return scale > 0 ? round_small_float(x / scale, kE2M1) * scale : 0.0f;
  const float top = static_cast<float>((1 << (bits - 1)) - 1);
  return integer_code(x, scale, -top - 1, top) * scale;
}

inline float scale_for(float peak, float clip, const GroupScaleRule& rule) {
  const auto format = static_cast<ElementFormat>(rule.format);
  const int bits = integer_bits(format);
  float scale;
  if (bits == 0) scale = float4_scale(peak, format, clip, rule.tensor_scale);
  else if (rule.published) scale = 2 * std::max(peak, kSmallestPeak) * clip / static_cast<float>((1 << bits) - 1);
  else scale = symmetric_scale(peak, bits, clip);
  return rule.round_to_fp16 ? round_fp16(scale) : scale;
}

/// Squared error of one row's group under a scale, each column weighted by its importance.
inline double group_error(const float* x, const float* importance, int64_t count, float scale,
                          int bits) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float difference = x[i] - nearest(x[i], scale, bits);
    sum += static_cast<double>(difference) * difference * (importance ? importance[i] : 1.0f);
  }
  return sum;
}

/// `x` points at the group's first column in the first of `rows` rows, `stride` apart.
float group_scale(const float* x, const float* importance, int64_t rows, int64_t stride, int64_t count,
                  const GroupScaleRule& rule) {
  const auto format = static_cast<ElementFormat>(rule.format);
  const int bits = integer_bits(format);
  float peak = 0;
  for (int64_t row = 0; row < rows; ++row) peak = std::max(peak, peak_of(x + row * stride, count));
  if (rule.search_steps == 0) return scale_for(peak, rule.clip, rule);
  float best_scale = 0;
  double best_error = std::numeric_limits<double>::infinity();
  for (int step = 0; step <= rule.search_steps; ++step) {
    const float clip = 1 - (1 - rule.search_low) * static_cast<float>(step) / static_cast<float>(rule.search_steps);
    const float scale = scale_for(peak, clip, rule);
    double error = 0;
    for (int64_t row = 0; row < rows; ++row) error += group_error(x + row * stride, importance, count, scale, bits);
    if (error < best_error) {
      best_error = error;
      best_scale = scale;
    }
  }
  return best_scale;
}

}  // namespace

void gptq_block(float* weight, float* quantized, float* errors, const float* spread, float* scales,
                const GroupScaleRule* rule, const float* importance, int64_t rows, int64_t cols, int64_t start,
                int64_t end, int64_t group_size, int64_t groups, int64_t channel_group) {
  const auto format = static_cast<ElementFormat>(rule->format);
  const int bits = integer_bits(format);
  const int64_t width = end - start;
  parallel_for(rows / channel_group, [=](int64_t task, int) {
    const int64_t first = task * channel_group;
    float* own_scales = scales + task * groups;
    const auto enter = [&](int64_t group) {
      own_scales[group] = group_scale(weight + first * cols + group * group_size,
                                      importance ? importance + group * group_size : nullptr, channel_group, cols,
                                      group_size, *rule);
    };
    if (rule->stale) {
      for (int64_t column = start; column < end; ++column) {
        if (column % group_size == 0) enter(column / group_size);
      }
    }
    for (int64_t column = start; column < end; ++column) {
      const int64_t group = column / group_size;
      if (!rule->stale && column % group_size == 0) enter(group);
      const float scale = own_scales[group];
      const float* spread_row = spread + column * cols;
      for (int64_t row = first; row < first + channel_group; ++row) {
        float* w = weight + row * cols;
        const float q = nearest(w[column], scale, bits);
        quantized[row * cols + column] = q;
        const float error = (w[column] - q) / spread_row[column];
        errors[row * width + column - start] = error;
        for (int64_t next = column + 1; next < end; ++next) w[next] -= error * spread_row[next];
      }
    }
  });
}

void gptq_spread(float* weight, const float* errors, const float* spread, int64_t rows, int64_t cols, int64_t start,
                 int64_t end) {
  const int64_t width = end - start;
  parallel_for(rows, [=](int64_t row, int) {
    float* to = weight + row * cols;
    for (int64_t k = 0; k < width; ++k) {
      const float error = errors[row * width + k];
      const float* from = spread + (start + k) * cols;
      for (int64_t j = end; j < cols; ++j) to[j] -= error * from[j];
    }
  }, rows * width * (cols - end));
}

}  // namespace atom::ATOM_ISA
