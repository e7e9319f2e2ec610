// Everything that `bench kernels` can time, by the names it is asked for.
import type { Backend } from '../../backend/backend.ts';
import { attentionCases, attentionStoreCases, ropeAppendKvCases } from './cache-operators.ts';
import { headSchemes, linearCases, linearSchemes } from './linears.ts';
import type { CaseGroup } from './measure.ts';
import { rmsNormCases, sampleCases, samplings, siluMulCases } from './row-operators.ts';
import type { DecoderShape, LinearShape } from './shapes.ts';

/** Kinds of linear, all timed on the same matrices in turn. */
export const linearNames = Object.keys(linearSchemes);

export function linearGroup(
  backend: Backend,
  { name, shape, rows }: { name: string; shape: LinearShape; rows: readonly number[] },
): CaseGroup {
  return linearCases(backend, { operator: `linear ${name}`, scheme: linearSchemes[name]!, shape, rows });
}

interface OperatorOptions {
  readonly shape: DecoderShape;
  readonly rows: readonly number[];
}

type Operator = (backend: Backend, options: OperatorOptions) => CaseGroup[];

/** Logits are computed for sampled rows alone: more rows than sequences never occur. */
const mostSampled = 64;

/** A cache of long contexts in 16 bits fills memory quickly. */
const mostLong = 16;

/** The rows within a limit, or nothing at all where there are none. */
function upTo(limit: number, rows: readonly number[]): (readonly number[])[] {
  const few = rows.filter((count) => count <= limit);
  return few.length > 0 ? [few] : [];
}

/** Operators of a decoder's shape, its variants timed in turn. */
export const decoderOperators: Readonly<Record<string, Operator>> = {
  rmsNorm: (backend, options) =>
    (['f32', 'A4', 'A8'] as const).map((stored) => rmsNormCases(backend, { ...options, stored })),
  siluMul: (backend, options) =>
    (['f32', 'A4', 'A8'] as const).map((stored) => siluMulCases(backend, { ...options, stored })),
  attentionRow: (backend, options) =>
    (['f32', 'A4', 'A8'] as const).map((stored) => attentionStoreCases(backend, { ...options, stored })),
  ropeAppendKv: (backend, options) =>
    ([4, 8, 16] as const).map((bits) => ropeAppendKvCases(backend, { ...options, bits })),
  attention: (backend, { shape, rows }) =>
    upTo(mostLong, rows).flatMap((few) =>
      ([4, 8, 16] as const).map((bits) => attentionCases(backend, { bits, shape, rows: few })),
    ),
  logits: (backend, { shape, rows }) =>
    upTo(mostSampled, rows).flatMap((few) =>
      Object.entries(headSchemes).map(([name, scheme]) =>
        linearCases(backend, {
          operator: `logits ${name}`,
          scheme,
          shape: { inFeatures: shape.hiddenSize, outFeatures: shape.vocabSize },
          rows: few,
        }),
      ),
    ),
  sample: (backend, { shape, rows }) =>
    upTo(mostSampled, rows).flatMap((few) =>
      (Object.keys(samplings) as (keyof typeof samplings)[]).map((name) =>
        sampleCases(backend, { name, shape, rows: few }),
      ),
    ),
};

/** `sgemm` is OpenBLAS, `fused` the share of a layer that reordering and quantizing take: measured in ways of their own. */
export const operatorNames: readonly string[] = [
  ...linearNames,
  'sgemm',
  ...Object.keys(decoderOperators),
  'fused',
];
