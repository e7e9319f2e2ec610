// One pool of threads for all kernels: one thread per physical core, the caller being one of them.
// Tasks are handed out one by one through an atomic counter; workers spin briefly after a job and then park, so an
// idle server costs nothing and a step of two hundred operators does not pay two hundred wake-ups.
// One job at a time: concurrent callers take turns.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace atom {

/// Number of threads a job runs on, the caller included.
int thread_count();

/// Changes the number of threads; takes effect before the next job. At least 1.
void set_thread_count(int count);

/// Physical cores this process may run on.
int physical_cores();

using TaskFn = void(void* context, int64_t task, int thread);

/// Runs `fn(context, task, thread)` once for each task in [0, tasks) and returns when all are done.
/// Tasks start in order; `thread` is in [0, thread_count()).
void run_tasks(int64_t tasks, TaskFn* fn, void* context);

// Waking another core and waiting for it takes a few microseconds, and far longer where something else runs on it:
// less work than this (operations, or bytes) is done sooner by the caller alone.
constexpr int64_t kWorthSharing = 1 << 18;

/// `body(task, thread)` for each task. `work` estimates the operations of all of them together.
template <class Body>
inline void parallel_for(int64_t tasks, Body&& body, int64_t work = kWorthSharing) {
  if (work < kWorthSharing) {
    for (int64_t task = 0; task < tasks; ++task) body(task, 0);
    return;
  }
  using Plain = std::remove_reference_t<Body>;
  run_tasks(
      tasks, [](void* context, int64_t task, int thread) { (*static_cast<Plain*>(context))(task, thread); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

/// `body(first, last, next)` for ranges that cover [0, count): first long ones, which memory is read for without a break,
/// then ever shorter ones, so that threads end together however fast each is. All but the last are multiples of `grain`; none
/// is longer than `most`, where that is not less than a grain. `next` is where the next range begins as things stand: most
/// likely what the thread goes on with.
template <class Body>
inline void parallel_ranges(int64_t count, int64_t grain, int64_t most, Body&& body, int64_t work) {
  const int64_t threads = work < kWorthSharing ? 1 : thread_count();
  // A thread that gets two thirds of its share to begin with may be half as fast as the others.
  const auto length = [=](int64_t left) {
    const int64_t share = threads == 1 ? left : 2 * left / (3 * threads);
    return std::min(left, std::max<int64_t>(std::min(share, most) / grain, 1) * grain);
  };
  std::atomic<int64_t> next{0};
  parallel_for(threads, [&](int64_t, int) {
    for (int64_t first = next.load(); first < count;) {
      const int64_t last = first + length(count - first);
      if (!next.compare_exchange_weak(first, last)) continue;  // another thread took it, and says how far it went
      body(first, last, std::as_const(next));
      first = next.load();
    }
  }, work);
}

}  // namespace atom
