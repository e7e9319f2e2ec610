// Weights that pass once, for few rows, wait for memory. A core asks for so many lines at a time where it reads on in one
// place, and for more where it reads in several: four places gave 40 % more than one on a Xeon of 2023 (27 of 19 GB/s, two
// threads), sixteen hardly more than one.
#pragma once

#include <algorithm>
#include <cstdint>

#include "threads.h"

namespace atom {

/// Panels that are read together, group by group, and how far ahead each is asked for, in bytes.
constexpr int64_t kTogether = 4, kAheadOfEach = 2048;

/// Panels of a task: tasks enough to share evenly, and whole sets of those read together where there are as many.
inline int64_t panels_per_task(int64_t panels) {
  const int64_t share = panels / (8 * thread_count());
  return share < kTogether ? std::max<int64_t>(share, 1) : share / kTogether * kTogether;
}

}  // namespace atom
