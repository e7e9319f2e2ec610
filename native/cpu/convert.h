// Conversions between the floating-point types of checkpoints, element by element.
#pragma once

#include <cstdint>

namespace atom {

//   from (count), any alignment  ->  to (count)
//   kind 0 bf16 to f32, 1 f16 to f32, 2 f32 to bf16, 3 f16 to bf16
//   cost: 4 to 6 bytes per element
using ConvertFn = void(const void* from, void* to, int64_t count, int32_t kind);

}  // namespace atom
