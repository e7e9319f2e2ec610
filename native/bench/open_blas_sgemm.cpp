// Times OpenBLAS's SGEMM on one matrix, for `bench kernels`: the f32 library that others would reach for.
// The library is loaded by name when the program runs, so that nothing but a compiler is needed to build it.
//
//   open_blas_sgemm <library> wall|processor <threads> <repeats> <in> <out> <rows>...
//   out (rows, out) = x (rows, in) * weight (out, in)^T; weights in turn, so that each has left the caches
//   prints the seconds of every repeat, one line per number of rows; exits with 3 when there is no library
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string_view>
#include <vector>

namespace {

// Of the C interface to BLAS (the BLAS Technical Forum's standard, annex B).
enum Order { kRowMajor = 101 };
enum Transpose { kPlain = 111, kTransposed = 112 };
using Sgemm = void(Order, Transpose, Transpose, int rows, int columns, int depth, float alpha, const float* a, int lda,
                   const float* b, int ldb, float beta, float* c, int ldc);
using SetThreads = void(int);

constexpr size_t kBeyondCaches = size_t{256} << 20;
constexpr double kSampleSeconds = 1e-3;

/// Seconds of the clock that src/bench/timing.ts was told to use.
double now(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::vector<float> noise(size_t count) {
  std::vector<float> values(count);
  unsigned state = 0x2545f491;
  for (float& value : values) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    value = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 8) return 2;
  void* library = dlopen(arguments[1], RTLD_NOW);
  if (!library) return 3;
  const auto sgemm = reinterpret_cast<Sgemm*>(dlsym(library, "cblas_sgemm"));
  const auto set_threads = reinterpret_cast<SetThreads*>(dlsym(library, "openblas_set_num_threads"));
  if (!sgemm || !set_threads) return 3;
  set_threads(std::atoi(arguments[3]));
  const clockid_t clock = arguments[2] == std::string_view("wall") ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
  const int repeats = std::atoi(arguments[4]), in = std::atoi(arguments[5]), out = std::atoi(arguments[6]);

  const size_t size = static_cast<size_t>(in) * static_cast<size_t>(out);
  const size_t matrices = std::clamp<size_t>(kBeyondCaches / (size * sizeof(float)), 1, 256);
  const std::vector<float> weights = noise(size * matrices);
  size_t turn = 0;
  for (int argument = 7; argument < count; ++argument) {
    const int rows = std::atoi(arguments[argument]);
    const std::vector<float> x = noise(static_cast<size_t>(rows) * static_cast<size_t>(in));
    std::vector<float> y(static_cast<size_t>(rows) * static_cast<size_t>(out));
    const auto run = [&] {
      turn = (turn + 1) % matrices;
      sgemm(kRowMajor, kPlain, kTransposed, rows, out, in, 1.0f, x.data(), in, weights.data() + turn * size, in, 0.0f,
            y.data(), out);
    };
    run();
    const double first = now(clock);
    run();
    const int calls = static_cast<int>(std::clamp(kSampleSeconds / (now(clock) - first), 1.0, 1e4));
    for (int repeat = 0; repeat < repeats; ++repeat) {
      const double start = now(clock);
      for (int call = 0; call < calls; ++call) run();
      std::printf("%.9g ", (now(clock) - start) / calls);
    }
    std::printf("\n");
  }
}
