// The table of CPU operators: one line per operator, one table per instruction set.
// To add one: <op>.h declares its function type, <op>.cpp defines it inside `namespace atom::ATOM_ISA`, and a line
// is added below. The Node binding, the per-set tables and the list that tests compare with the contract follow.
#pragma once

#include "isa.h"
#include "attention.h"
#include "column_statistics.h"
#include "convert.h"
#include "embed.h"
#include "fake_quant.h"
#include "gptq_block.h"
#include "linear_dense.h"
#include "linear_int.h"
#include "linear_weight_only.h"
#include "log_prob.h"
#include "peaks.h"
#include "quantize_rows.h"
#include "rms_norm.h"
#include "rope_append_kv.h"
#include "sample.h"
#include "silu_mul.h"
#include "transpose.h"

namespace atom {

#define ATOM_OPERATORS(X) \
  X(attention, AttentionFn) \
  X(column_statistics, ColumnStatisticsFn) \
  X(convert, ConvertFn) \
  X(embed, EmbedFn) \
  X(fake_quant, FakeQuantFn) \
  X(gptq_block, GptqBlockFn) \
  X(integer_code_bytes, IntegerCodeBytesFn) \
  X(integer_factor_bytes, IntegerFactorBytesFn) \
  X(linear_dense, LinearDenseFn) \
  X(linear_int, LinearIntFn) \
  X(linear_int_silu_mul, LinearIntSiluMulFn) \
  X(linear_weight_only, LinearWeightOnlyFn) \
  X(log_prob, LogProbFn) \
  X(log_total, LogTotalFn) \
  X(pack_integers, PackIntegersFn) \
  X(pack_weight_only, PackWeightOnlyFn) \
  X(peak_bf16, PeakFn) \
  X(peak_bf16_vector, PeakFn) \
  X(peak_f32, PeakFn) \
  X(peak_int8, PeakFn) \
  X(peak_int8_vector, PeakFn) \
  X(peak_read, PeakReadFn) \
  X(prune_threshold, PruneThresholdFn) \
  X(quantize_rows, QuantizeRowsFn) \
  X(rms_norm, RmsNormFn) \
  X(rope_append_kv, RopeAppendKvFn) \
  X(sample, SampleFn) \
  X(silu_mul, SiluMulFn) \
  X(transpose, TransposeFn)

struct Operators {
#define ATOM_MEMBER(name, Fn) Fn* name;
  ATOM_OPERATORS(ATOM_MEMBER)
#undef ATOM_MEMBER
};

// One table per compiled set: atom::avx512::operators() and so on.
#define ATOM_DECLARE(isa)        \
  namespace isa {                \
  const Operators& operators();  \
  }
ATOM_ISAS(ATOM_DECLARE)
#undef ATOM_DECLARE

}  // namespace atom
