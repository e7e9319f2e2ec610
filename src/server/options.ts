// Every option of `atom serve`, in one schema: names, kinds, defaults and descriptions. Flags, environment variables,
// the keys of a configuration file, --help and docs/serving.md all come from it.
import { z } from 'zod';

/** Text from a flag or the environment as the number it spells; anything else is left for the schema to judge. */
const number = (schema: z.ZodNumber) =>
  z.preprocess((value) => {
    const spelt = typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
    return Number.isNaN(spelt) ? value : spelt;
  }, schema);
const whole = (low: number, high = Number.MAX_SAFE_INTEGER) => number(z.int().min(low).max(high));
const seconds = (low: number) =>
  number(
    z
      .number()
      .min(low)
      .max(86_400 * 7),
  );

const unitOf: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

const bytes = z.preprocess((value) => {
  const match =
    typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(value.trim()) : null;
  return match ? Math.floor(Number(match[1]) * unitOf[match[2]!.toLowerCase()]!) : value;
}, z.int('expected a size such as 1073741824, 512M or 1.5G').min(1));

/** Repeated flags and JSON arrays as they are; one text is split at commas. */
const list = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',').map((entry) => entry.trim()) : value),
  z.array(z.string().min(1)),
);

const onOff: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false };
const toggle = z.preprocess(
  (value) => (typeof value === 'string' ? (onOff[value.toLowerCase()] ?? value) : value),
  z.boolean(),
);

/** `value` names the argument in --help; an option without one is a switch. */
interface OptionMeta {
  readonly value?: string;
  readonly description: string;
}

const about = <S extends z.ZodType>(schema: S, value: string | undefined, description: string): S =>
  schema.meta({ ...(value !== undefined && { value }), description } satisfies OptionMeta);

export const serverOptions = z.strictObject({
  port: about(whole(0, 65_535).default(8000), 'port', 'port to listen on; 0 takes a free one'),
  host: about(
    z.string().min(1).default('127.0.0.1'),
    'address',
    'address to listen on; 0.0.0.0 is every network of the machine, :: with IPv6, /a/path a Unix socket',
  ),
  servedModelName: about(
    list.default([]),
    'names',
    "what clients may call the model; the first is shown (default: the folder's name)",
  ),

  preset: about(
    z.string().min(1).optional(),
    'name',
    'quantize a plain checkpoint first; kept for next time',
  ),
  compute: about(
    z.enum(['f32', 'bf16']).default('bf16'),
    'type',
    'arithmetic of a plain checkpoint: f32 or bf16',
  ),
  kvMemory: about(
    bytes.optional(),
    'bytes',
    'memory for the KV cache, as 2G (default: half of what is free)',
  ),
  maxBatch: about(whole(1, 4096).optional(), 'n', 'most sequences that run together (default: 64)'),
  context: about(whole(1).optional(), 'tokens', "longest context, answer included (default: the model's)"),
  maxStepTokens: about(
    whole(1).optional(),
    'n',
    'most tokens of one step: more serve long prompts sooner, fewer let answers flow evenly (default: 256)',
  ),
  prefixCache: about(toggle.default(true), undefined, 'keep computed prompts for those that begin alike'),
  speculative: about(
    whole(0, 64).default(0),
    'n',
    'guess up to n tokens ahead from the text itself: faster where text repeats, the same tokens always',
  ),
  threads: about(
    whole(1, 1024).optional(),
    'n',
    'threads of the kernels (default: one per physical core, one fewer for models of a few megabytes)',
  ),
  strictPrecision: about(
    toggle.default(false),
    undefined,
    'refuse to start if any layer would run in another precision than its checkpoint declares',
  ),

  apiKey: about(list.default([]), 'keys', 'API keys; repeatable, or separated by commas'),
  apiKeyFile: about(z.string().min(1).optional(), 'file', 'API keys from a file, one per line'),
  corsOrigin: about(list.default([]), 'origins', 'web origins that may call the API; * for all'),

  maxBody: about(bytes.default(8 * 2 ** 20), 'bytes', 'largest request body'),
  maxQueue: about(whole(0).default(256), 'n', 'sequences that may wait beyond those that run'),
  maxQueuedTokens: about(whole(1).default(2 ** 20), 'n', 'prompt tokens of all requests in flight'),
  maxRequestsPerKey: about(whole(1).default(1024), 'n', 'requests in flight of one API key'),
  maxOutputTokens: about(whole(1).optional(), 'n', 'longest answer a request may ask for'),
  receiveTimeout: about(
    seconds(1).default(30),
    'seconds',
    'longest time a client may take to send its request, from the first byte',
  ),
  requestTimeout: about(seconds(1).default(1800), 'seconds', 'longest time an answer may take'),
  drainTimeout: about(seconds(0).default(30), 'seconds', 'time running requests get to end after SIGTERM'),

  logLevel: about(
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    'level',
    'fatal, error, warn, info, debug, trace or silent',
  ),
  logFormat: about(
    z.enum(['auto', 'json', 'text']).default('auto'),
    'form',
    'auto, json or text (auto: text on a terminal)',
  ),
  logPrompts: about(toggle.default(false), undefined, 'write prompts and answers into the log'),
  dashboard: about(toggle.default(true), undefined, 'serve the playground and dashboard at /'),
});

export type ServerOptions = z.output<typeof serverOptions>;
export type OptionName = keyof ServerOptions;

export interface OptionFacts extends OptionMeta {
  readonly name: OptionName;
  /** `--kv-memory` */
  readonly flag: string;
  /** `ATOM_KV_MEMORY` */
  readonly variable: string;
  /** undefined where there is none. */
  readonly default: unknown;
  readonly repeatable: boolean;
}

/** The options in the schema's order. */
export const optionFacts: readonly OptionFacts[] = Object.entries(serverOptions.shape).map(
  ([name, schema]) => {
    const words = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const start = schema.safeParse(undefined);
    return {
      ...(schema.meta() as unknown as OptionMeta),
      name: name as OptionName,
      flag: `--${words}`,
      variable: `ATOM_${words.replaceAll('-', '_').toUpperCase()}`,
      default: start.success ? start.data : undefined,
      repeatable: Array.isArray(start.data),
    };
  },
);
