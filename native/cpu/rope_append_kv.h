// Rotary embedding of queries and keys, in place, and keys and values appended to their pages.
#pragma once

#include <cstdint>

#include "kv_cache.h"

namespace atom {

/// The index tensors of a batch (src/backend/backend.ts), eight bytes a field, in this order.
struct BatchSpec {
  const int32_t* positions;        // (tokens)
  const int32_t* sequence_start;   // (sequences + 1)
  const int32_t* block_table;      // (sequences, table_stride)
  int64_t tokens, sequences, table_stride;
};

//   qkv (tokens, (heads + 2 kv_heads) head_dim) f32; cos, sin (positions, head_dim / 2) f32
//   q_norm, k_norm (head_dim) f32 or null: each head is RMS-normalised first (Qwen3)
//   cost: 8 bytes and 6 operations per element
using RopeAppendKvFn = void(float* qkv, int64_t heads, const float* cos, const float* sin, const float* q_norm,
                            const float* k_norm, float epsilon, const BatchSpec* batch, const KvLayerSpec* cache);

}  // namespace atom
