// Sums of outer products of rows, the Hessian of a layer's squared error: h += x^T x.
#pragma once

#include <cstdint>

namespace atom {

//   x (rows, n) f32  ->  h (n, n) f32, both triangles
//   A task owns some rows of h and runs down all of x, so sums do not depend on the thread count.
//   cost: 2 rows n^2 operations
using SyrkFn = void(const float* x, int64_t rows, int64_t n, float* h);

}  // namespace atom
