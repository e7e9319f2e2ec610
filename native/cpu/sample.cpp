#include "sample.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "element_format.h"
#include "logits.h"
#include "memory.h"

namespace atom::ATOM_ISA {

namespace {

// Where sums are only compared, they are taken over longer blocks.
constexpr int64_t kLong = 4 * kBlock;

// So few weights are passed over in no time: taking out those that matter would cost more.
constexpr int64_t kFew = 512;

/// What a filter counts: tokens, or their weights.
struct Amount {
  int64_t tokens;
  double weight;

  double of(bool by_weight) const { return by_weight ? weight : static_cast<double>(tokens); }
};

float float_of(int32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Weights of tokens, the best one's being 1, in whole blocks; 0: not to be taken.
class Weights {
 public:
  explicit Weights(int64_t vocab)
      : blocks_((vocab + kBlock - 1) / kBlock),
        values_(thread_scratch(static_cast<size_t>(2 * blocks_ * (kBlock + 1) + 2 * kLanes))),
        sums_(reinterpret_cast<double*>(values_ + blocks_ * kBlock)),
        candidates_(values_ + blocks_ * (kBlock + 2)) {}

  /// exp((logits - largest) * factor), and 0 below `least`.
  void fill(const float* logits, int64_t vocab, float largest, float factor, float least) {
    const int64_t whole = vocab / kLanes * kLanes;
    for (int64_t i = 0; i < whole; i += kLanes) store(values_ + i, weights(load(logits + i), largest, factor, least));
    if (whole < vocab) {
      float rest[kLanes];
      std::fill_n(rest, kLanes, -std::numeric_limits<float>::infinity());
      std::copy(logits + whole, logits + vocab, rest);
      store(values_ + whole, weights(load(rest), largest, factor, least));
    }
    std::fill(values_ + (vocab + kLanes - 1) / kLanes * kLanes, values_ + blocks_ * kBlock, 0.0f);
    add_up();
  }

  double total() const { return total_; }

  /// Leaves the most probable tokens, as few as reach `limit` in number or weight.
  void keep(double limit, bool by_weight) {
    // Positive floats are in the order of their bits: the weight of the last token that is kept lies in [low, high).
    int32_t low = 1, high = static_cast<int32_t>(float_bits(2.0f));
    Amount below_low = from(values_, blocks_ * kBlock, float_of(low)), at_high{0, 0};
    if (below_low.of(by_weight) <= limit) return;
    // Those that may be it are taken out whenever they are few enough among those looked at.
    const float* values = values_;
    int64_t count = blocks_ * kBlock;
    Amount apart{0, 0};  // of those that lie above
    while (high - low > 1) {
      if (count > kFew && below_low.tokens - at_high.tokens <= count / 4) {
        count = take_out(values, count, float_of(low), float_of(high));
        values = candidates_;
        apart = at_high;
      }
      const int32_t middle = low + (high - low) / 2;
      Amount amount = from(values, count, float_of(middle));
      amount = {amount.tokens + apart.tokens, amount.weight + apart.weight};
      if (amount.of(by_weight) >= limit) low = middle, below_low = amount;
      else high = middle, at_high = amount;
    }
    const double each = by_weight ? float_of(low) : 1;
    drop_below(float_of(low), static_cast<int64_t>(std::ceil((limit - at_high.of(by_weight)) / each)));
    add_up();
  }

  /// The token that `draw` falls upon.
  int64_t at(double draw) const {
    double left = draw * total_;
    int64_t last = 0;
    for (int64_t block = 0; block < blocks_; ++block) {
      if (left >= sums_[block]) {
        left -= sums_[block];
        if (sums_[block] > 0) last = block;
        continue;
      }
      for (int64_t i = block * kBlock; i < (block + 1) * kBlock; ++i) {
        if (left < values_[i]) return i;
        left -= values_[i];
      }
      last = block;
      break;
    }
    // Rounding left something over: the last token there.
    int64_t i = (last + 1) * kBlock - 1;
    while (values_[i] <= 0) --i;
    return i;
  }

 private:
  static VecF weights(VecF logits, float largest, float factor, float least) {
    const VecF weight = exponential((logits - largest) * factor);
    return weight >= least ? weight : VecF{};  // not where it is NaN
  }

  void add_up() {
    total_ = 0;
    for (int64_t block = 0; block < blocks_; ++block) {
      VecF sum = {};
      for (int64_t i = 0; i < kBlock; i += kLanes) sum += load(values_ + block * kBlock + i);
      sums_[block] = static_cast<double>(sum_lanes(sum));
      total_ += sums_[block];
    }
  }

  /// Of tokens that weigh at least so much; `count` is a multiple of a vector.
  static Amount from(const float* values, int64_t count, float least) {
    VecI tokens = {};
    double weight = 0;
    for (int64_t block = 0; block < count; block += kLong) {
      VecF sum = {};
      for (int64_t i = block; i < std::min(block + kLong, count); i += kLanes) {
        const VecF value = load(values + i);
        const VecI heavy = value >= least;
        tokens -= heavy;
        sum += heavy ? value : VecF{};
      }
      weight += static_cast<double>(sum_lanes(sum));
    }
    return {static_cast<int64_t>(sum_lanes(__builtin_convertvector(tokens, VecF))), weight};
  }

  /// Copies those in [low, high) to `candidates_`, where they may lie already, with zeros up to a whole vector; gives their
  /// number so.
  int64_t take_out(const float* values, int64_t count, float low, float high) {
    int64_t taken = 0;
    for (int64_t i = 0; i < count; i += kLanes) {
      const VecF value = load(values + i);
      taken += store_some(candidates_ + taken, value, (value >= low) & (value < high));
    }
    const int64_t whole = (taken + kLanes - 1) / kLanes * kLanes;
    std::fill(candidates_ + taken, candidates_ + whole, 0.0f);
    return whole;
  }

  /// Tokens of weight `edge` stay for the first so many, all above it do.
  void drop_below(float edge, int64_t stay) {
    for (int64_t i = 0; i < blocks_ * kBlock; i += kLanes) {
      const VecF value = load(values_ + i);
      store(values_ + i, value >= edge ? value : VecF{});
      const VecI ties = value == edge;
      if (!any(ties)) continue;
      for (int64_t lane = i; lane < i + kLanes; ++lane) {
        if (values_[lane] == edge && stay-- <= 0) values_[lane] = 0;
      }
    }
  }

  int64_t blocks_;
  float* values_;
  double* sums_;       // (blocks)
  float* candidates_;  // as many as there are values, and two vectors more
  double total_ = 0;
};

}  // namespace

int64_t sample(const float* logits, int64_t vocab, double temperature, int64_t top_k, double top_p, double min_p,
               double draw) {
  const float largest = largest_of(logits, vocab);
  if (largest == -std::numeric_limits<float>::infinity()) return -1;
  const auto factor = static_cast<float>(1 / temperature);
  const bool certain = std::isinf(largest) || std::isinf(factor) || top_k == 1;
  if (certain) return std::find(logits, logits + vocab, largest) - logits;
  Weights weights(vocab);
  const auto least = static_cast<float>(std::min(min_p, 1.0));
  weights.fill(logits, vocab, largest, factor, std::max(least, std::numeric_limits<float>::min()));
  if (top_k > 0) weights.keep(static_cast<double>(top_k), false);
  // Of none the best is left.
  if (top_p < 1) weights.keep(std::max(top_p * weights.total(), 1e-300), true);
  return weights.at(draw);
}

}  // namespace atom::ATOM_ISA
