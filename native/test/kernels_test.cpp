// Kernels without Node: every instruction set this machine (or emulator) has, on ragged shapes and hostile values,
// against plain loops in double. Built by scripts/test-native.js, with sanitizers or for another architecture.
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../cpu/faster_way.h"
#include "../cpu/memory.h"
#include "../cpu/operators.h"
#include "../cpu/processor.h"
#include "../cpu/threads.h"
#include "integers_test.h"
#include "weight_only_test.h"

namespace {

using namespace atom;

int g_failures = 0;
std::mt19937 g_random(1);

std::vector<float> gaussians(size_t count, float scale = 1) {
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(g_random);
  return values;
}

void check(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "FAILED: %s\n", what.c_str());
  ++g_failures;
}

/// Both NaN, or within `tolerance`.
bool close(double actual, double expected, double tolerance) {
  if (std::isnan(expected)) return std::isnan(actual);
  return std::fabs(actual - expected) <= tolerance;
}

ActivationSpec plain_rows(float* storage, int64_t channels, const int32_t* order = nullptr) {
  return {storage, order, channels, ActivationKind::f32, 0, 0, 0, 0, 0, 0, 1, 1, {}};
}

void test_linear(const Operators& op, const std::string& isa) {
  for (const auto& [tokens, in, out] : std::vector<std::array<int64_t, 3>>{{1, 1, 1}, {1, 7, 3}, {5, 33, 13}, {9, 130, 25}, {17, 1100, 50}}) {
    const auto x = gaussians(static_cast<size_t>(tokens * in)), w = gaussians(static_cast<size_t>(out * in));
    const auto bias = gaussians(static_cast<size_t>(out));
    std::vector<float> y(static_cast<size_t>(tokens * (out + 2)), 1.0f);
    op.linear_dense(x.data(), in, w.data(), in, bias.data(), y.data(), tokens, in, out, out + 2, 2, 0, 1);
    for (int64_t t = 0; t < tokens; ++t) {
      check(y[static_cast<size_t>(t * (out + 2))] == 1.0f, isa + " linear writes only its columns");
    }
  }
}

void test_linear_values(const Operators& op, const std::string& isa) {
  for (const auto& [tokens, in, out] : std::vector<std::array<int64_t, 3>>{{1, 7, 3}, {5, 33, 13}, {9, 130, 25}, {17, 2100, 14}}) {
    const auto x = gaussians(static_cast<size_t>(tokens * in)), w = gaussians(static_cast<size_t>(out * in));
    std::vector<float> y(static_cast<size_t>(tokens * out));
    op.linear_dense(x.data(), in, w.data(), in, nullptr, y.data(), tokens, in, out, out, 0, 0, 0);
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t n = 0; n < out; ++n) {
        double sum = 0, magnitude = 0;
        for (int64_t k = 0; k < in; ++k) {
          const double product = static_cast<double>(x[static_cast<size_t>(t * in + k)]) * w[static_cast<size_t>(n * in + k)];
          sum += product;
          magnitude += std::fabs(product);
        }
        check(close(y[static_cast<size_t>(t * out + n)], sum, static_cast<double>(in + 2) * 0x1p-24 * magnitude),
              isa + " linear " + std::to_string(tokens) + "x" + std::to_string(in) + "x" + std::to_string(out));
      }
    }
  }
}

void test_rows(const Operators& op, const std::string& isa) {
  for (const int64_t channels : {1, 3, 16, 37, 200}) {
    const size_t n = static_cast<size_t>(channels);
    const auto gate_up = gaussians(2 * n, 6);
    std::vector<float> out(n);
    const ActivationSpec spec = plain_rows(out.data(), channels);
    op.silu_mul(gate_up.data(), &spec, 1);
    for (size_t c = 0; c < n; ++c) {
      const double g = gate_up[c], expected = g / (1 + std::exp(-g)) * gate_up[n + c];
      check(close(out[c], expected, 1e-6 * std::fabs(expected) + 1e-30), isa + " silu_mul");
    }
    auto x = gaussians(n);
    x[n / 2] = 3e30f;  // one huge channel
    const auto weight = gaussians(n);
    op.rms_norm(x.data(), weight.data(), 1e-5f, &spec, 1, nullptr);
    double squares = 0;
    for (const float value : x) squares += static_cast<double>(value) * value;
    for (size_t c = 0; c < n; ++c) {
      const double expected = x[c] / std::sqrt(squares / static_cast<double>(n) + 1e-5) * weight[c];
      check(close(out[c], expected, 1e-6 * std::fabs(expected) + 1e-37), isa + " rms_norm");
    }
  }
}

