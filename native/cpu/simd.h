// The vector vocabulary of the kernels: one set of names, a meaning per instruction set.
// Operators are written once with these; plain arithmetic on VecF and VecI uses the compiler's vector extensions.
//   VecF  kLanes f32      VecI  kLanes i32      VecB  4 * kLanes bytes
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace atom::ATOM_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float VecF __attribute__((vector_size(kLanes * 4)));
typedef int32_t VecI __attribute__((vector_size(kLanes * 4)));
typedef uint8_t VecB __attribute__((vector_size(kLanes * 4)));

}  // namespace atom::ATOM_ISA
