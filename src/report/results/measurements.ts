// What the runs of `results/` measure: a schema for each kind, made of what the commands print with --json. Only fields that
// are shown, or that explain what is shown, are kept.
import { z } from 'zod';

/** JSON has no word for a number that is none. */
const figure = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const share = figure;
const count = z.int().nonnegative();

const percentiles = z.object({ p50: figure, p90: figure, p99: figure });
const breakdown = z.object({ overhead: share, millisecondsPerStep: figure });
const facts = z.array(z.object({ label: z.string(), value: z.string() }));

/** `eval --ablation`; `golden` is what Atom's published code gives, step by step, where it has the step. */
const ladder = z.object({
  kind: z.literal('ladder'),
  data: z.object({
    model: z.string(),
    window: count,
    groupSize: count,
    outliers: count,
    samples: count,
    rows: z.array(
      z.object({ name: z.string(), perplexity: figure, seconds: figure, golden: z.number().optional() }),
    ),
  }),
});

/** A preset's checkpoint, measured as it runs and in f32; changes are ratios of perplexity to the plain model's. */
const scored = z.object({
  perplexity: figure,
  interval: z.tuple([figure, figure]),
  change: figure,
  changeInterval: z.tuple([figure, figure]),
});

const presets = z.object({
  kind: z.literal('presets'),
  data: z.object({
    model: z.string(),
    text: z.string(),
    window: count,
    tokens: count,
    baseline: z.object({ perplexity: figure, interval: z.tuple([figure, figure]), bytes: count }),
    presets: z.array(
      z.object({
        name: z.string(),
        description: z.string(),
        /** Of storage per weight of the linears, scales counted. */
        bits: figure,
        bytes: count,
        /** It took to quantize. */
        seconds: figure,
        simulated: scored,
        /** Absent where kernels have no such format. */
        executed: scored.optional(),
      }),
    ),
  }),
});

const kernelFigure = z.object({
  operator: z.string(),
  shape: z.string(),
  rows: count,
  seconds: figure,
  gops: figure,
  gigabytesPerSecond: figure,
  ceilingShare: share,
  bestShare: share,
  /** Of the integer peak without matrix tiles, where `ceilings.int8` is that of tiles. */
  shareOfVectorPeak: share.optional(),
  bound: z.enum(['compute', 'memory']),
  /** Of a whole step: what each operator takes, all layers together. */
  operatorTimes: z.array(z.object({ operator: z.string(), seconds: figure })).optional(),
});

/** `bench kernels`, of operators and of whole decoders. */
const kernelFigures = z.object({
  kernels: z.array(kernelFigure).min(1),
  fusedQuantization: z.array(
    z.object({ shape: z.string(), rows: count, share: share, bestShare: share, layerSeconds: figure }),
  ),
  /** Operations or bytes a second. */
  ceilings: z.record(z.string(), z.object({ median: figure, best: figure })),
  settings: facts,
});

const kernels = z.object({ kind: z.literal('kernels'), data: kernelFigures });
const decoder = z.object({ kind: z.literal('decoder'), data: kernelFigures });

const gemm = z.object({
  kind: z.literal('gemm'),
  data: z.object({
    threads: count,
    ceilings: z.object({ f32: figure, bf16: figure, read: figure }),
    rows: z.array(
      z.object({
        type: z.string(),
        tokens: count,
        inFeatures: count,
        outFeatures: count,
        milliseconds: figure,
        gflops: figure,
        gigabytesPerSecond: figure,
        shareOfPeak: share,
        shareOfBandwidth: share.optional(),
      }),
    ),
  }),
});

const attention = z.object({
  kind: z.literal('attention'),
  data: z.object({
    threads: count,
    /** GB/s. */
    read: figure,
    rows: z
      .array(
        z.object({
          numHeads: count,
          numKvHeads: count,
          batch: count,
          context: count,
          bits: count,
          milliseconds: figure,
          gigabytesPerSecond: figure,
          shareOfBandwidth: share,
          speedup: figure,
        }),
      )
      .min(1),
  }),
});

const batchPoint = z.object({
  scheme: z.string(),
  batch: count,
  running: figure,
  tokensPerSecond: figure,
  betweenTokens: percentiles,
  breakdown,
  steps: count,
});

