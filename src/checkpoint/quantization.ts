// What a quantization_config comes to: the number formats of every linear and of every layer's cache, checked against the
// model. Arithmetic is in DESIGN section 3. It must not know how tensors are stored: that is quantized-tensors.ts.
import { z } from 'zod';
import { AtomError } from '../errors.ts';
import { type LinearSpec, linearsOf } from './expected-tensors.ts';
import { type JsonObject, parseFields, quoted } from './json-file.ts';
import type { ModelConfig } from './model-config.ts';
import {
  type InputOrder,
  type IntegerRange,
  type KvBits,
  type OutlierFormat,
  QUANT_METHOD,
  type QuantizationConfig,
  type QuantizationOverride,
  type QuantizedFormat,
  quantizationSchema,
} from './quantization-config.ts';

/** How one linear is kept. */
export interface LinearScheme {
  readonly weight: {
    readonly format: QuantizedFormat;
    readonly groupSize: number;
    readonly channelGroup: number;
  };
  readonly activation: {
    readonly format: QuantizedFormat;
    readonly groupSize: number;
    readonly range: IntegerRange;
    readonly hadamard: boolean;
    readonly clip: number;
  };
  readonly outlier: { readonly format: OutlierFormat; readonly channels: number };
}

/** How one layer's keys and values are cached. */
export interface KvScheme {
  readonly keyBits: KvBits;
  readonly valueBits: KvBits;
  readonly keyBeforeRope: boolean;
  readonly keyHadamard: boolean;
  readonly clip: number;
}

/** A quantization_config that fits its model. */
export class Quantization {
  readonly fields: QuantizationConfig;

  constructor(fields: QuantizationConfig) {
    this.fields = fields;
  }

  schemeOf({ name, layer }: Pick<LinearSpec, 'name' | 'layer'>): LinearScheme {
    let { weight, activation, outlier }: QuantizationConfig['linears'] =
      layer === undefined ? unquantized : this.fields.linears;
    for (const override of this.#overridesOf(name)) {
      weight = { ...weight, ...override.weight };
      activation = { ...activation, ...override.activation };
      outlier = { ...outlier, ...override.outlier };
    }
    return {
      weight: { format: weight.format, groupSize: weight.group_size, channelGroup: weight.channel_group },
      activation: {
        format: activation.format,
        groupSize: activation.group_size,
        range: activation.range,
        hadamard: activation.hadamard,
        clip: activation.clip,
      },
      outlier: { format: outlier.format, channels: outlier.channels },
    };
  }

  kvOf(layer: number): KvScheme {
    let cache = this.fields.kv_cache;
    for (const override of this.#overridesOf(`model.layers.${layer}.self_attn`)) {
      cache = { ...cache, ...override.kv_cache };
    }
    return {
      keyBits: cache.key_bits,
      valueBits: cache.value_bits,
      keyBeforeRope: cache.key_before_rope,
      keyHadamard: cache.key_hadamard,
      clip: cache.clip,
    };
  }

  orderOf({ input }: Pick<LinearSpec, 'input'>): InputOrder {
    const kind = input.slice(input.lastIndexOf('.') + 1);
    return this.fields.input_order[kind as keyof QuantizationConfig['input_order']];
  }

  /** Those of every path that leads to `name`, shortest first. */
  *#overridesOf(name: string): Generator<QuantizationOverride> {
    const { overrides = {} } = this.fields;
    for (let end = name.indexOf('.'); end !== -1; end = name.indexOf('.', end + 1)) {
      const override = own(overrides, name.slice(0, end));
      if (override !== undefined) yield override;
    }
    const override = own(overrides, name);
    if (override !== undefined) yield override;
  }
}

/** Whether anything of a linear is quantized, its input or its weight. */
export function isQuantized({ weight, activation }: LinearScheme): boolean {
  return weight.format !== 'none' || activation.format !== 'none';
}

/**
 * Checks the `quantization_config` of `file` against the model it belongs to.
 * Throws `unsupported-model` for another method's, `bad-quantization-config` naming the field or linear otherwise.
 */
