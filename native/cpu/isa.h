// The instruction sets a kernel is compiled for, and which of them this machine can run.
// Each set is a namespace: every operator's source is compiled once per set with ATOM_ISA naming it, so that no
// weak symbol of one set can be merged with another's by the linker.
#pragma once

#include <string_view>

namespace atom {

// Ordered from the plainest to the best; `best_isa` takes the last one this machine supports.
//   portable    no vector instruction beyond the compiler's baseline
//   avx2        AVX2, FMA, F16C
//   avxvnni     avx2 and AVX-VNNI (256-bit integer dot products)
//   avx512vnni  AVX-512 F/BW/DQ/VL and VNNI
//   avx512      avx512vnni and BF16 dot products, VBMI
//   amx         avx512 and AMX: tiles of int8 and bf16
//   neon        AArch64 with dot products
#define ATOM_X86_ISAS(X) X(portable) X(avx2) X(avxvnni) X(avx512vnni) X(avx512) X(amx)
#define ATOM_ARM_ISAS(X) X(portable) X(neon)

#if defined(__x86_64__)
#define ATOM_ISAS(X) ATOM_X86_ISAS(X)
#elif defined(__aarch64__)
#define ATOM_ISAS(X) ATOM_ARM_ISAS(X)
#else
#define ATOM_ISAS(X) X(portable)
#endif

/// Whether this machine and its operating system can run the set called `name`; false for an unknown name.
bool isa_supported(std::string_view name);

}  // namespace atom
