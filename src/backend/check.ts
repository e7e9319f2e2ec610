// Shape checks that every backend makes before it touches memory: one sentence, with the operator and the numbers.
import { AtomError } from '../errors.ts';
import type { FakeQuant } from './formats.ts';
import type { DType, Tensor } from './tensor.ts';

/** Throws `bad-shape` unless the tensor has this dtype and at least these elements. */
export function expectTensor(
  operator: string,
  name: string,
  tensor: Tensor,
  { dtypes, atLeast }: { dtypes: readonly DType[]; atLeast: number },
): void {
  if (!dtypes.includes(tensor.dtype) || tensor.size < atLeast) {
    throw new AtomError(
      'bad-shape',
      `${operator}: ${name} must be ${dtypes.join(' or ')} with at least ${atLeast} elements, but is ${tensor.dtype} [${tensor.shape.join(', ')}]`,
    );
  }
}

/** Throws `bad-shape` with the operator's name unless `holds`. */
export function expectShape(operator: string, holds: boolean, sentence: () => string): void {
  if (!holds) throw new AtomError('bad-shape', `${operator}: ${sentence()}`);
}

/** Throws `bad-shape` unless the quantizer's groups divide rows of `channels`. */
export function expectFakeQuant(quantizer: FakeQuant, channels: number): void {
  const { format, outlierChannels } = quantizer;
  const normal = channels - outlierChannels;
  const groupSize = format === 'mxfp4' ? 32 : format === 'nvfp4' ? 16 : quantizer.groupSize || normal;
  expectShape('fakeQuant', !quantizer.hadamard || Number.isInteger(Math.log2(groupSize)), () => {
    return `Hadamard transforms need groups of a power of two, not of ${groupSize}`;
  });
  const divides = normal >= 0 && (format === 'none' || normal === 0 || normal % groupSize === 0);
  expectShape('fakeQuant', divides, () => {
    return `${channels} channels with ${outlierChannels} outliers do not divide into groups of ${groupSize} (${format})`;
  });
}
