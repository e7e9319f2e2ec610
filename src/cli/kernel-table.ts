// The table of `atom bench kernels`, and the ratios and ceilings below it, as lines of text.
import type { FusedQuantization } from '../bench/kernels/fused-quantization.ts';
import type { KernelsReport } from '../bench/kernels/kernels.ts';
import type { KernelFigure } from '../bench/kernels/measure.ts';

const columns = ['ms', 'least', 'GOPS', 'GB/s', 'of peak', 'of read', 'best'];
const title = `${'operator'.padEnd(22)} ${'shape'.padEnd(34)} ${'rows'.padStart(4)}`;
const header = [title, ...columns.map((name) => name.padStart(9))].join(' ');

/** Whole decoders have a column more. */
export function kernelHeader(model: boolean): string {
  return model ? `${header} ${'tokens/s'.padStart(9)}` : header;
}

const percent = (share: number) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

export function figureLine(figure: KernelFigure, model: boolean): string {
  const { operator, shape, rows, seconds, leastSeconds, shareOfPeak, shareOfRead } = figure;
  const digits = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(0));
  const cells = [
    (seconds * 1e3).toFixed(3),
    (leastSeconds * 1e3).toFixed(3),
    digits(figure.gops),
    digits(figure.gigabytesPerSecond),
    shareOfPeak === undefined ? '-' : percent(shareOfPeak),
    percent(shareOfRead),
    percent(figure.bestShare),
    ...(model ? [digits(rows / seconds)] : []),
  ];
  const start = `${operator.padEnd(22)} ${shape.padEnd(34)} ${String(rows).padStart(4)}`;
  return [start, ...cells.map((cell) => cell.padStart(9))].join(' ');
}

export function fusedLine({ shape, rows, share, bestShare, layerSeconds }: FusedQuantization): string {
  return `fused reorder and quantization of a layer, ${shape}, ${rows} rows: ${percent(share)} of ${(layerSeconds * 1e3).toFixed(2)} ms (best times: ${percent(bestShare)})`;
}

/** What the step of a whole decoder spends on each operator. */
export function operatorTimesLine({ operatorTimes = [] }: KernelFigure): string[] {
  const all = operatorTimes.reduce((sum, { seconds }) => sum + seconds, 0);
  const parts = operatorTimes.map(
    ({ operator, seconds }) => `${operator} ${(seconds * 1e3).toFixed(2)} ms (${percent(seconds / all)})`,
  );
  return parts.length > 0 ? [`  of it: ${parts.join(', ')}`] : [];
}

/** What is compared with what, on the same shape and rows. */
const rivals: Readonly<Record<string, readonly string[]>> = {
  'linear W4A4': ['linear W8A8', 'linear W16A16', 'linear F32', 'OpenBLAS SGEMM'],
  'attention KV4': ['attention KV8', 'attention KV16'],
  'logits INT8': ['logits BF16'],
};

/** How many times as fast as its rivals an operator is, wherever both were timed: medians, and best times in brackets. */
export function ratioLines(figures: readonly KernelFigure[]): string[] {
  const lines = figures.flatMap((figure) => {
    const { operator, shape, rows } = figure;
    const others = (rivals[operator] ?? []).flatMap((name) => {
      const other = figures.find((one) => one.operator === name && one.shape === shape && one.rows === rows);
      if (!other) return [];
      const typical = other.seconds / figure.seconds;
      const best = other.leastSeconds / figure.leastSeconds;
      return `${typical.toFixed(2)}x (${best.toFixed(2)}x) ${name}`;
    });
    return others.length > 0 ? `${operator}, ${shape}, rows ${rows}: ${others.join(', ')}` : [];
  });
  return lines.length > 0 ? ['\nas fast as, medians (best times):', ...lines] : [];
}

/** How the integer products stand to the peak of vectors, where tiles set the ceiling. */
export function vectorLines({ kernels, vectorSet }: KernelsReport): string[] {
  if (vectorSet === undefined) return [];
  const lines = kernels.flatMap(({ operator, shape, rows, bound, shareOfVectorPeak }) =>
    bound === 'compute' && shareOfVectorPeak !== undefined
      ? [`${operator}, ${shape}, rows ${rows}: ${percent(shareOfVectorPeak)}`]
      : [],
  );
  return lines.length > 0 ? [`\nof the int8 peak of ${vectorSet}, which has no tiles:`, ...lines] : [];
}

const units = { int8: 'TOPS', int8Vector: 'TOPS', bf16: 'TFLOPS', f32: 'TFLOPS', read: 'GB/s' } as const;

/** Each ceiling with the instruction set whose peak it is. */
export function ceilingText({ ceilings, vectorSet }: KernelsReport, isa: string): string {
  return [...ceilings]
    .map(([ceiling, { median, best }]) => {
      const scale = ceiling === 'read' ? 1e9 : 1e12;
      const name = { int8: `int8 of ${isa}`, int8Vector: `int8 of ${vectorSet}`, bf16: `bf16 of ${isa}` };
      const shown = ceiling in name ? name[ceiling as keyof typeof name] : ceiling;
      return `${shown} ${(median / scale).toFixed(2)} (${(best / scale).toFixed(2)}) ${units[ceiling]}`;
    })
    .join(', ');
}
