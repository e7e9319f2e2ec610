// Integer linears without Node: codes packed, rows quantized by rms_norm, products against plain loops in double.
#pragma once

#include <cstdint>
#include <cmath>
#include <string>
#include <vector>

#include "../cpu/operators.h"

namespace atom::test {

struct IntegerCase {
  int64_t tokens, groups, group_size, outliers, outputs, weight_bits;
  bool reorder, hadamard;
};

/// Storage for `tokens` integer rows, exactly as large as it must be: a sanitizer sees every byte beyond.
struct IntegerStorage {
  std::vector<int8_t> codes;
  std::vector<int32_t> factors;

  IntegerRows rows(const Operators& op, const IntegerCase& c) {
    const int64_t groups = c.groups + (c.outliers > 0);
    const int64_t stored = c.groups * padded_channels(c.group_size) + padded_channels(c.outliers);
    const int64_t tile = op.integer_code_bytes(1, stored);
    codes.resize(static_cast<size_t>(op.integer_code_bytes(c.tokens, stored)));
    factors.resize(static_cast<size_t>(op.integer_factor_bytes(c.tokens, groups)) / sizeof(int32_t));
    return {factors.data(), groups, tile};
  }
};

template <class Check, class Gaussians>
void test_integers(const Operators& op, const std::string& isa, const IntegerCase& c, Check&& check,
                   Gaussians&& gaussians) {
  const int64_t normal = c.groups * c.group_size, channels = normal + c.outliers;
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  const auto bytes_of = [&](int64_t count) {
    std::vector<uint8_t> bytes(size(count));
    const auto noise = gaussians(size(count), 1.0f);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(static_cast<int>(noise[i] * 77) & 255);
    return bytes;
  };
  const auto codes = bytes_of(c.outputs * normal * c.weight_bits / 8), outlier_codes = bytes_of(c.outputs * c.outliers);
  const auto scales = gaussians(size(c.outputs * c.groups), 0.1f), outlier_scales = gaussians(size(c.outputs), 0.1f);

  IntegerWeight weight{nullptr, c.outputs, c.groups, c.group_size, c.outliers, c.weight_bits, 1, nullptr};
  std::vector<uint8_t> panels(size((c.outputs + kPanel - 1) / kPanel * weight.panel_bytes()));
  weight.data = panels.data();
  op.pack_integers(&weight, 0, c.outputs, codes.data(), scales.data(), 1, 1,
                   reinterpret_cast<const int8_t*>(outlier_codes.data()), outlier_scales.data(), 1);

  std::vector<int32_t> order;
  for (int64_t i = 0; c.reorder && i < channels; ++i) order.push_back(static_cast<int32_t>(channels - 1 - i));
  const auto x = gaussians(size(c.tokens * channels), 1.0f);
  const std::vector<float> gains(size(channels), 1.0f);
  const auto int4 = static_cast<int64_t>(ElementFormat::int4), int8 = static_cast<int64_t>(ElementFormat::int8);
  const int32_t* reorder = c.reorder ? order.data() : nullptr;
  std::vector<float> seen(size(c.tokens * channels));
  const ActivationSpec simulated{seen.data(), reorder, channels, ActivationKind::simulated, int4, c.group_size, 1,
                                 c.outliers, int8, c.hadamard, 1, 1, {}};
  op.rms_norm(x.data(), gains.data(), 1e-5f, &simulated, c.tokens, nullptr);
  IntegerStorage storage;
  const IntegerRows rows = storage.rows(op, c);
  const ActivationSpec integers{storage.codes.data(), reorder, channels, ActivationKind::integer, int4, c.group_size, 1,
                                c.outliers, int8, c.hadamard, 1, 1, rows};
  op.rms_norm(x.data(), gains.data(), 1e-5f, &integers, c.tokens, nullptr);
  std::vector<float> out(size(c.tokens * c.outputs));
  op.linear_int(&integers, &weight, out.data(), c.tokens, c.outputs, 0);

  const auto weight_at = [&](int64_t n, int64_t k) {
    if (k >= normal) {
      return static_cast<int8_t>(outlier_codes[size(n * c.outliers + k - normal)]) * double{outlier_scales[size(n)]};
    }
    const double scale = scales[size(n * c.groups + k / c.group_size)];
    if (c.weight_bits == 8) return static_cast<int8_t>(codes[size(n * normal + k)]) * scale;
    const int nibble = codes[size((n * normal + k) / 2)] >> (k % 2 * 4) & 15;
    return ((nibble ^ 8) - 8) * scale;
  };
  for (int64_t t = 0; t < c.tokens; ++t) {
    for (int64_t n = 0; n < c.outputs; ++n) {
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < channels; ++k) {
        const double product = seen[size(t * channels + k)] * weight_at(n, k);
        sum += product;
        magnitude += std::fabs(product);
      }
      check(std::fabs(out[size(t * c.outputs + n)] - sum) <= 0x1p-20 * magnitude + 1e-30,
            isa + " integer linear of " + std::to_string(c.tokens) + " rows, " + std::to_string(c.weight_bits) + " bits");
    }
  }
}

/// Gate and up with SiLU, quantized panel by panel: the bytes that linear_int and silu_mul leave.
template <class Check, class Gaussians>
void test_gated(const Operators& op, const std::string& isa, const IntegerCase& c, const IntegerCase& gated, Check&& check,
                Gaussians&& gaussians) {
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  const int64_t channels = c.groups * c.group_size, outputs = gated.groups * gated.group_size + gated.outliers;
  const std::vector<uint8_t> codes(size(2 * outputs * channels / 2), 0xa7);
  const auto scales = gaussians(size(2 * outputs * c.groups), 0.1f), x = gaussians(size(c.tokens * channels), 1.0f);
  const std::vector<float> gains(size(channels), 1.0f);
  IntegerWeight weight{nullptr, 2 * outputs, c.groups, c.group_size, 0, 4, 1, nullptr};
  std::vector<uint8_t> panels(size(2 * outputs / kPanel * weight.panel_bytes()));
  weight.data = panels.data();
  op.pack_integers(&weight, 0, 2 * outputs, codes.data(), scales.data(), 1, 1, nullptr, nullptr, 1);

  const auto integers = [&](IntegerStorage& storage, const IntegerCase& of, int64_t count) {
    const IntegerRows rows = storage.rows(op, of);
    const auto int4 = static_cast<int64_t>(ElementFormat::int4), int8 = static_cast<int64_t>(ElementFormat::int8);
    return ActivationSpec{storage.codes.data(), nullptr, count, ActivationKind::integer, int4, of.group_size, 1,
                          of.outliers, int8, of.hadamard, 1, 1, rows};
  };
  IntegerStorage input, fused, apart;
  const ActivationSpec in = integers(input, c, channels), out = integers(fused, gated, outputs);
  const ActivationSpec expected = integers(apart, gated, outputs);
  op.rms_norm(x.data(), gains.data(), 1e-5f, &in, c.tokens, nullptr);
  op.linear_int_silu_mul(&in, &weight, &out, c.tokens);
  std::vector<float> gate_up(size(c.tokens * 2 * outputs));
  op.linear_int(&in, &weight, gate_up.data(), c.tokens, 2 * outputs, 0);
  op.silu_mul(gate_up.data(), &expected, c.tokens);
  check(fused.codes == apart.codes && fused.factors == apart.factors,
        isa + " gate and up with SiLU of " + std::to_string(c.tokens) + " rows");
}

}  // namespace atom::test
