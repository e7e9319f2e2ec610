// `bench kernels`: operators, shapes and rows gone through one after the other; figures handed on as they come.
import type { CpuBackend } from '../../backend/cpu/cpu-backend.ts';
import { type Ceiling, vectorSet } from '../peaks.ts';
import type { ClockName } from '../timing.ts';
import { type FusedQuantization, fusedQuantization } from './fused-quantization.ts';
import { type CaseGroup, type KernelFigure, Meter, type Rate } from './measure.ts';
import { OpenBlas } from './open-blas.ts';
import { decoderOperators, linearGroup, linearNames } from './operators.ts';
import { type DecoderShape, type LinearShape, linearShapes, shapeName } from './shapes.ts';
import { wholeModelCases } from './whole-model.ts';

export interface KernelsOptions {
  /** Of operators.ts. */
  readonly operators: readonly string[];
  readonly shapes: readonly DecoderShape[];
  /** Matrices beside those of the shapes. */
  readonly matrices: readonly LinearShape[];
  readonly rows: readonly number[];
  readonly threads: number;
  readonly repeats: number;
  readonly clock: ClockName;
  readonly onFigure?: (figure: KernelFigure) => void;
  readonly onFused?: (fused: FusedQuantization) => void;
  /** A sentence about something that was left out. */
  readonly onSkip?: (reason: string) => void;
}

export interface KernelsReport {
  readonly kernels: readonly KernelFigure[];
  readonly fusedQuantization: readonly FusedQuantization[];
  readonly ceilings: ReadonlyMap<Ceiling, Rate>;
  /** The set that the ceiling `int8Vector` is of, where there is one. */
  readonly vectorSet?: string;
}

/** Decodes of a busy server: the step on which reordering and quantization must not weigh. */
const fusedRows = 64;

export function benchKernels(backend: CpuBackend, options: KernelsOptions): KernelsReport {
  const { operators, shapes, matrices, rows, repeats, clock } = options;
  using meter = new Meter(backend, { repeats, clock });
  const kernels: KernelFigure[] = [];
  const fused: FusedQuantization[] = [];
  const note = (figures: readonly KernelFigure[]) => {
    for (const figure of figures) options.onFigure?.(figure);
    kernels.push(...figures);
  };

  const blas = operators.includes('sgemm') ? OpenBlas.build(options.onSkip ?? (() => {})) : undefined;
  const schemes = linearNames.filter((name) => operators.includes(name));
  for (const shape of distinct([...matrices, ...shapes.flatMap(linearShapes)])) {
    if (schemes.length > 0) {
      note(
        measureTogether(
          meter,
          schemes.map((name) => linearGroup(backend, { name, shape, rows })),
        ),
      );
    }
    if (blas) note(blas.measure({ meter, shape, rows, repeats, threads: options.threads, clock }));
  }
  for (const shape of shapes) {
    for (const [name, make] of Object.entries(decoderOperators)) {
      if (operators.includes(name)) note(measureTogether(meter, make(backend, { shape, rows })));
    }
    if (operators.includes('fused')) {
      const share = fusedQuantization(backend, { shape, rows: fusedRows, meter });
      options.onFused?.(share);
      fused.push(share);
    }
  }
  return { kernels, fusedQuantization: fused, ...ceilingsOf(meter, backend) };
}

export interface WholeModelRun {
  readonly shapes: readonly DecoderShape[];
  readonly repeats: number;
  readonly clock: ClockName;
  readonly prefill: number;
  readonly context: number;
  readonly batches: readonly number[];
  readonly onFigure?: (figure: KernelFigure) => void;
}

/** Whole decoders in W4A4KV4 and W4A8KV4. */
export function benchWholeModels(backend: CpuBackend, options: WholeModelRun): KernelsReport {
  const { shapes, repeats, clock, prefill, context, batches } = options;
  using meter = new Meter(backend, { repeats, clock });
  const kernels: KernelFigure[] = [];
  for (const shape of shapes) {
    for (const activationBits of [4, 8] as const) {
      const group = wholeModelCases(backend, { shape, activationBits, prefill, context, batches });
      for (const figure of measureTogether(meter, [group])) {
        options.onFigure?.(figure);
        kernels.push(figure);
      }
    }
  }
  return { kernels, fusedQuantization: [], ...ceilingsOf(meter, backend) };
}

function ceilingsOf({ ceilings }: Meter, { isa }: CpuBackend): Pick<KernelsReport, 'ceilings' | 'vectorSet'> {
  const set = vectorSet(isa);
  return { ceilings, ...(set !== undefined && { vectorSet: set }) };
}

/** Times the cases of all groups in turn, then frees them. */
function measureTogether(meter: Meter, groups: readonly CaseGroup[]): KernelFigure[] {
  try {
    return meter.measure(groups.flatMap(({ cases }) => cases));
  } finally {
    for (const group of groups) group[Symbol.dispose]();
  }
}

function distinct(shapes: readonly LinearShape[]): LinearShape[] {
  return [...new Map(shapes.map((shape) => [shapeName(shape), shape])).values()];
}
