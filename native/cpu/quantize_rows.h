// Rows of a plain matrix to 8-bit integers, rounded to nearest, for weights that are quantized while they are loaded.
//
//   x (rows, cols) f32, f16 or bf16  ->  codes (rows, cols) i8, scales (rows, cols / group) f16
//   cost: two passes over a group of floats; reads x once
#pragma once

#include <cstdint>

namespace atom {

enum class PlainType : int32_t { f32, f16, bf16 };

using QuantizeRowsFn = void(const void* x, int32_t type, int8_t* codes, uint16_t* scales, int64_t rows, int64_t cols,
                            int64_t group);

}  // namespace atom