const memoryPoint = batchPoint.extend({ fits: count });

/** Up to which memory a ratio is reached, with how many sequences of each; without memory it is not. */
const reach = z.object({
  most: figure,
  memory: figure.optional(),
  fits: count.optional(),
  fitsOver: count.optional(),
});

/** `bench compare`. */
const curves = z.object({
  kind: z.literal('curves'),
  data: z.object({
    settings: facts,
    comparison: z.object({
      needs: z.array(z.object({ scheme: z.string(), weightBytes: count, sequenceBytes: figure })),
      curve: z.array(batchPoint).min(1),
      inMemory: z
        .object({
          memory: figure,
          points: z.array(memoryPoint),
          /** Only so many sequences that tokens come as quickly as from the 16-bit model. */
          asQuick: z.array(memoryPoint).optional(),
        })
        .optional(),
      sweep: z.array(
        z.object({
          memory: figure,
          schemes: z.array(z.object({ scheme: z.string(), fits: count, tokensPerSecond: figure })),
        }),
      ),
      passings: z.array(
        z.object({
          ...{ scheme: z.string(), over: z.string(), ratio: figure },
          ...reach.shape,
          asQuick: reach.optional(),
        }),
      ),
    }),
  }),
});

const loop = z.object({
  scheme: z.string(),
  tokensPerSecond: figure,
  requestsPerSecond: figure,
  requests: count,
  timeToFirstToken: percentiles,
  timePerToken: percentiles,
  batch: z.object({ mean: figure, most: count }),
  cache: z.object({ mean: share }),
  waitingMean: figure,
  breakdown,
});

/** `bench serve`. */
const conversations = z.object({
  kind: z.literal('conversations'),
  data: z.object({
    fixedMemory: z.object({ bytes: figure }),
    settings: facts,
    closed: z.array(loop).min(1),
    open: z.array(loop.extend({ rate: figure, unfinished: count })),
  }),
});

/** `bench prefix`. */
const prefix = z.object({
  kind: z.literal('prefix'),
  data: z.object({
    settings: facts,
    results: z
      .array(
        z.object({
          scheme: z.string(),
          prompt: count,
          found: count,
          /** Seconds to the first token. */
          unseen: figure,
          seen: figure,
          times: figure,
        }),
      )
      .min(1),
  }),
});

const http = z.object({
  kind: z.literal('http'),
  data: z.object({
    scheme: z.string(),
    threads: count,
    streams: count,
    tokens: count,
    rounds: z.array(
      z.object({ engine: figure, http: figure, cost: share, serverBusy: share, clientsBusy: share }),
    ),
    engine: figure,
    http: figure,
    cost: share,
    loopDelayP99: figure,
  }),
});

const contender = z.object({ name: z.string(), batch: count, tokensPerSecond: figure });

/** `bench/peers/compare.js`. */
const peers = z.object({
  kind: z.literal('peers'),
  data: z.object({
    options: z.record(z.string(), z.union([z.string(), z.boolean()])),
    /** Which of node-llama-cpp's builds ran, and what it says it uses. */
    peer: z.object({ version: z.string(), build: z.string(), features: z.array(z.string()) }).optional(),
    /** Tokens of prompts a second. */
    prefill: z.array(contender).optional(),
    byBatch: z.array(contender),
    sameMemory: z.object({ memory: figure, rows: z.array(contender) }).optional(),
  }),
});

/** `quantize` of a checkpoint whose size is what counts. */
const quantization = z.object({
  kind: z.literal('quantization'),
  data: z.object({
    model: z.object({ name: z.string(), parameters: count, layers: count, hiddenSize: count }),
    samples: z.string(),
    sizes: z.object({ before: count, after: count }),
    averageBits: figure,
    seconds: figure,
    stages: z.array(z.object({ name: z.string(), seconds: figure })),
    layers: z.array(z.object({ seconds: figure })).min(1),
    /** Most that was resident, bytes. */
    peakMemory: figure,
  }),
});

export const measurements = z.discriminatedUnion('kind', [
  ladder,
  presets,
  kernels,
  decoder,
  gemm,
  attention,
  curves,
  conversations,
  prefix,
  http,
  peers,
  quantization,
]);
