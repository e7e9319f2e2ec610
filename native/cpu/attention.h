// Causal attention over paged keys and values, with online softmax (Milakov and Gimelshein, 2018), block by block.
#pragma once

#include <cstdint>

#include "activation.h"
#include "rope_append_kv.h"

namespace atom {

//   qkv (tokens, (heads + 2 kv_heads) head_dim) f32: queries are read  ->  rows [0, tokens) of out, channels heads head_dim
//   window 0: none; else a row at position p sees keys in (p - window, p]
//
// A task is a few query tokens of one sequence and some KV heads with all query heads of their groups, so that a block is
// read and unpacked once for all of them, and through its heads from one end to the other. Where its heads are whole groups
// of an integer `out`, it quantizes them itself. Every row goes through the blocks in the same order, keys 0, 1, 2, ..., and
// skips what is masked for it: its result does not depend on the rows beside it.
//
//   cost per row: 4 head_dim operations per key and head; per task each block of the context is read once
using AttentionFn = void(const float* qkv, int64_t heads, float scale, const BatchSpec* batch, const KvLayerSpec* cache,
                         int64_t window, float* results, const ActivationSpec* out);

}  // namespace atom
