// Rows of the embedding table as f32.
#pragma once

#include <cstdint>

namespace atom {

//   table (vocab, hidden), type 0 f32, 1 bf16, 2 f16, any alignment; ids (tokens) i32  ->  out (tokens, hidden) f32
//   cost: 6 or 8 bytes per element
using EmbedFn = void(const void* table, int32_t type, const int32_t* ids, float* out, int64_t tokens, int64_t hidden);

}  // namespace atom
