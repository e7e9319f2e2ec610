// What reordering and quantizing cost of a layer: every operator that stores rows for a linear, timed as it is and timed
// storing plain f32, beside the layer's linears. Attention runs over one token, and the layer's time leaves it out, so that
// the share is the largest it can be.
import type { CpuBackend } from '../../backend/cpu/cpu-backend.ts';
import { attentionStoreCases } from './cache-operators.ts';
import { linearCases, linearSchemes } from './linears.ts';
import type { CaseGroup, Meter } from './measure.ts';
import { rmsNormCases, siluMulCases } from './row-operators.ts';
import { type DecoderShape, layerLinears } from './shapes.ts';

export interface FusedQuantization {
  readonly shape: string;
  readonly rows: number;
  /** Of the layer without attention itself: linears, two norms, activation, and what all of them store. */
  readonly layerSeconds: number;
  /** What storing integers in another order takes beyond storing f32. */
  readonly fusedSeconds: number;
  readonly share: number;
  /** The same from the best times. */
  readonly bestShare: number;
}

export function fusedQuantization(
  backend: CpuBackend,
  { shape, rows, meter }: { shape: DecoderShape; rows: number; meter: Meter },
): FusedQuantization {
  const groups: CaseGroup[] = [];
  for (const stored of ['A4', 'f32'] as const) {
    const options = { stored, shape, rows: [rows] };
    groups.push(
      rmsNormCases(backend, options),
      siluMulCases(backend, options),
      attentionStoreCases(backend, options),
    );
  }
  const scheme = linearSchemes.W4A4!;
  for (const linear of Object.values(layerLinears(shape))) {
    groups.push(linearCases(backend, { operator: 'linear W4A4', scheme, shape: linear, rows: [rows] }));
  }
  const figures = meter.measure(groups.flatMap(({ cases }) => cases));
  for (const group of groups) group[Symbol.dispose]();
  const [norm, silu, attention, plainNorm, plainSilu, plainAttention, ...linears] = figures;
  const cost = (of: 'seconds' | 'leastSeconds') => {
    const integer = 2 * norm![of] + silu![of] + attention![of];
    const plain = 2 * plainNorm![of] + plainSilu![of] + plainAttention![of];
    const layer = integer - plainAttention![of] + linears.reduce((sum, linear) => sum + linear[of], 0);
    return { layer, fused: integer - plain };
  };
  const typical = cost('seconds');
  const best = cost('leastSeconds');
  return {
    shape: shape.name,
    rows,
    layerSeconds: typical.layer,
    fusedSeconds: typical.fused,
    share: typical.fused / typical.layer,
    bestShare: best.fused / best.layer,
  };
}
