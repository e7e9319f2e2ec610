#include "convert.h"

#include <algorithm>

#include "half.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

// Elements per task: enough to be worth handing out.
constexpr int64_t kChunk = 1 << 16;

template <class From, class To, To (*one)(From)>
void run(const void* from, void* to, int64_t count) {
  parallel_for((count + kChunk - 1) / kChunk, [=](int64_t task, int) {
    const int64_t end = std::min(count, (task + 1) * kChunk);
    for (int64_t i = task * kChunk; i < end; ++i) {
      From value;
      std::memcpy(&value, static_cast<const From*>(from) + i, sizeof value);
      static_cast<To*>(to)[i] = one(value);
    }
  });
}

uint16_t f16_to_bf16(uint16_t bits) { return float_to_bf16(f16_to_float(bits)); }

}  // namespace

void convert(const void* from, void* to, int64_t count, int32_t kind) {
  switch (kind) {
    case 0: return run<uint16_t, float, bf16_to_float>(from, to, count);
    case 1: return run<uint16_t, float, f16_to_float>(from, to, count);
    case 2: return run<float, uint16_t, float_to_bf16>(from, to, count);
    default: return run<uint16_t, uint16_t, f16_to_bf16>(from, to, count);
  }
}

}  // namespace atom::ATOM_ISA
