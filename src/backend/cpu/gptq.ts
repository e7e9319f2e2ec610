// A block of GPTQ's columns on the CPU: quantized column by column, then spread over the columns after it.
import type { Backend } from '../backend.ts';
import { expectShape, expectTensor } from '../check.ts';
import { elementFormats, type GroupScaleRule } from '../formats.ts';
import { allocateTensor } from './memory.ts';
import type { NativeOperators } from './native.ts';

export function gptqColumns(operators: NativeOperators, args: Parameters<Backend['gptqColumns']>[0]): void {
  const { weight, quantized, spread, scales, start, end, groupSize, channelGroup, rule } = args;
  const [rows, cols] = weight.shape as [number, number];
  expectShape(
    'gptqColumns',
    rows % channelGroup === 0,
    () => `${rows} rows do not divide into groups of ${channelGroup}`,
  );
  expectShape(
    'gptqColumns',
    0 <= start && start < end && end <= cols,
    () => `[${start}, ${end}) is not among ${cols} columns`,
  );
  expectTensor('gptqColumns', 'quantized', quantized, { dtypes: ['f32'], atLeast: rows * cols });
  expectTensor('gptqColumns', 'spread', spread, { dtypes: ['f32'], atLeast: cols * cols });
  const groups = scales.shape.at(-1)!;
  expectTensor('gptqColumns', 'scales', scales, { dtypes: ['f32'], atLeast: (rows / channelGroup) * groups });
  expectShape(
    'gptqColumns',
    Math.ceil(end / groupSize) <= groups,
    () => `column ${end - 1} is beyond ${groups} groups of ${groupSize}`,
  );
  using native = describe(rule);
  using errors = allocateTensor('f32', [rows, end - start]);
  operators.gptq_block!(
    weight.address,
    quantized.address,
    errors.address,
    spread.address,
    scales.address,
    native.address,
    0,
    rows,
    cols,
    start,
    end,
    groupSize,
    groups,
    channelGroup,
  );
  operators.gptq_spread!(weight.address, errors.address, spread.address, rows, cols, start, end);
}

/** The GroupScaleRule of native/cpu/gptq_block.h: five i32, then three f32. */
function describe({ format, publishedRange, stale, roundToFp16, clip }: GroupScaleRule) {
  const search = typeof clip === 'number' ? { steps: 0, low: 1 } : clip;
  const memory = allocateTensor('i32', [8]);
  memory
    .i32()
    .set([
      elementFormats.indexOf(format),
      Number(publishedRange),
      Number(stale),
      Number(roundToFp16),
      search.steps,
    ]);
  memory
    .view([3], { dtype: 'f32', byteOffset: 20 })
    .f32()
    .set([typeof clip === 'number' ? clip : 1, search.low, 1]);
  return memory;
}
