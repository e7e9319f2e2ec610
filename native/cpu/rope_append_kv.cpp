#include "rope_append_kv.h"

#include <cmath>

#include "hadamard.h"
#include "memory.h"
#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

void normalise(float* x, const float* weight, int64_t dim, float epsilon) {
  double sum = 0;
  for (int64_t i = 0; i < dim; ++i) sum += static_cast<double>(x[i]) * x[i];
  const float scale = static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(dim) + epsilon));
  for (int64_t i = 0; i < dim; ++i) x[i] = x[i] * scale * weight[i];
}

/// Pairs are (i, i + dim / 2), the half-split order of Hugging Face's checkpoints.
void rotate(float* x, const float* cos, const float* sin, int64_t dim) {
  const int64_t half = dim / 2;
  int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const VecF a = load(x + i), b = load(x + i + half), c = load(cos + i), s = load(sin + i);
    store(x + i, a * c - b * s);
    store(x + i + half, b * c + a * s);
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cos[i] - b * sin[i];
    x[i + half] = b * cos[i] + a * sin[i];
  }
}

void fake(float* x, int64_t dim, int64_t bits, double clip) {
  if (bits > 0) quantize_asymmetric(x, x, dim, static_cast<int>(bits), static_cast<float>(clip));
}

int64_t sequence_of(const BatchSpec& batch, int64_t token) {
  int64_t sequence = 0;
  while (batch.sequence_start[sequence + 1] <= token) ++sequence;
  return sequence;
}

}  // namespace

// A task is one KV head of one block of one sequence's tokens: nibbles of neighbouring tokens share bytes, so tokens of
// one block must not be appended by two threads. Tasks by KV head alone would leave one sequence's prefill to few.
void rope_append_kv(float* qkv, int64_t heads, const float* cos, const float* sin, const float* q_norm,
                    const float* k_norm, float epsilon, const BatchSpec* batch, const KvLayerSpec* cache) {
  const KvLayerSpec& kv = *cache;
  const int64_t dim = kv.head_dim, half = dim / 2, size = kv.block_size;
  const int64_t stride = (heads + 2 * kv.heads) * dim;
  const int64_t group = heads / kv.heads;
  parallel_for(batch->tokens, [=](int64_t first, int) {
    // The task of a block belongs to its first token in the batch; the others return at once.
    const int64_t sequence = sequence_of(*batch, first);
    const int64_t begin = batch->sequence_start[sequence], end = batch->sequence_start[sequence + 1];
    const int64_t block_index = batch->positions[first] / size;
    if (first > begin && batch->positions[first - 1] / size == block_index) return;
    const int32_t* table = batch->block_table + sequence * batch->table_stride;
    const int64_t width = coded_width(dim);
    float* const scratch = thread_scratch(static_cast<size_t>(2 * width));
    const CodeScratch codes{scratch, reinterpret_cast<int32_t*>(scratch + width)};
    for (int64_t token = first; token < end && batch->positions[token] / size == block_index; ++token) {
      const int64_t position = batch->positions[token];
      float* row = qkv + token * stride;
      const float* c = cos + position * half;
      const float* s = sin + position * half;
      const int64_t slot = position % kSliceTokens;
      uint8_t* slice = SliceCursor(kv, table, 0, position / kSliceTokens).slice();
      ask_for_token(kv, slice, slot);
      for (int64_t head = 0; head < kv.heads; ++head) {
        if (head + 1 < kv.heads) ask_for_token(kv, slice + kv.head_bytes, slot);
        for (int64_t g = 0; g < group; ++g) {
          float* q = row + (head * group + g) * dim;
          if (q_norm) normalise(q, q_norm, dim, epsilon);
          rotate(q, c, s, dim);
          if (kv.key_hadamard) walsh_hadamard(q, dim, dim & -dim);
        }
        float* k = row + (heads + head) * dim;
        float* v = row + (heads + kv.heads + head) * dim;
        if (k_norm) normalise(k, k_norm, dim, epsilon);
        if (kv.key_before_rope) fake(k, dim, kv.key_fake_bits, kv.clip);
        rotate(k, c, s, dim);
        if (kv.key_hadamard) walsh_hadamard(k, dim, dim & -dim);
        if (!kv.key_before_rope) fake(k, dim, kv.key_fake_bits, kv.clip);
        fake(v, dim, kv.value_fake_bits, kv.clip);
        append_key(kv, slice, slot, k, codes);
        append_value(kv, slice, slot, v, codes);
        slice += kv.head_bytes;
      }
    }
  });
}

}  // namespace atom::ATOM_ISA
