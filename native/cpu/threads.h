// One pool of threads for all kernels: one thread per physical core, the caller being one of them.
// Tasks are handed out one by one through an atomic counter; workers spin briefly after a job and then park, so an
// idle server costs nothing and a step of two hundred operators does not pay two hundred wake-ups.
// One job at a time: concurrent callers take turns.
#pragma once

#include <cstdint>
#include <type_traits>

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

}  // namespace atom