void test_attention(const Operators& op, const std::string& isa, int64_t bits) {
  // Longer than a partition of the context; the last block is not full.
  const int64_t heads = 4, kv_heads = 2, dim = 24, size = 32, tokens = 540, blocks = 17;
  const int64_t width = (heads + 2 * kv_heads) * dim;
  // As src/backend/cpu/kv-cache.ts lays it out: 24 channels are stored as 24 of keys and 32 of values.
  const int64_t value_offset = dim * 16 * bits / 8, scale_offset = value_offset + 32 * 16 * bits / 8;
  const int64_t slice = (scale_offset + (bits < 16 ? 160 : 0) + 63) / 64 * 64, head_bytes = slice * size / 16;
  std::vector<uint8_t> memory(static_cast<size_t>(blocks * kv_heads * head_bytes));
  const KvLayerSpec kv{memory.data(), kv_heads * head_bytes, head_bytes, slice, value_offset, scale_offset,
                       kv_heads, dim, size, bits, bits, 0, 0, 0, 1, 1.0};
  std::vector<int32_t> positions(tokens), start{0, static_cast<int32_t>(tokens)}, table(blocks);
  for (int32_t i = 0; i < tokens; ++i) positions[static_cast<size_t>(i)] = i;
  for (int32_t i = 0; i < blocks; ++i) table[static_cast<size_t>(i)] = i * 5 % blocks;
  const BatchSpec batch{positions.data(), start.data(), table.data(), tokens, 1, blocks};
  const std::vector<float> cosines(static_cast<size_t>(tokens * dim / 2), 1.0f), sines(static_cast<size_t>(tokens * dim / 2), 0.0f);
  auto qkv = gaussians(static_cast<size_t>(tokens * width));
  std::vector<float> out(static_cast<size_t>(tokens * heads * dim));
  const ActivationSpec spec = plain_rows(out.data(), heads * dim);
  op.rope_append_kv(qkv.data(), heads, cosines.data(), sines.data(), nullptr, nullptr, 0, &batch, &kv);
  op.attention(qkv.data(), heads, 0.2f, &batch, &kv, 0, out.data(), &spec);
  const double tolerance = bits == 32 ? 1e-5 : bits == 16 ? 2e-2 : bits == 8 ? 5e-2 : 0.6;
  for (int64_t t = 0; t < tokens; t += t < 64 ? 1 : 17) {
    for (int64_t h = 0; h < heads; ++h) {
      const auto vector = [&](int64_t token, int64_t head) { return qkv.data() + token * width + head * dim; };
      std::vector<double> weights;
      double total = 0;
      for (int64_t p = 0; p <= t; ++p) {
        double score = 0;
        for (int64_t c = 0; c < dim; ++c) score += 0.2 * vector(t, h)[c] * vector(p, heads + h / 2)[c];
        weights.push_back(std::exp(score));
        total += weights.back();
      }
      for (int64_t c = 0; c < dim; ++c) {
        double expected = 0;
        for (int64_t p = 0; p <= t; ++p) expected += weights[static_cast<size_t>(p)] / total * vector(p, heads + kv_heads + h / 2)[c];
        check(close(out[static_cast<size_t>((t * heads + h) * dim + c)], expected, tolerance),
              isa + " attention over " + std::to_string(bits) + " bits");
      }
    }
  }
  // Groups of integers that a task makes alone are those of whole rows, which an order makes of all heads together.
  std::vector<int32_t> order(static_cast<size_t>(heads * dim));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  const auto integers = [&](test::IntegerStorage& storage, const int32_t* reorder) {
    const IntegerRows rows = storage.rows(op, {tokens, 4, dim, 0, 0, 4, false, false});
    const ActivationSpec spec{storage.codes.data(), reorder, heads * dim, ActivationKind::integer,
                              static_cast<int64_t>(ElementFormat::int4), dim, 1, 0, 0, 0, 1, 1, rows};
    std::vector<float> results(static_cast<size_t>(tokens * heads * dim));
    op.attention(qkv.data(), heads, 0.2f, &batch, &kv, 0, results.data(), &spec);
  };
  test::IntegerStorage alone_made, whole;
  integers(alone_made, nullptr);
  integers(whole, order.data());
  check(alone_made.codes == whole.codes && alone_made.factors == whole.factors,
        isa + " attention into groups of integers");
  // The last token alone: its context is split, and its bits are the same.
  const std::vector<int32_t> one{0, 1};
  const BatchSpec alone{positions.data() + tokens - 1, one.data(), table.data(), 1, 1, blocks};
  std::vector<float> row(static_cast<size_t>(heads * dim));
  const ActivationSpec row_spec = plain_rows(row.data(), heads * dim);
  op.attention(qkv.data() + (tokens - 1) * width, heads, 0.2f, &alone, &kv, 0, row.data(), &row_spec);
  check(std::equal(row.begin(), row.end(), out.end() - heads * dim), isa + " attention does not depend on the batch");
}

void test_quantizers(const Operators& op, const std::string& isa) {
  const int64_t cols = 96;
  auto x = gaussians(static_cast<size_t>(cols));
  x[5] = 1e-42f;
  x[40] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> out(static_cast<size_t>(cols));
  for (int32_t format = 0; format <= 10; ++format) {
    for (const int32_t range : {0, 1, 2}) {
      op.fake_quant(x.data(), out.data(), 1, cols, format, 32, range, 0.9f, 0, 0, 1, range == 1);
      check(std::isnan(out[40]), isa + " fake_quant shows a NaN");
      check(std::isfinite(out[5]) || format == 8, isa + " fake_quant keeps a NaN in its group");
    }
  }
}

