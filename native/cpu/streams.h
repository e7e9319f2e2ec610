// Weights that pass once, for few rows, wait for memory. What brings them in soonest is the processor's own matter:
//   Xeon of 2023 (the set with AMX)   asked for ahead, in four places at once: 27 GB/s of two cores, 19 in one place
//   EPYC of 2023 (AVX-512)            never asked for, in two places: 32 of 33 GB/s, 44 of 50 where neighbours left more;
//                                     its own prefetching stops where it is asked: 23 to 28 GB/s
#pragma once

#include <algorithm>
#include <cstdint>

#include "threads.h"

namespace atom::ATOM_ISA {

namespace {

/// Panels that are read together, group by group, and how far ahead each is asked for, in bytes; 0: it is not.
#if defined(__AMX_TILE__)
constexpr int64_t kTogether = 4, kAheadOfEach = 2048;
#else
constexpr int64_t kTogether = 2, kAheadOfEach = 0;
#endif

/// Panels of a task: tasks enough to share evenly, and whole sets of those read together where there are as many.
inline int64_t panels_per_task(int64_t panels) {
  const int64_t share = panels / (8 * thread_count());
  return share < kTogether ? std::max<int64_t>(share, 1) : share / kTogether * kTogether;
}

}  // namespace

}  // namespace atom::ATOM_ISA
