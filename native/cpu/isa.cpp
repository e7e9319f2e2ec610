#include "isa.h"

#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace atom {

namespace {

#if defined(__x86_64__)

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

// CPUID leaf 7, of what GCC 12's __builtin_cpu_supports does not know.
struct Leaf7 {
  unsigned eax = 7, ebx = 0, ecx, edx = 0;
  explicit Leaf7(unsigned sub_leaf) : ecx(sub_leaf) {
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  }
};

bool has_avx_vnni() { return has_avx2() && (Leaf7(1).eax & (1u << 4)) != 0; }

bool has_avx512_vnni() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

bool has_avx512() {
  return has_avx512_vnni() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi");
}

// AMX-BF16, AMX-TILE and AMX-INT8. Linux keeps the tiles' 8 KiB from a process that has not asked for them.
bool has_amx() {
#if defined(__linux__)
  constexpr unsigned kAmx = (1u << 22) | (1u << 24) | (1u << 25);
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return has_avx512() && (Leaf7(0).edx & kAmx) == kAmx && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

#elif defined(__aarch64__)

bool has_neon_dot() {
#if defined(__linux__)
  constexpr unsigned long kHwcapAsimdDp = 1ul << 20;
  return (getauxval(AT_HWCAP) & kHwcapAsimdDp) != 0;
#else
  return true;  // every Apple CPU that runs this has it
#endif
}

#endif

}  // namespace

bool isa_supported(std::string_view name) {
  if (name == "portable") return true;
#if defined(__x86_64__)
  if (name == "avx2") return has_avx2();
  if (name == "avxvnni") return has_avx_vnni();
  if (name == "avx512vnni") return has_avx512_vnni();
  if (name == "avx512") return has_avx512();
  if (name == "amx") return has_amx();
#elif defined(__aarch64__)
  if (name == "neon") return has_neon_dot();
#endif
  return false;
}

}  // namespace atom
