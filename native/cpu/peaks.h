// What this machine can do at best: loops of nothing but the instructions that kernels live on, and a plain read.
// Benchmarks time them beside the kernels and print shares of them.
#pragma once

#include <cstdint>

namespace atom {

//   Each runs 32 tasks of `rounds` rounds on all threads and returns the operations done (multiply and add count as two), or the
//   bytes read. peak_bf16 and peak_int8 are of the best the set has, tiles where it has them; those called _vector of its
//   vectors. Twelve independent accumulators, or four tiles, cover the latency of every instruction used.
using PeakFn = double(int64_t rounds);

//   memory (bytes): read once from end to end, shared among the threads
using PeakReadFn = double(const void* memory, int64_t bytes);

}  // namespace atom
