// Linears and logits of every scheme on one matrix: products checked first, then offered for timing.
import type { Backend, LinearWeight } from '../../backend/backend.ts';
import type { ActivationFormat, FakeQuant, LinearSource } from '../../backend/formats.ts';
import type { Tensor } from '../../backend/tensor.ts';
import { AtomError } from '../../errors.ts';
import { halvable8, signed4 } from '../../quantize/presets.ts';
import type { CaseGroup, KernelCase } from './measure.ts';
import { integerValue, noiseInput, noiseIntegers, noiseTensor, WeightRing } from './random-weights.ts';
import { type LinearShape, shapeName } from './shapes.ts';

interface Scheme {
  readonly arithmetic: 'int8' | 'bf16' | 'f32';
  readonly activation: ActivationFormat;
  /** A new source; `owned` receives the tensors it lies in. */
  readonly source: (backend: Backend, shape: LinearShape, owned: Tensor[]) => LinearSource;
}

/** Groups and outliers of the published recipe (Zhao et al., 2024). */
export const groupSize = 128;
export const outliers = 128;

/** Activations as the presets `atom` and `w4a8kv4` have them. */
export function integerActivation(
  bits: 4 | 8,
  outlierChannels: number,
): Extract<ActivationFormat, { kind: 'int' }> {
  const { range, clip } = bits === 4 ? signed4 : halvable8;
  return { kind: 'int', bits, groupSize, outlierChannels, range, clip };
}

function integers(weightBits: 4 | 8, bits: 4 | 8, outlierChannels: number): Scheme {
  const layout = { bits: weightBits, groupSize, outliers: outlierChannels };
  return {
    arithmetic: 'int8',
    activation: integerActivation(bits, outlierChannels),
    source: (backend, shape, owned) => noiseIntegers(backend, shape, layout, owned),
  };
}

function dense(compute: 'bf16' | 'f32'): Scheme {
  return {
    arithmetic: compute,
    activation: { kind: compute },
    source(backend, { inFeatures, outFeatures }, owned) {
      const weight = noiseTensor(backend, compute, [outFeatures, inFeatures]);
      owned.push(weight);
      return { kind: 'dense', weight, compute };
    },
  };
}

/** Codes of the groups alone, opened inside the kernel. */
function weightOnly(bits: 4 | 8): Scheme {
  return {
    arithmetic: 'bf16',
    activation: { kind: 'bf16' },
    source(backend, shape, owned) {
      const codes = noiseIntegers(backend, shape, { bits, groupSize, outliers: 0 }, owned);
      return { ...codes, kind: 'weightOnly' };
    },
  };
}

/** The head as `loadLinear` rounds it from 16 bits. */
const roundedHead: Scheme = {
  ...integers(8, 8, 0),
  source(backend, { inFeatures, outFeatures }, owned) {
    const weight = noiseTensor(backend, 'bf16', [outFeatures, inFeatures]);
    owned.push(weight);
    return { kind: 'rounded', weight, groupSize };
  },
};

export const linearSchemes: Readonly<Record<string, Scheme>> = {
  W4A4: integers(4, 4, outliers),
  W4A8: integers(4, 8, outliers),
  W8A8: integers(8, 8, 0),
  W4A16: weightOnly(4),
  W8A16: weightOnly(8),
  W16A16: dense('bf16'),
  F32: dense('f32'),
};

export const headSchemes: Readonly<Record<string, Scheme>> = { INT8: roundedHead, BF16: dense('bf16') };

/** Throws `internal` when a product is wrong. */
export function linearCases(
  backend: Backend,
  {
    operator,
    scheme,
    shape,
    rows,
  }: { operator: string; scheme: Scheme; shape: LinearShape; rows: readonly number[] },
): CaseGroup {
  const { inFeatures, outFeatures } = shape;
  const owned: Tensor[] = [];
  // What packs its weights can pack one source many times; what borrows them needs as many sources.
  let source: LinearSource | undefined;
  const ring = new WeightRing(() => {
    if (source === undefined || source.kind === 'dense') source = scheme.source(backend, shape, owned);
    return backend.loadLinear([source]);
  });
  const out = backend.allocate('f32', [Math.max(...rows), outFeatures]);
  owned.push(out);
  const cases = rows.map((tokens): KernelCase => {
    const { input, storage } = noiseInput(backend, scheme.activation, { channels: inFeatures, rows: tokens });
    owned.push(storage);
    return {
      operator,
      shape: shapeName(shape),
      rows: tokens,
      operations: 2 * tokens * inFeatures * outFeatures,
      bytes: ring.weights[0]!.byteLength,
      arithmetic: scheme.arithmetic,
      run: () => backend.linear({ input, weight: ring.next(), out, tokens }),
    };
  });
  checkProduct(backend, { operator, scheme, source: source!, weight: ring.weights[0]! });
  return {
    cases,
    [Symbol.dispose]() {
      ring[Symbol.dispose]();
      for (const tensor of owned) tensor[Symbol.dispose]();
    },
  };
}

/** A few outputs of one row against sums in double; the kernels' own tests are thorough. */
function checkProduct(
  backend: Backend,
  {
    operator,
    scheme,
    source,
    weight,
  }: { operator: string; scheme: Scheme; source: LinearSource; weight: LinearWeight },
): void {
  if (source.kind === 'rounded') return; // its codes exist only inside the backend
  const { inFeatures: channels, outFeatures } = weight;
  const { input, storage } = noiseInput(backend, scheme.activation, { channels, rows: 1 });
  const { storage: plain } = noiseInput(backend, plainTwin(scheme.activation), { channels, rows: 1 });
  using out = backend.allocate('f32', [1, outFeatures]);
  backend.linear({ input, weight, out, tokens: 1 });
  const seen = plain.view([channels], { dtype: 'f32' }).f32();
  const valueAt = source.kind === 'dense' ? denseValue : integerValue;
  for (const row of [0, outFeatures >> 1, outFeatures - 1]) {
    let expected = 0;
    let magnitude = 0;
    for (let k = 0; k < channels; k++) {
      const product = seen[k]! * valueAt(source, row, k);
      expected += product;
      magnitude += Math.abs(product);
    }
    // bf16 inputs carry 8 bits; all else is exact but for the order of the sum.
    const tolerance = magnitude * (scheme.arithmetic === 'bf16' ? 2 ** -8 : 2 ** -18);
    const actual = out.f32()[row]!;
    if (!(Math.abs(actual - expected) <= tolerance)) {
      throw new AtomError(
        'internal',
        `${operator} is wrong at output ${row} of ${outFeatures}: ${actual} instead of ${expected}`,
      );
    }
  }
  for (const tensor of [storage, plain]) tensor[Symbol.dispose]();
}

/** The format that keeps as f32 the very values that `format` stands for. */
function plainTwin(format: ActivationFormat): ActivationFormat {
  if (format.kind !== 'int') return { kind: 'f32' };
  const { bits, groupSize, range, clip, outlierChannels } = format;
  const quantizer: FakeQuant = {
    format: `int${bits}`,
    groupSize,
    range,
    clip,
    outlierChannels,
    outlierFormat: 'int8',
    outlierClip: 1,
  };
  return { kind: 'simulated', quantizer };
}

const word = new DataView(new ArrayBuffer(4));

function denseValue({ weight }: LinearSource, row: number, column: number): number {
  const at = row * weight.shape[1]! + column;
  if (weight.dtype === 'f32') return weight.f32()[at]!;
  word.setUint32(0, weight.u16()[at]! << 16);
  return word.getFloat32(0);
}