void test_ranges() {
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    for (const auto& [count, grain, most] :
         std::vector<std::array<int64_t, 3>>{{1, 1, 1}, {64, 2, 64}, {67, 4, 67}, {44, 1, 3}, {1000, 1, 1000}, {5, 8, 0}}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
      std::atomic<bool> fits{true};
      parallel_ranges(count, grain, most, [&, grain = grain, most = most, count = count](int64_t first, int64_t last, const auto& next) {
        for (int64_t i = first; i < last; ++i) seen[static_cast<size_t>(i)].fetch_add(1);
        const int64_t length = last - first;
        if (next.load() < last) fits = false;
        if (length > std::max(grain, most) || (last < count && length % grain != 0)) fits = false;
      }, kWorthSharing);
      const bool once = std::all_of(seen.begin(), seen.end(), [](const auto& times) { return times == 1; });
      check(once && fits, "ranges of " + std::to_string(count) + " on " + std::to_string(threads) + " threads");
    }
  }
}

/// Vocabularies exactly as large as they say: a sanitizer sees every logit beyond.
void test_sampling(const Operators& op, const std::string& isa) {
  for (const int64_t vocab : {1, 15, 256, 1030, 5000}) {
    auto logits = gaussians(static_cast<size_t>(vocab), 4);
    double total = 0;
    for (const float logit : logits) total += std::exp(double{logit});
    check(close(op.log_total(logits.data(), vocab), std::log(total), 1e-5), isa + " log total");
    logits[static_cast<size_t>(vocab / 2)] = 30;
    for (const int64_t top_k : {0, 1, 3, 2000}) {
      for (const double top_p : {0.0, 0.7, 1.0}) {
        const int64_t first = op.sample(logits.data(), vocab, 1, top_k, top_p, 0, 0.5);
        check(first == vocab / 2, isa + " samples the likely token");
        const int64_t flat = op.sample(logits.data(), vocab, 1e6, top_k, top_p, 0, 1 - 0x1p-53);
        check(flat >= 0 && flat < vocab, isa + " samples a token that there is");
      }
    }
  }
}

void run(const Operators& op, const std::string& isa) {
  test_sampling(op, isa);
  test_linear(op, isa);
  test_linear_values(op, isa);
  test_rows(op, isa);
  for (const int64_t bits : {32, 16, 8, 4}) test_attention(op, isa, bits);
  test_quantizers(op, isa);
  for (const test::IntegerCase& c : std::vector<test::IntegerCase>{{1, 2, 32, 8, 40, 4, false, false},
                                                                   {9, 3, 128, 32, 33, 4, true, true},
                                                                   {7, 1, 36, 3, 64, 4, true, false},
                                                                   {200, 2, 16, 0, 32, 8, false, true},
                                                                   {16, 1, 20, 5, 70, 8, true, false}}) {
    test::test_integers(op, isa, c, check, gaussians);
  }
  for (const bool yes : {false, true}) {  // few rows over many panels
    set_reads_side_by_side(yes);
    test::test_integers(op, isa, {3, 2, 32, 8, 1370, 4, false, false}, check, gaussians);
  }
  for (const int when : {0, 1, 2}) {  // rows that weights are opened for
    set_halved_products(when);
    test::test_integers(op, isa, {100, 2, 128, 32, 70, 4, true, false}, check, gaussians);
    test::test_integers(op, isa, {131, 3, 36, 0, 33, 4, false, false}, check, gaussians);
    test::test_integers(op, isa, {71, 19, 128, 0, 40, 4, false, false}, check, gaussians);
  }
  for (const int64_t tokens : {1, 3, 16, 200}) {
    const test::IntegerCase input{tokens, 2, 32, 0, 0, 4, false, false};
    test::test_gated(op, isa, input, {tokens, 3, 32, 64, 0, 4, false, true}, check, gaussians);
    test::test_gated(op, isa, input, {tokens, 1, 128, 0, 0, 4, false, false}, check, gaussians);
  }
  for (const test::WeightOnlyCase& c : std::vector<test::WeightOnlyCase>{
           {1, 2, 32, 40, 4}, {7, 3, 128, 65, 4}, {30, 1, 24, 129, 8}, {200, 2, 8, 64, 4}, {2, 1, 1032, 1, 8}}) {
    test::test_weight_only(op, isa, c, check, gaussians);
  }
  std::printf("%s: checked\n", isa.c_str());
}

}  // namespace

int main() {
  test_ranges();
  set_thread_count(2);
#define ATOM_RUN(isa) \
  if (isa_supported(#isa)) run(isa::operators(), #isa);
  ATOM_ISAS(ATOM_RUN)
#undef ATOM_RUN
  std::printf("%d failed\n", g_failures);
  return g_failures == 0 ? 0 : 1;
}
