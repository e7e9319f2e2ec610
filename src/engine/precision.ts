// In how many bits a checkpoint wants its linears, and in how many they run: for logs, pages and `--strict-precision`.
import type { ActivationFormat, ElementFormat, WeightFormat } from '../backend/formats.ts';
import { EMBEDDING, lmHead } from '../checkpoint/expected-tensors.ts';
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import { decoderLinears } from '../model/decoder-linears.ts';
import type { LinearFormats, Model } from '../model/model.ts';
import type { LayerPrecision } from './engine-types.ts';

/** Linears that share an input are one row. */
export function layerPrecisions(checkpoint: Checkpoint, model: Model): LayerPrecision[] {
  return model.linearFormats.map((formats) => {
    const { layer, input } = formats;
    const declared = declaredBits(checkpoint, formats);
    const executed = isSimulated(formats, declared)
      ? `${declared} simulated in f32`
      : `W${bitsOf(formats.weight)}A${bitsOf(formats.activation)}`;
    return { name: layer === undefined ? 'lm_head' : `layers.${layer}.${input}`, declared, executed };
  });
}

/** Linears and cache in a word, as `W4A4 KV4`: what most layers are. */
export function schemeOf({ quantization }: Checkpoint, layers: readonly LayerPrecision[]): string {
  const [first] = layers;
  if (!quantization || !first) return first?.executed ?? '';
  const { keyBits, valueBits } = quantization.kvOf(0);
  const cache = keyBits === valueBits ? `KV${keyBits}` : `K${keyBits}V${valueBits}`;
  const note =
    first.executed === first.declared ? '' : ` (${first.executed.replace(`${first.declared} `, '')})`;
  return `${first.declared} ${cache}${note}`;
}

/** What the cache holds in the first layer, as a type of numbers. */
export function cacheType({ quantization }: Checkpoint, compute: 'f32' | 'bf16'): string {
  const type = (bits: number) => (bits < 16 ? `int${bits}` : bits === 16 ? 'bfloat16' : 'float32');
  const plain = compute === 'f32' ? 32 : 16;
  const { keyBits, valueBits } = quantization?.kvOf(0) ?? { keyBits: plain, valueBits: plain };
  return keyBits === valueBits ? type(keyBits) : `${type(keyBits)}/${type(valueBits)}`;
}

function declaredBits(checkpoint: Checkpoint, { layer, input }: LinearFormats): string {
  const { config, quantization, tensors } = checkpoint;
  const head = lmHead(config);
  const spec = layer === undefined || input === undefined ? head : decoderLinears(config, layer)[input][0]!;
  const scheme = quantization?.schemeOf(spec);
  const stored =
    scheme && scheme.weight.format !== 'none'
      ? undefined
      : tensors.get(spec === head && config.tiedEmbeddings ? EMBEDDING : `${spec.name}.weight`).dtype;
  const plain = stored === 'F32' ? '32' : '16';
  const bits = (format: ElementFormat | undefined) =>
    format === undefined || format === 'none' ? plain : labels[format];
  return `W${bits(scheme?.weight.format)}A${bits(scheme?.activation.format)}`;
}

/** Formats of 4-bit floats keep their names: 4 alone would be an integer. */
const labels: Readonly<Record<ElementFormat, string>> = {
  none: '16',
  fp16: '16',
  int2: '2',
  int3: '3',
  int4: '4',
  int8: '8',
  fp4: '-FP4-',
  mxfp4: '-MXFP4-',
  nvfp4: '-NVFP4-',
  e4m3: '-E4M3-',
  e5m2: '-E5M2-',
};

/** Quantized values in f32 arithmetic. */
function isSimulated({ weight, activation }: LinearFormats, declared: string): boolean {
  const isPlain = declared === 'W16A16' || declared === 'W32A32';
  return activation.kind === 'simulated' || (weight.kind === 'f32' && !isPlain);
}

function bitsOf(format: WeightFormat | ActivationFormat): number {
  switch (format.kind) {
    case 'int':
    case 'weightOnly':
      return format.bits;
    case 'bf16':
      return 16;
    case 'f32':
    case 'simulated':
      return 32;
    default:
      return format satisfies never;
  }
}
