{
  # One static library per instruction set from the same sources, and one add-on that links them all.
  # Node's own optimisation flags are removed from kernels: their speed must not depend on which Node built them.
  "variables": {
    # GCC 12's own AVX-512 header trips the two warnings about uninitialized values (GCC bug 105593).
    "warnings": ["-Wall", "-Wextra", "-Werror", "-Wno-uninitialized", "-Wno-maybe-uninitialized"],
    "kernel_flags": ["-std=c++20", "-O3", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=on"],
  },
  "target_defaults": {
    "cflags!": ["-fno-omit-frame-pointer"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-fno-omit-frame-pointer"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "12.0",
    },
  },
  "targets": [
    {
      "target_name": "isa_portable",
      "type": "static_library",
      "sources": ["<!@(node scripts/native-sources.js isa)"],
      "defines": ["ATOM_ISA=portable"],
      "cflags!": ["-fno-omit-frame-pointer"],
      "cflags_cc": ["<@(kernel_flags)", "<@(warnings)"],
    },
    {
      "target_name": "atom",
      "sources": ["<!@(node scripts/native-sources.js common)"],
      "defines": ["NAPI_VERSION=9"],
      "cflags_cc": ["-std=c++20", "-O2", "-fvisibility=hidden", "<@(warnings)"],
      "dependencies": ["isa_portable"],
      "ldflags": ["-Wl,--exclude-libs,ALL"],
      "conditions": [
        ["target_arch=='x64'", { "dependencies": ["isa_avx2", "isa_avxvnni", "isa_avx512vnni", "isa_avx512", "isa_amx"] }],
        ["target_arch=='arm64'", { "dependencies": ["isa_neon"] }],
      ],
    },
  ],
  "conditions": [
    ["target_arch=='x64'", {
      "targets": [
        {
          "target_name": "isa_avx2",
          "type": "static_library",
          "sources": ["<!@(node scripts/native-sources.js isa)"],
          "defines": ["ATOM_ISA=avx2"],
          "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "-mavx2", "-mfma", "-mf16c", "-mbmi2"],
        },
        {
          "target_name": "isa_avxvnni",
          "type": "static_library",
          "sources": ["<!@(node scripts/native-sources.js isa)"],
          "defines": ["ATOM_ISA=avxvnni"],
          "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "-mavx2", "-mfma", "-mf16c", "-mbmi2", "-mavxvnni"],
        },
        {
          "target_name": "isa_avx512vnni",
          "type": "static_library",
          "sources": ["<!@(node scripts/native-sources.js isa)"],
          "defines": ["ATOM_ISA=avx512vnni"],
          "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "-mavx2", "-mfma", "-mf16c", "-mbmi2",
            "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mprefer-vector-width=512"],
        },
        {
          "target_name": "isa_avx512",
          "type": "static_library",
          "sources": ["<!@(node scripts/native-sources.js isa)"],
          "defines": ["ATOM_ISA=avx512"],
          "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "-mavx2", "-mfma", "-mf16c", "-mbmi2",
            "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mavx512bf16", "-mavx512vbmi",
            "-mprefer-vector-width=512"],
        },
        {
          "target_name": "isa_amx",
          "type": "static_library",
          "sources": ["<!@(node scripts/native-sources.js isa)"],
          "defines": ["ATOM_ISA=amx"],
          "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "-mavx2", "-mfma", "-mf16c", "-mbmi2",
            "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mavx512bf16", "-mavx512vbmi",
            "-mamx-tile", "-mamx-int8", "-mamx-bf16", "-mprefer-vector-width=512"],
        },
      ],
    }],
    ["target_arch=='arm64'", {
      "targets": [
        {
          "target_name": "isa_neon",
          "type": "static_library",
          "sources": ["<!@(node scripts/native-sources.js isa)"],
          "defines": ["ATOM_ISA=neon"],
          "cflags_cc": ["<@(kernel_flags)", "<@(warnings)", "-march=armv8.2-a+dotprod+fp16"],
        },
      ],
    }],
  ],
}
