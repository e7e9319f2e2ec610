// A block of GPTQ's columns on the CPU: quantized column by column, then spread over the columns after it.
import type { Backend } from '../backend.ts';
import { expectShape, expectTensor } from '../check.ts';
import { elementFormats, type GroupScaleRule, type PruneRule } from '../formats.ts';
import { addProduct } from './dense-product.ts';
import { allocateTensor } from './memory.ts';
import type { NativeOperators } from './native.ts';

export function gptqColumns(operators: NativeOperators, args: Parameters<Backend['gptqColumns']>[0]): void {
  const { weight, quantized, spread, importance, scales, start, end, groupSize, channelGroup, rule, prune } =
    args;
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
  if (spread) expectTensor('gptqColumns', 'spread', spread, { dtypes: ['f32'], atLeast: cols * cols });
  const groups = scales.shape.at(-1)!;
  expectTensor('gptqColumns', 'scales', scales, { dtypes: ['f32'], atLeast: (rows / channelGroup) * groups });
  expectShape(
    'gptqColumns',
    Math.ceil(end / groupSize) <= groups,
    () => `column ${end - 1} is beyond ${groups} groups of ${groupSize}`,
  );
  if (importance) expectTensor('gptqColumns', 'importance', importance, { dtypes: ['f32'], atLeast: cols });
  expectShape('gptqColumns', !prune || spread !== undefined, () => 'pruning needs a spread');
  if (prune?.kind === 'pattern') {
    const { of } = prune;
    expectShape(
      'gptqColumns',
      (end - start) % of === 0,
      () => `${end - start} columns do not divide into patterns of ${of}`,
    );
  }
  using errors = allocateTensor('f32', [rows, end - start]);
  const pruneBelow =
    prune?.kind === 'share'
      ? operators.prune_threshold!(
          weight.address,
          spread!.address,
          errors.address,
          rows,
          cols,
          start,
          end,
          prune.share,
        )
      : 0;
  using native = describe(rule, prune, pruneBelow);
  operators.gptq_block!(
    weight.address,
    quantized.address,
    errors.address,
    spread?.address ?? 0,
    scales.address,
    native.address,
    importance?.address ?? 0,
    rows,
    cols,
    start,
    end,
    groupSize,
    groups,
    channelGroup,
  );
  if (!spread || end === cols) return;
  // weight[:, end:] -= errors spread[start:end, end:]
  using turned = allocateTensor('f32', [cols - end, end - start]);
  const width = end - start;
  operators.transpose!(
    spread.address + 4 * (start * cols + end),
    cols,
    turned.address,
    width,
    width,
    cols - end,
  );
  addProduct(operators, {
    left: { address: errors.address, pitch: width, rows },
    right: { address: turned.address, pitch: width, rows: cols - end },
    length: width,
    out: { address: weight.address, pitch: cols, column: end },
  });
}

/** The GroupScaleRule of native/cpu/gptq_block.h: eight i32, then four f32. */
function describe(
  { format, publishedRange, stale, roundToFp16, clip, tensorScale = 1 }: GroupScaleRule,
  prune: PruneRule | undefined,
  pruneBelow: number,
) {
  const search = typeof clip === 'number' ? { steps: 0, low: 1, eitherSign: false } : clip;
  const pattern = prune?.kind === 'pattern' ? prune : { zeros: 0, of: 0 };
  const memory = allocateTensor('i32', [12]);
  memory
    .i32()
    .set([
      elementFormats.indexOf(format),
      Number(publishedRange),
      Number(stale),
      Number(roundToFp16),
      search.steps,
      Number(search.eitherSign ?? false),
      pattern.of,
      pattern.zeros,
    ]);
  memory
    .view([4], { dtype: 'f32', byteOffset: 32 })
    .f32()
    .set([typeof clip === 'number' ? clip : 1, search.low, tensorScale, pruneBelow]);
  return memory;
}
