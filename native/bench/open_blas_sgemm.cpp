// Times OpenBLAS's SGEMM on one matrix, for `bench kernels`: the f32 library that others would reach for.
// The library is loaded by name when the program runs, so that nothing but a compiler is needed to build it.
//
//   open_blas_sgemm <library> <threads> <repeats> <in> <out> <rows>...
//   out (rows, out) = x (rows, in) * weight (out, in)^T; weights in turn, so that each has left the caches
//   prints the seconds of every repeat, one line per number of rows; exits with 3 when there is no library
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
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

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
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
  if (count < 7) return 2;
  void* library = dlopen(arguments[1], RTLD_NOW);
  if (!library) return 3;
  const auto sgemm = reinterpret_cast<Sgemm*>(dlsym(library, "cblas_sgemm"));
  const auto set_threads = reinterpret_cast<SetThreads*>(dlsym(library, "openblas_set_num_threads"));
  if (!sgemm || !set_threads) return 3;
  set_threads(std::atoi(arguments[2]));
  const int repeats = std::atoi(arguments[3]), in = std::atoi(arguments[4]), out = std::atoi(arguments[5]);

  const size_t size = static_cast<size_t>(in) * static_cast<size_t>(out);
  const size_t matrices = std::clamp<size_t>(kBeyondCaches / (size * sizeof(float)), 1, 256);
  const std::vector<float> weights = noise(size * matrices);
  size_t turn = 0;
  for (int argument = 6; argument < count; ++argument) {
    const int rows = std::atoi(arguments[argument]);
    const std::vector<float> x = noise(static_cast<size_t>(rows) * static_cast<size_t>(in));
    std::vector<float> y(static_cast<size_t>(rows) * static_cast<size_t>(out));
    const auto run = [&] {
      turn = (turn + 1) % matrices;
      sgemm(kRowMajor, kPlain, kTransposed, rows, out, in, 1.0f, x.data(), in, weights.data() + turn * size, in, 0.0f,
            y.data(), out);
    };
    run();
    const double first = now();
    run();
    const int calls = static_cast<int>(std::clamp(kSampleSeconds / (now() - first), 1.0, 1e4));
    for (int repeat = 0; repeat < repeats; ++repeat) {
      const double start = now();
      for (int call = 0; call < calls; ++call) run();
      std::printf("%.9g ", (now() - start) / calls);
    }
    std::printf("\n");
  }
}
