// Weight-only linears without Node: codes packed, opened inside the kernel, products against plain loops in double.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "../cpu/operators.h"

namespace atom::test {

struct WeightOnlyCase {
  int64_t tokens, groups, group_size, outputs, bits;
};

/// All memory is exactly as large as it must be: a sanitizer sees every byte beyond.
template <class Check, class Gaussians>
void test_weight_only(const Operators& op, const std::string& isa, const WeightOnlyCase& c, Check&& check,
                      Gaussians&& gaussians) {
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  const int64_t in = c.groups * c.group_size;
  std::vector<uint8_t> codes(size(c.outputs * in * c.bits / 8));
  const auto noise = gaussians(codes.size(), 1.0f);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(static_cast<int>(noise[i] * 77) & 255);
  const auto scales = gaussians(size(c.outputs * c.groups), 0.1f);

  WeightOnly weight{nullptr, c.outputs, c.groups, c.group_size, c.bits, 1, nullptr};
  std::vector<uint8_t> panels(size((c.outputs + kOutputs - 1) / kOutputs * weight.panel_bytes()));
  weight.data = panels.data();
  // In two parts, as fused linears come.
  const int64_t half = c.outputs / 2;
  if (half > 0) op.pack_weight_only(&weight, 0, half, codes.data(), scales.data(), 1, 1);
  op.pack_weight_only(&weight, half, c.outputs - half, codes.data() + half * in * c.bits / 8,
                      scales.data() + half * c.groups, 1, 1);

  std::vector<uint16_t> x(size(c.tokens * in));
  std::vector<float> seen(x.size());
  const auto values = gaussians(x.size(), 1.0f);
  for (size_t i = 0; i < x.size(); ++i) {
    uint32_t word;
    std::memcpy(&word, &values[i], 4);
    x[i] = static_cast<uint16_t>(word >> 16);
    word &= 0xffff0000u;
    std::memcpy(&seen[i], &word, 4);
  }
  std::vector<float> out(size(c.tokens * c.outputs));
  op.linear_weight_only(x.data(), &weight, out.data(), c.tokens, c.outputs, 0);

  const auto weight_at = [&](int64_t n, int64_t k) {
    const double scale = scales[size(n * c.groups + k / c.group_size)];
    if (c.bits == 8) return static_cast<int8_t>(codes[size(n * in + k)]) * scale;
    const int nibble = codes[size((n * in + k) / 2)] >> (k % 2 * 4) & 15;
    return ((nibble ^ 8) - 8) * scale;
  };
  for (int64_t t = 0; t < c.tokens; ++t) {
    for (int64_t n = 0; n < c.outputs; ++n) {
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < in; ++k) {
        const double product = seen[size(t * in + k)] * weight_at(n, k);
        sum += product;
        magnitude += std::fabs(product);
      }
      check(std::fabs(out[size(t * c.outputs + n)] - sum) <= static_cast<double>(in + 4) * 0x1p-24 * magnitude + 1e-30,
            isa + " weight-only linear of " + std::to_string(c.tokens) + " rows, " + std::to_string(c.bits) + " bits");
    }
  }
}

}  // namespace atom::test
