// Quantize and dequantize a group of values in the element formats of the study: the native twin of
// src/numerics/{symmetric,asymmetric,float4,small-floats}.ts, float32 step by step, so that both give the same bits.
// What happens to zeros, denormals, NaN and infinities is written down in src/numerics/rounding.ts.
//
//   x (count) f32  ->  one scale (and zero point) per group  ->  out (count) f32, out may be x
//   cost: two passes over a group that fits the first-level cache
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace atom {

// The order is the one of `elementFormatCodes` in src/backend/formats.ts.
enum class ElementFormat : int32_t { none, fp16, int2, int3, int4, int8, fp4, mxfp4, nvfp4, e4m3, e5m2 };

// The order is the one of `integerRanges` in src/backend/formats.ts.
enum class IntegerRange : int32_t { symmetric, signed_scale, asymmetric };

namespace ATOM_ISA {

namespace {

constexpr float kSmallestPeak = 1e-5f;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

inline uint32_t float_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

/// Largest magnitude; NaN when any value is NaN or infinite.
inline float peak_of(const float* x, int64_t count) {
  // Magnitudes order like their bits, and NaN and infinity are the largest of all: one integer maximum finds both.
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, float_bits(x[i]) & 0x7fffffffu);
  if (largest >= 0x7f800000u) return kNaN;
  float peak;
  std::memcpy(&peak, &largest, sizeof peak);
  return peak;
}

/// Nearest integer, halves to even, of a value already clamped to +-2^22: adding 1.5 * 2^23 leaves no fraction bits.
inline float round_half_even(float x) {
  constexpr float kNoFraction = 12582912.0f;
  return (x + kNoFraction) - kNoFraction;
}

/// Clamping to integers before rounding gives what clamping after it gives.
inline float integer_code(float x, float scale, float low, float high) {
  return round_half_even(std::min(std::max(x / scale, low), high));
}

// Scales of one group, or of several, one a lane.

/// The code that the peak gets where nothing is clipped; a ratio over 1 leaves those beyond unused.
inline float reach_of(float top, float clip) { return clip > 1 ? top / clip : top; }

/// A scale with which the code `top` stands for `clip` times the peak; NaN where the peak is.
template <class Float>
inline Float scale_to(Float peak, float top, float clip) {
  const Float floored = peak > kSmallestPeak ? peak : Float{} + kSmallestPeak;
  const Float scale = (clip < 1 ? floored * clip : floored) / reach_of(top, clip);
  return peak == peak ? scale : Float{} + kNaN;
}

template <class Float>
inline Float symmetric_scale(Float peak, int bits, float clip) {
  return scale_to(peak, static_cast<float>((1 << (bits - 1)) - 1), clip);
}

/// The value of largest magnitude gets the code -2^(bits-1), so the scale has the other sign (src/numerics/symmetric.ts).
/// `low`: the least of the values and 0.
template <class Float>
inline Float signed_scale_of(Float low, Float peak, int bits, float clip) {
  const Float scale = scale_to(peak, static_cast<float>(1 << (bits - 1)), clip);
  return low == -peak ? scale : -scale;
}

inline float signed_scale(const float* x, int64_t count, int bits, float clip) {
  float low = 0;
  for (int64_t i = 0; i < count; ++i) low = std::min(low, x[i]);
  return signed_scale_of(low, peak_of(x, count), bits, clip);
}

inline void fill(float* out, int64_t count, float value) { std::fill(out, out + count, value); }

inline void quantize_symmetric(const float* x, float* out, int64_t count, int bits, float scale) {
  if (std::isnan(scale)) return fill(out, count, kNaN);
  const float top = static_cast<float>((1 << (bits - 1)) - 1);
  for (int64_t i = 0; i < count; ++i) out[i] = integer_code(x[i], scale, -top - 1, top) * scale;
}

struct AsymmetricScale {
  float scale, zero;
};

/// Of finite values from `low` to `high`, which take in zero.
inline AsymmetricScale asymmetric_scale_of(float low, float high, int bits, float clip) {
  if (clip < 1) {
    low *= clip;
    high *= clip;
  }
  const float top = static_cast<float>((1 << bits) - 1);
  const float range = std::min(std::max(high - low, kSmallestPeak), std::numeric_limits<float>::max());
  const float scale = range / top;
  return {scale, integer_code(-low, scale, 0, top)};
}

inline AsymmetricScale asymmetric_scale(const float* x, int64_t count, int bits, float clip) {
  if (std::isnan(peak_of(x, count))) return {kNaN, 0};
  float low = 0, high = 0;
  for (int64_t i = 0; i < count; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  return asymmetric_scale_of(low, high, bits, clip);
}

inline void quantize_asymmetric(const float* x, float* out, int64_t count, int bits, float clip) {
  const auto [scale, zero] = asymmetric_scale(x, count, bits, clip);
  if (std::isnan(scale)) return fill(out, count, kNaN);
  const float top = static_cast<float>((1 << bits) - 1);
  // round(x / s) is clamped on its own, then shifted: halves must go to even before the zero point is added.
  for (int64_t i = 0; i < count; ++i) out[i] = integer_code(x[i], scale, -zero, top - zero) * scale;
}

/// A small float: mantissa bits, exponent of its smallest normal number, largest value.
struct SmallFloat {
  int mantissa_bits, min_exponent;
  float largest;
};
constexpr SmallFloat kE4M3{3, -6, 448}, kE5M2{2, -14, 57344}, kE2M1{1, 0, 6};

inline int exponent_of(float x) { return static_cast<int>((float_bits(x) >> 23) & 0xff) - 127; }

inline float power_of_two(int exponent) { return std::ldexp(1.0f, exponent); }

inline float round_small_float(float x, SmallFloat format) {
  if (!std::isfinite(x)) return kNaN;
  // Beyond the largest everything saturates; clamping first keeps the count of units small.
  const float magnitude = std::min(std::fabs(x), format.largest);
  const int exponent = std::max(exponent_of(magnitude), format.min_exponent);
  const float unit = power_of_two(exponent - format.mantissa_bits);
  return std::copysign(std::min(round_half_even(magnitude / unit) * unit, format.largest), x);
}

inline float round_fp16(float x) {
  const float magnitude = std::fabs(x);
  if (std::isnan(x)) return x;
  if (magnitude >= 65520.0f) return std::copysign(std::numeric_limits<float>::infinity(), x);
  const int exponent = std::max(exponent_of(magnitude), -14);
  const float unit = power_of_two(exponent - 10);
  return std::copysign(round_half_even(magnitude / unit) * unit, x);
}

/// Scale of a group of four-bit floats; `tensor_scale` matters to nvfp4 alone.
inline float float4_scale(float peak, ElementFormat format, float clip, float tensor_scale) {
  if (std::isnan(peak)) return kNaN;
  if (format == ElementFormat::fp4) return std::max(peak, kSmallestPeak) * clip / kE2M1.largest;
  const float covered = clip < 1 ? peak * clip : peak;
  if (format == ElementFormat::mxfp4) return power_of_two(std::clamp(exponent_of(covered) - 2, -127, 127));
  return round_small_float(covered / kE2M1.largest / tensor_scale, kE4M3) * tensor_scale;
}

inline void quantize_float4(const float* x, float* out, int64_t count, float scale) {
  if (std::isnan(scale)) return fill(out, count, kNaN);
  if (!(scale > 0)) return fill(out, count, 0);
  for (int64_t i = 0; i < count; ++i) out[i] = round_small_float(x[i] / scale, kE2M1) * scale;
}

/// The scale over a whole row that lets nvfp4's group scales reach their end; 1 for all zeros.
inline float nvfp4_tensor_scale(float peak) {
  const float scale = peak / (kE2M1.largest * kE4M3.largest);
  return scale == 0 ? 1 : scale;
}

inline int integer_bits(ElementFormat format) {
  switch (format) {
    case ElementFormat::int2: return 2;
    case ElementFormat::int3: return 3;
    case ElementFormat::int4: return 4;
    case ElementFormat::int8: return 8;
    default: return 0;
  }
}

inline bool is_float4(ElementFormat format) {
  return format == ElementFormat::fp4 || format == ElementFormat::mxfp4 || format == ElementFormat::nvfp4;
}

/// Values per group: the format's own for mxfp4 and nvfp4, else the one asked for, else (0) all of them.
inline int64_t group_size_of(ElementFormat format, int64_t asked, int64_t count) {
  if (format == ElementFormat::mxfp4) return 32;
  if (format == ElementFormat::nvfp4) return 16;
  return asked > 0 ? asked : count;
}

/// Quantizes and dequantizes `count` values group by group.
inline void fake_quantize(const float* x, float* out, int64_t count, ElementFormat format, int64_t group_size,
                          IntegerRange range, float clip) {
  const int bits = integer_bits(format);
  const float tensor_scale = format == ElementFormat::nvfp4 ? nvfp4_tensor_scale(peak_of(x, count)) : 1.0f;
  if (bits == 0 && !is_float4(format)) {
    for (int64_t i = 0; i < count; ++i) {
      out[i] = format == ElementFormat::none   ? x[i]
               : format == ElementFormat::fp16 ? round_fp16(x[i])
               : format == ElementFormat::e4m3 ? round_small_float(x[i], kE4M3)
                                               : round_small_float(x[i], kE5M2);
    }
    return;
  }
  const int64_t group = group_size_of(format, group_size, count);
  for (int64_t start = 0; start < count; start += group) {
    const int64_t length = std::min(group, count - start);
    const float* in = x + start;
    if (bits == 0) {
      quantize_float4(in, out + start, length, float4_scale(peak_of(in, length), format, clip, tensor_scale));
    } else if (range != IntegerRange::asymmetric) {
      const float scale = range == IntegerRange::symmetric ? symmetric_scale(peak_of(in, length), bits, clip)
                                                           : signed_scale(in, length, bits, clip);
      quantize_symmetric(in, out + start, length, bits, scale);
    } else {
      quantize_asymmetric(in, out + start, length, bits, clip);
    }
  }
}

}  // namespace

}  // namespace ATOM_ISA

}  // namespace atom
