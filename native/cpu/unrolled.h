// What keeps tiles in registers: loops whose indices are constants.
#pragma once

#include <utility>

namespace atom::ATOM_ISA {

namespace {

/// f(0), f(1), ..., f(Count - 1) with constants: the compiler keeps an array in registers only where every index is one.
template <int Count, class F>
[[gnu::always_inline]] inline void unroll(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>()), ...);
  }(std::make_integer_sequence<int, Count>());
}

/// Keeps a loaded vector in a register. Left alone the compiler folds the load into every operation that uses it.
template <class Vector>
inline Vector held(Vector v) {
#if defined(__x86_64__)
  __asm__("" : "+v"(v));
#elif defined(__aarch64__)
  __asm__("" : "+w"(v));
#endif
  return v;
}

}  // namespace

}  // namespace atom::ATOM_ISA
