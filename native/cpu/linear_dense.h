// out = x W^T for f32 and bf16 weights, straight from the checkpoint's rows.
#pragma once

#include <cstdint>

namespace atom {

//   x (tokens, in)  f32 or bf16, rows x_pitch elements apart
//   weight (n, in)  the same type, rows weight_pitch apart, any alignment: it may lie in a mapped file
//   bias (n) f32 or null
//   out (tokens, stride) f32: columns [column, column + n) are written, or added to
//
// A register tile of kTileRows x kTileColumns dot products runs along `in`; every product sums in the same lanes and the
// same order whatever tile it falls in, so a row gives the same bits alone or among a thousand others. With AMX bf16 is
// multiplied by linear_dense_tiles.h, which has an order of its own, the same for any number of rows.
//
//   x  [rows of a panel]  ->  second-level cache       cost: 2 tokens n in operations,
//   W  [kTileColumns]     ->  first-level cache              n in elements read once per panel of rows
using LinearDenseFn = void(const void* x, int64_t x_pitch, const void* weight, int64_t weight_pitch, const float* bias,
                           float* out, int64_t tokens, int64_t in, int64_t n, int64_t stride, int64_t column,
                           int32_t bf16, int32_t accumulate);

}  // namespace atom
