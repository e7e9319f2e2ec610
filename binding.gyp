{
  # One static library per instruction set from the same sources, and one add-on that links them all, or those of
  # `atom_isas` (scripts/instruction-sets.js has their flags). Objects of one choice serve the next: nothing but the
  # add-on's own sources knows what it links.
  # Node's own optimisation flags are removed from kernels: their speed must not depend on which Node built them. Nor on
  # where a loop happens to lie: that was worth a tenth of seven rows' time (Zen 5), so loops begin with a cache line.
  "variables": {
    "atom_isas%": "all",
    "isas": ["<!@(node scripts/instruction-sets.js names <(target_arch) <(atom_isas))"],
    "kernel_sources": ["<!@(node scripts/native-sources.js isa)"],
    # GCC 12's own AVX-512 header trips the two warnings about uninitialized values (GCC bug 105593).
    "warnings": ["-Wall", "-Wextra", "-Werror", "-Wno-uninitialized", "-Wno-maybe-uninitialized"],
    "kernel_flags": ["-std=c++20", "-O3", "-falign-loops=64", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=on"],
  },
  "target_defaults": {
    "cflags!": ["-fno-omit-frame-pointer"],
    "cflags_cc!": ["-fno-rtti", "-std=gnu++17", "-fno-omit-frame-pointer"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "12.0",
    },
  },
  "targets": [
    {
      "target_name": "atom",
      # Kernels throw nothing and keep Node's flag: what unwinds through them would share symbols among the sets.
      "cflags_cc!": ["-fno-exceptions"],
      "sources": ["<!@(node scripts/native-sources.js common)"],
      "defines": ["NAPI_VERSION=9", "ATOM_LINKED_ISAS(X)=<!(node scripts/instruction-sets.js macro <(target_arch) <(atom_isas))"],
      "cflags_cc": ["-std=c++20", "-O2", "-fvisibility=hidden", "<@(warnings)"],
      "dependencies": ["<!@(node scripts/instruction-sets.js targets <(target_arch) <(atom_isas))"],
      "ldflags": ["-Wl,--exclude-libs,ALL"],
    },
  ],
  "conditions": [
    ["'portable' in isas", { "targets": [{
      "target_name": "isa_portable",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"],
      "defines": ["ATOM_ISA=portable"],
      "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "<!@(node scripts/instruction-sets.js flags portable)"],
    }] }],
    ["'avx2' in isas", { "targets": [{
      "target_name": "isa_avx2",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"],
      "defines": ["ATOM_ISA=avx2"],
      "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "<!@(node scripts/instruction-sets.js flags avx2)"],
    }] }],
    ["'avxvnni' in isas", { "targets": [{
      "target_name": "isa_avxvnni",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"],
      "defines": ["ATOM_ISA=avxvnni"],
      "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "<!@(node scripts/instruction-sets.js flags avxvnni)"],
    }] }],
    ["'avx512vnni' in isas", { "targets": [{
      "target_name": "isa_avx512vnni",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"],
      "defines": ["ATOM_ISA=avx512vnni"],
      "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "<!@(node scripts/instruction-sets.js flags avx512vnni)"],
    }] }],
    ["'avx512' in isas", { "targets": [{
      "target_name": "isa_avx512",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"],
      "defines": ["ATOM_ISA=avx512"],
      "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "<!@(node scripts/instruction-sets.js flags avx512)"],
    }] }],
    ["'amx' in isas", { "targets": [{
      "target_name": "isa_amx",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"],
      "defines": ["ATOM_ISA=amx"],
      "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "<!@(node scripts/instruction-sets.js flags amx)"],
    }] }],
    ["'neon' in isas", { "targets": [{
      "target_name": "isa_neon",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"],
      "defines": ["ATOM_ISA=neon"],
      "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "<!@(node scripts/instruction-sets.js flags neon)"],
    }] }],
  ],
}
