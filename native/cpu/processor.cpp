#include "processor.h"

#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace atom {

namespace {

/// Zen 5 and what comes after it, until somebody measures that: AMD's family 26.
bool is_zen5() {
#if defined(__x86_64__)
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx) || ebx != signature_AMD_ebx) return false;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return false;
  return (eax >> 8 & 15) + (eax >> 20 & 255) >= 26;
#else
  return false;
#endif
}

std::atomic<bool>& side_by_side() {
  static std::atomic<bool> yes{!is_zen5()};
  return yes;
}

}  // namespace

bool reads_side_by_side() { return side_by_side().load(std::memory_order_relaxed); }
void set_reads_side_by_side(bool yes) { side_by_side().store(yes, std::memory_order_relaxed); }

}  // namespace atom
