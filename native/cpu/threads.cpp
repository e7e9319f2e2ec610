#include "threads.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sched.h>

#include <fstream>
#endif

namespace atom {

namespace {

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// About 50 microseconds on current cores: longer than the gap between two operators of one step, far shorter than
// the gap between two requests.
constexpr int kSpins = 1500;

class Pool {
 public:
  Pool() { resize(physical_cores()); }
  ~Pool() { resize(1); }

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  void resize(int count) {
    const std::lock_guard<std::mutex> turn(turn_);
    stop_.store(true);
    generation_.fetch_add(1);
    generation_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    stop_.store(false);
    const uint32_t start = generation_.load();
    for (int i = 1; i < count; ++i) workers_.emplace_back([this, i, start] { work(i, start); });
  }

  void run(int64_t tasks, TaskFn* fn, void* context) {
    if (tasks <= 0) return;
    const std::lock_guard<std::mutex> turn(turn_);
    if (tasks == 1 || workers_.empty()) {
      for (int64_t task = 0; task < tasks; ++task) fn(context, task, 0);
      return;
    }
    fn_ = fn;
    context_ = context;
    tasks_ = tasks;
    next_.store(0, std::memory_order_relaxed);
    busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    generation_.fetch_add(1);
    if (parked_.load() > 0) generation_.notify_all();
    drain(0);
    for (int spin = 0; busy_.load(std::memory_order_acquire) > 0; ++spin) {
      if (spin < kSpins * 10) cpu_relax();
      else std::this_thread::yield();
    }
  }

 private:
  void drain(int thread) {
    for (int64_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) fn_(context_, task, thread);
  }

  void work(int thread, uint32_t seen) {
    for (;;) {
      for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen; ++spin) cpu_relax();
      if (generation_.load(std::memory_order_acquire) == seen) {
        parked_.fetch_add(1);
        generation_.wait(seen);
        parked_.fetch_sub(1);
        continue;
      }
      ++seen;
      if (stop_.load(std::memory_order_acquire)) return;
      drain(thread);
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::mutex turn_;
  std::vector<std::thread> workers_;
  TaskFn* fn_ = nullptr;
  void* context_ = nullptr;
  int64_t tasks_ = 0;
  // On cache lines of their own: workers poll one while others are written.
  alignas(64) std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<int> busy_{0};
  alignas(64) std::atomic<int> parked_{0};
  std::atomic<bool> stop_{false};
};

// Never destroyed: a worker may still be parked when the process exits, and joining from a static destructor of a
// dynamically loaded add-on can deadlock.
Pool& pool() {
  static Pool* const instance = new Pool();
  return *instance;
}

}  // namespace

int physical_cores() {
#if defined(__linux__)
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    // Hardware threads of one core share its vector units, so one thread per (package, core) is enough.
    std::set<std::pair<int, int>> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &allowed)) continue;
      const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
      int package = 0, core = cpu;
      std::ifstream(folder + "physical_package_id") >> package;
      std::ifstream(folder + "core_id") >> core;
      cores.emplace(package, core);
    }
    if (!cores.empty()) return static_cast<int>(cores.size());
  }
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int thread_count() { return pool().size(); }
void set_thread_count(int count) { pool().resize(std::max(1, count)); }
void run_tasks(int64_t tasks, TaskFn* fn, void* context) { pool().run(tasks, fn, context); }

}  // namespace atom