export function parseQuantization(
  raw: JsonObject,
  { file, config }: { file: string; config: ModelConfig },
): Quantization {
  const { quant_method: method } = raw;
  if (typeof method === 'string' && method !== QUANT_METHOD) {
    throw new AtomError(
      'unsupported-model',
      `${file}: the checkpoint is quantized by ${quoted(method)}; only "${QUANT_METHOD}" and plain checkpoints can be read`,
    );
  }
  const code = 'bad-quantization-config';
  const wrapper = z.object({ quantization_config: quantizationSchema }); // for paths from the top of the file
  const fields = parseFields(wrapper, { quantization_config: raw }, { file, code }).quantization_config;
  const quantization = new Quantization(fields);

  const inputs = new Map<string, { name: string; scheme: LinearScheme }>();
  const paths = new Set<string>();
  for (const linear of linearsOf(config)) {
    const scheme = quantization.schemeOf(linear);
    const problem = misfit(linear, scheme) ?? disagreement(inputs, linear, scheme);
    if (problem !== undefined) {
      throw new AtomError(
        code,
        `${file}: quantization_config does not fit ${quoted(linear.name)}: ${problem}`,
      );
    }
    for (let at = linear.name; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) paths.add(at);
  }
  checkOverrides(fields, { paths, file });
  return quantization;
}

/** Every override must reach something, or it was misspelt. */
function checkOverrides(
  { overrides = {} }: QuantizationConfig,
  { paths, file }: { paths: ReadonlySet<string>; file: string },
): void {
  for (const [path, { kv_cache }] of Object.entries(overrides)) {
    const hasCache = /^model(\.layers(\.\d+(\.self_attn)?)?)?$/.test(path);
    if (paths.has(path) && (kv_cache === undefined || hasCache)) continue;
    const kind = paths.has(path) ? 'cache' : 'module';
    throw new AtomError(
      'bad-quantization-config',
      `${file}: "quantization_config.overrides" names ${quoted(path)}, but the model has no such ${kind}`,
    );
  }
}

const unquantized = {
  weight: { format: 'none', group_size: 0, channel_group: 1 },
  activation: { format: 'none', group_size: 0, range: 'symmetric', clip: 1, hadamard: false },
  outlier: { format: 'fp16', channels: 0 },
} as const satisfies QuantizationConfig['linears'];

/** Group sizes that the formats of OCP Microscaling and of NVIDIA fix. */
const fixedGroups: Partial<Record<QuantizedFormat, number>> = { mxfp4: 32, nvfp4: 16 };

/** Why a scheme cannot be applied to a linear, if it cannot. */
function misfit(
  { inFeatures, outFeatures }: LinearSpec,
  { weight, activation, outlier }: LinearScheme,
): string | undefined {
  const normal = inFeatures - outlier.channels;
  if (normal <= 0) return `${outlier.channels} outlier channels leave none of its ${inFeatures}`;
  for (const { format, groupSize } of [weight, activation]) {
    if (format === 'none') continue;
    const fixed = fixedGroups[format];
    if (fixed !== undefined && groupSize !== fixed)
      return `${format} has groups of ${fixed}, not of ${groupSize}`;
    if (groupSize > 0 && normal % groupSize !== 0) {
      return `its ${normal} normal channels do not divide into groups of ${groupSize}`;
    }
  }
  if (activation.hadamard && !Number.isInteger(Math.log2(activation.groupSize))) {
    return `Hadamard transforms need groups of a power of two, not of ${activation.groupSize}`;
  }
  if (weight.format === 'none') return undefined;
  if (outFeatures % weight.channelGroup !== 0) {
    return `its ${outFeatures} output channels do not divide into groups of ${weight.channelGroup}`;
  }
  return normal % 2 === 0
    ? undefined
    : `its ${normal} normal channels are not even, so they fill no whole bytes`;
}

/** Linears of one input read the same activations, so they must want them in the same form. */
function disagreement(
  inputs: Map<string, { name: string; scheme: LinearScheme }>,
  { name, input }: LinearSpec,
  scheme: LinearScheme,
): string | undefined {
  const first = inputs.get(input);
  if (first === undefined) {
    inputs.set(input, { name, scheme });
    return undefined;
  }
  const form = ({ activation, outlier }: LinearScheme): string => JSON.stringify([activation, outlier]);
  if (form(first.scheme) === form(scheme)) return undefined;
  return `it shares its input with ${quoted(first.name)}, but not activation format and outliers`;
}

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
