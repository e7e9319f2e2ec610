// What the reports are drawn from: plain objects, made by whoever measured, and what is written as JSON beside the HTML
// (report-file.ts). Every number may be NaN or infinite where a measurement failed; a report shows a dash then and never
// fails. Optional fields are for what was not measured. Must not know who makes these or where files go.

/** A name and its value, both for people. */
export interface Fact {
  readonly label: string;
  readonly value: string;
}

/** What every report says about its own making. */
export interface Provenance {
  readonly title: string;
  /** The exact command line that makes this report again. */
  readonly command: string;
  readonly toolVersion: string;
  /** ISO 8601. */
  readonly date: string;
  /** Processor, cores, memory, in one line. */
  readonly machine: string;
  /** Wall time of the whole run. */
  readonly seconds: number;
}

/** All that can be written as JSON and drawn. */
export type Report = QuantizationReport | LadderReport | CompareReport | BenchReport;

/** `atom quantize`. */
export interface QuantizationReport extends Provenance {
  readonly kind: 'quantization';
  readonly model: ModelFacts;
  readonly recipe: RecipeFacts;
  readonly sizes: Sizes;
  /** Bits of storage per weight of the quantized linears, scales counted. */
  readonly averageBits: number;
  readonly layers: readonly LayerReport[];
  /** Where the wall time went. */
  readonly stages: readonly Stage[];
  /** Any inputs of any layers. */
  readonly channels: readonly ChannelReport[];
  readonly histograms: readonly Histogram[];
  /** Of the model before and after; `text` is what was read, such as 'test.txt'. */
  readonly perplexity?: { readonly before: number; readonly after: number; readonly text?: string };
  readonly ladder?: Ladder;
}

/** `atom eval --ablation`. */
export interface LadderReport extends Provenance {
  readonly kind: 'ladder';
  readonly model: ModelFacts;
  readonly ladder: Ladder;
  readonly recipe?: RecipeFacts;
}

/** What was asked for: a preset's name and its settings in words. */
export interface RecipeFacts {
  readonly name: string;
  readonly lines: readonly Fact[];
}

export interface ModelFacts {
  readonly name: string;
  /** Such as 'llama'. */
  readonly family: string;
  readonly parameters: number;
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize?: number;
  readonly heads?: number;
  readonly kvHeads?: number;
  readonly vocabSize?: number;
}

export interface Stage {
  readonly name: string;
  readonly seconds: number;
}

/** Bytes of the checkpoint; the parts, such as 'linears' and 'embedding', add up to the whole. */
export interface Sizes {
  readonly before: number;
  readonly after: number;
  readonly byPart: readonly { readonly part: string; readonly before: number; readonly after: number }[];
}

/** Recipes from the crudest to the finest, each one step more than the one before. */
export interface Ladder {
  /** The model in full precision. */
  readonly baseline: Rung;
  readonly steps: readonly Rung[];
  /** What was read, such as 'test.txt, 43,946 tokens in windows of 512'. */
  readonly text?: string;
}

export interface Rung {
  readonly name: string;
  readonly perplexity: number;
  readonly note?: string;
  readonly seconds?: number;
}

export interface LayerReport {
  readonly index: number;
  readonly seconds: number;
  /** In the order in which the layer runs them. */
  readonly linears: readonly LinearReport[];
  readonly kvBits: number;
}

export interface LinearReport {
  /** Such as 'q_proj'. */
  readonly name: string;
  readonly weightBits: number;
  readonly activationBits: number;
  /** |Wx - quantized Wx| / |Wx| over the calibration tokens. */
  readonly error: number;
  /** Bits -> how much that choice hurts; the unit is the chooser's, only ratios are drawn. */
  readonly sensitivity?: Readonly<Record<string, number>>;
  /** Why it got these bits, in a few words. */
  readonly reason?: string;
}

/** The distinct inputs of a layer's linears. */
export type ChannelInput = 'qkv' | 'output' | 'gateUp' | 'down';

/** The channels of one input of one layer. */
export interface ChannelReport {
  readonly layer: number;
  readonly input: ChannelInput;
  /** (channels) root mean square over the calibration tokens, unquantized, in the model's own order. */
  readonly magnitudes: readonly number[];
  /** Channels kept in higher precision, by their number in the model's order; empty where a rotation mixes them. */
  readonly outliers: readonly number[];
  /**
   * The channels as they were quantized, in their final places, when more than their order changed; `outliers` of the
   * last places are kept in higher precision. Left out, the drawing sorts `magnitudes` and puts the outliers last.
   */
  readonly transformed?: { readonly magnitudes: readonly number[]; readonly outliers: number };
}

