#include "gptq_block.h"

#include <algorithm>

#include "element_format.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

struct Format {
  ElementFormat element;
  int bits;  // 0: not an integer

  explicit Format(const GroupScaleRule& rule)
      : element(static_cast<ElementFormat>(rule.format)), bits(integer_bits(element)) {}
};

/// The value that the code of x stands for.
inline float nearest(float x, float scale, Format format) {
  if (format.element == ElementFormat::none) return x;
  if (format.bits == 0) return scale > 0 ? round_small_float(x / scale, kE2M1) * scale : 0.0f;
  const float top = static_cast<float>((1 << (format.bits - 1)) - 1);
  return integer_code(x, scale, -top - 1, top) * scale;
}

inline float scale_for(float peak, float clip, Format format, const GroupScaleRule& rule) {
  float scale;
  if (format.bits == 0) scale = float4_scale(peak, format.element, clip, rule.tensor_scale);
  else if (rule.published) scale = 2 * std::max(peak, kSmallestPeak) * clip / static_cast<float>((1 << format.bits) - 1);
  else if (rule.either_sign) scale = std::max(peak, kSmallestPeak) * clip / static_cast<float>(1 << (format.bits - 1));
  else scale = symmetric_scale(peak, format.bits, clip);
  return rule.round_to_fp16 ? round_fp16(scale) : scale;
}

/// Squared error of one row's group under a scale, each column weighted by its importance.
inline double group_error(const float* x, const float* importance, int64_t count, float scale, Format format) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float difference = x[i] - nearest(x[i], scale, format);
    sum += static_cast<double>(difference) * difference * (importance ? importance[i] : 1.0f);
  }
  return sum;
}

/// `x` points at the group's first column in the first of `rows` rows, `stride` apart.
float group_scale(const float* x, const float* importance, int64_t rows, int64_t stride, int64_t count,
                  const GroupScaleRule& rule) {
  const Format format(rule);
  float peak = 0;
  for (int64_t row = 0; row < rows; ++row) peak = std::max(peak, peak_of(x + row * stride, count));
  if (rule.search_steps == 0) return scale_for(peak, rule.clip, format, rule);
  float best_scale = 0;
  double best_error = std::numeric_limits<double>::infinity();
  for (int step = 0; step <= rule.search_steps; ++step) {
    const float clip = 1 - (1 - rule.search_low) * static_cast<float>(step) / static_cast<float>(rule.search_steps);
    const float magnitude = scale_for(peak, clip, format, rule);
    for (float scale : {magnitude, -magnitude}) {
      if (scale < 0 && !rule.either_sign) continue;
      double error = 0;
      for (int64_t row = 0; row < rows; ++row) error += group_error(x + row * stride, importance, count, scale, format);
      if (error < best_error) {
        best_error = error;
        best_scale = scale;
      }
    }
  }
  return best_scale;
}

/// How much it costs to make w zero, up to a factor.
inline float saliency(float w, float pivot) { return w / pivot * (w / pivot); }

/// Marks with 1 the rule.prune_count cheapest of the next rule.prune_of columns of one row, the others with 0.
void choose_zeros(const float* w, const float* spread, int64_t cols, int64_t column, const GroupScaleRule& rule,
                  float* zero) {
  std::fill(zero, zero + rule.prune_of, 0.0f);
  for (int32_t n = 0; n < rule.prune_count; ++n) {
    int32_t cheapest = -1;
    float least = 0;
    for (int32_t i = 0; i < rule.prune_of; ++i) {
      const float cost = saliency(w[column + i], spread[(column + i) * (cols + 1)]);
      if (zero[i] != 0 || (cheapest >= 0 && !(cost < least))) continue;
      cheapest = i;
      least = cost;
    }
    zero[cheapest] = 1.0f;
  }
}

}  // namespace

void gptq_block(float* weight, float* quantized, float* errors, const float* spread, float* scales,
                const GroupScaleRule* rule, const float* importance, int64_t rows, int64_t cols, int64_t start,
                int64_t end, int64_t group_size, int64_t groups, int64_t channel_group) {
  const Format format(*rule);
  const int64_t width = end - start;
  parallel_for(rows / channel_group, [=](int64_t task, int) {
    const int64_t first = task * channel_group;
    float* own_scales = scales + task * groups;
    const auto enter = [&](int64_t group) {
      if (format.element == ElementFormat::none) return;
      own_scales[group] = group_scale(weight + first * cols + group * group_size,
                                      importance ? importance + group * group_size : nullptr, channel_group, cols,
                                      group_size, *rule);
    };
    if (rule->stale) {
      for (int64_t column = start; column < end; ++column) {
        if (column % group_size == 0) enter(column / group_size);
      }
    }
    // `quantized` holds, until its column is reached, whether a weight becomes zero: rule->prune_of columns at a time, or all
    // that the threshold names, which was taken over the weights as they are now.
    for (int64_t row = first; row < first + channel_group; ++row) {
      for (int64_t column = start; column < end; ++column) {
        const bool zero = rule->prune_below > 0 &&
                          saliency(weight[row * cols + column], spread[column * (cols + 1)]) < rule->prune_below;
        quantized[row * cols + column] = zero ? 1.0f : 0.0f;
      }
    }
    for (int64_t column = start; column < end; ++column) {
      const int64_t group = column / group_size;
      if (!rule->stale && column % group_size == 0) enter(group);
      const float scale = own_scales[group];
      const float* spread_row = spread ? spread + column * cols : nullptr;
      for (int64_t row = first; row < first + channel_group; ++row) {
        float* w = weight + row * cols;
        float& out = quantized[row * cols + column];
        if (rule->prune_of > 0 && (column - start) % rule->prune_of == 0) {
          choose_zeros(w, spread, cols, column, *rule, &out);
        }
        const float q = out != 0 ? 0 : nearest(w[column], scale, format);
        out = q;
        if (!spread) continue;
        const float error = (w[column] - q) / spread_row[column];
        errors[row * width + column - start] = -error;
        for (int64_t next = column + 1; next < end; ++next) w[next] -= error * spread_row[next];
      }
    }
  });
}

double prune_threshold(const float* weight, const float* spread, float* costs, int64_t rows, int64_t cols, int64_t start,
                       int64_t end, double share) {
  const int64_t width = end - start, count = rows * width;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t column = start + i % width;
    costs[i] = saliency(weight[i / width * cols + column], spread[column * (cols + 1)]);
  }
  const auto place = std::min(static_cast<int64_t>(share * static_cast<double>(count)), count - 1);
  std::nth_element(costs, costs + place, costs + count);
  return costs[place];
}

}  // namespace atom::ATOM_ISA
