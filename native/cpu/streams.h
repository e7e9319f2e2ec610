// Weights that pass once, for few rows, wait for memory. What brings them in soonest is the processor's own matter:
//   Xeon of 2023 (the set with AMX)   asked for ahead, in four places at once: 27 GB/s of two cores, 19 in one place
//   EPYC of 2023 (Zen 4)              never asked for, in two places: 32 of 33 GB/s, 44 of 50 where neighbours left more;
//                                     its own prefetching stops where it is asked: 23 to 28 GB/s
//   EPYC of 2024 (Zen 5)              asked for ahead, in one place: 60 of 62 GB/s; 47 in two places, 43 in four, and asking
//                                     brings those 5 to 10 more
#pragma once

#include <cstdint>

#include "processor.h"

namespace atom::ATOM_ISA {

namespace {

/// Panels that are read together where the processor likes several places, group by group, and how far ahead each is asked
/// for, in bytes; 0: it is not.
#if defined(__AMX_TILE__)
constexpr int64_t kTogether = 4, kAheadOfEach = 2048;
#else
constexpr int64_t kTogether = 2, kAheadOfEach = 0;
#endif

/// The same, of the processor this runs on.
inline int64_t panels_together() { return reads_side_by_side() ? kTogether : 1; }

}  // namespace

}  // namespace atom::ATOM_ISA