export interface Histogram {
  readonly title: string;
  readonly kind: 'weight' | 'activation';
  /** (bins + 1) ascending. */
  readonly edges: readonly number[];
  /** (bins) */
  readonly counts: readonly number[];
  /** Values the quantized numbers can take, in the unit of the edges. */
  readonly codes?: readonly number[];
}

/** `atom eval --compare`: several checkpoints, the first of which is the yardstick. */
export interface CompareReport extends Provenance {
  readonly kind: 'compare';
  readonly checkpoints: readonly ComparedCheckpoint[];
}

export interface ComparedCheckpoint {
  readonly name: string;
  /** Such as 'W4A4KV4'. */
  readonly scheme?: string;
  /** Of the weight files. */
  readonly bytes?: number;
  /** Of those files, for each weight of the model as published: embedding, scales and all. */
  readonly bitsPerWeight?: number;
  readonly perplexities: readonly PerplexityScore[];
  readonly tasks: readonly TaskScore[];
}

export interface PerplexityScore {
  /** Such as 'WikiText-2'; scores of one text are set side by side. */
  readonly text: string;
  readonly value: number;
  /** 95 % confidence. */
  readonly interval?: readonly [low: number, high: number];
  /** Over the first checkpoint's, from the differences window by window: far narrower than the two intervals. */
  readonly change?: { readonly ratio: number; readonly interval: readonly [low: number, high: number] };
}

export interface TaskScore {
  readonly task: string;
  /** Such as 'acc_norm'. */
  readonly metric?: string;
  /** 0 to 1. */
  readonly score: number;
  readonly standardError?: number;
  /** What guessing gives, 0 to 1. */
  readonly chance?: number;
}

/** `atom bench`; each of the three parts may be empty. */
export interface BenchReport extends Provenance {
  readonly kind: 'bench';
  readonly kernels: readonly KernelMeasure[];
  readonly serving: readonly ServingMeasure[];
  readonly fixedMemory?: FixedMemory;
  readonly memorySweep?: MemorySweep;
  /** Threads, instruction set, measured ceilings and the like. */
  readonly settings?: readonly Fact[];
}

/** One operator on one shape with one number of rows. */
export interface KernelMeasure {
  /** Such as 'linear W4A4'. */
  readonly operator: string;
  /** Such as '4096 x 11008'; a drawing for each. */
  readonly shape?: string;
  /** Tokens at once. */
  readonly rows: number;
  readonly seconds: number;
  /** Of what the machine can do at best, measured in the same run, 0 to 1. */
  readonly ceilingShare: number;
  /** Which ceiling: arithmetic or memory. */
  readonly bound?: 'compute' | 'memory';
  /** One that ours are compared with: drawn in grey. */
  readonly peer?: boolean;
}

/** One scheme of one engine at one batch size. */
export interface ServingMeasure {
  /** Such as 'W4A4KV4', or a peer's name. */
  readonly scheme: string;
  readonly batch: number;
  /** Generated by all sequences together. */
  readonly tokensPerSecond: number;
  /** Seconds from one token to the next, median. */
  readonly tokenLatency?: number;
  /** The same, of the slowest hundredth. */
  readonly tokenLatency99?: number;
  readonly peer?: boolean;
}

/** What each scheme serves when all get the same memory. */
export interface FixedMemory {
  /** For weights and cache together. */
  readonly bytes: number;
  readonly bars: readonly MemoryBar[];
  /** The first with all that fit, the others with so many sequences that their tokens come as quickly. */
  readonly asQuick?: readonly MemoryBar[];
}

export interface MemoryBar {
  readonly scheme: string;
  /** Sequences that ran. */
  readonly batch: number;
  readonly tokensPerSecond: number;
  /** Seconds from one token to the next that nine of ten do not exceed. */
  readonly tokenLatency?: number;
  readonly peer?: boolean;
}

/** Throughput and latency over the memory that all schemes get. */
export interface MemorySweep {
  readonly schemes: readonly {
    readonly scheme: string;
    /** Ascending; zeros where nothing fits. */
    readonly points: readonly {
      readonly bytes: number;
      readonly tokensPerSecond: number;
      readonly tokenLatency?: number;
    }[];
  }[];
  /** Memories that mean something, such as where a ratio is passed. */
  readonly marks: readonly { readonly bytes: number; readonly label: string }[];
}

/** A number to be seen first. */
export interface KeyFigure {
  readonly value: string;
  readonly label: string;
  readonly note?: string;
}
