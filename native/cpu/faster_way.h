// Which of two ways to the same bits is the faster one depends on what else runs on a core: a neighbour on its other
// hardware thread takes a fifth of a kernel that fills every pipe, and hardly anything of one that waits for two of them.
// That changes from second to second and from core to core, so threads measure, each for itself.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace atom {

namespace {

/// Of a thread and of work of one kind.
class FasterWay {
 public:
  /// Goes the way that was the faster one lately, now and then the other; `go(way)` is 0 or 1. `work` is what both compare by.
  template <class Go>
  void take(int64_t work, Go&& go) {
    const int faster = time_[1] < time_[0];
    const int way = ++turns_ <= kFirst ? turns_ % 2 : turns_ % kLook == 0 ? 1 - faster : faster;
    const auto start = std::chrono::steady_clock::now();
    go(way);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    note(way, took.count() / static_cast<double>(work));
  }

 private:
  static constexpr uint32_t kFirst = 8;        // turns that go both ways, the least of which counts: memory is new to them
  static constexpr uint32_t kLook = 32;        // turns between two looks at the slower way
  static constexpr double kWeight = 0.25;      // of the newest of its times
  static constexpr double kInterrupted = 1.5;  // as much longer than usual says nothing about the way

  void note(int way, double time) {
    double& usual = time_[way];
    if (turns_ <= kFirst) usual = usual == 0 ? time : std::min(usual, time);
    else usual += kWeight * (std::min(time, kInterrupted * usual) - usual);
  }

  double time_[2] = {};
  uint32_t turns_ = 0;
};

}  // namespace

/// Whether products of many rows are halved (linear_int_halved.h): 0 never, 1 always, 2 where threads find that faster.
int halved_products();

/// Changes that, for tests; takes effect before the next job.
void set_halved_products(int when);

}  // namespace atom
