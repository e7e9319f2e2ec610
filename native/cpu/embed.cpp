#include "embed.h"

#include <cstring>

#include "half.h"
#include "threads.h"

namespace atom::ATOM_ISA {

void embed(const void* table, int32_t type, const int32_t* ids, float* out, int64_t tokens, int64_t hidden) {
  const int64_t width = type == 0 ? 4 : 2;
  parallel_for(tokens, [=](int64_t token, int) {
    const auto* row = static_cast<const unsigned char*>(table) + ids[token] * hidden * width;
    float* to = out + token * hidden;
    if (type == 0) {
      std::memcpy(to, row, static_cast<size_t>(hidden) * sizeof(float));
      return;
    }
    for (int64_t c = 0; c < hidden; ++c) {
      uint16_t bits;
      std::memcpy(&bits, row + 2 * c, sizeof bits);
      to[c] = type == 1 ? bf16_to_float(bits) : f16_to_float(bits);
    }
  }, tokens * hidden);
}

}  // namespace atom::ATOM_ISA
