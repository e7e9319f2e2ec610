// The contract of a backend: memory, and one typed function per operator of a decoder.
// `reference/` is this contract in slow, obvious TypeScript and the truth for all others; `cpu/` is the fast one.
// A backend knows shapes and formats; it must not know model families, requests, files' formats or quantization
// methods.
//
// Rules that hold for every operator:
// - Inputs are read only; `out` is written for the first `tokens` rows and nothing else is touched.
// - Operators run to completion before they return, or before `together` does, on the backend's own threads, and allocate
//   nothing.
// - A shape or dtype that does not fit throws `bad-shape` before anything is written.
// - Results do not depend on which other rows are in the call: row r of the output is the same bits alone or in a batch.
import type {
  ActivationFormat,
  FakeQuant,
  GroupScaleRule,
  KvFormat,
  LinearSource,
  PruneRule,
  WeightFormat,
} from './formats.ts';
import type { DType, Tensor } from './tensor.ts';

/**
 * The rows of one step: prefill chunks and decodes of several sequences, back to back. What its tensors say stays as it is
 * as long as operators are given this object: a backend may check it once.
 */
export interface Batch {
  readonly numTokens: number;
  readonly numSequences: number;
  readonly tokenIds: Tensor; // (tokens) i32
  readonly positions: Tensor; // (tokens) i32, position of each token in its sequence
  readonly sequenceStart: Tensor; // (sequences + 1) i32, first row of each sequence; the last entry is numTokens
  readonly contextLength: Tensor; // (sequences) i32, tokens of the sequence in the cache once this step is appended
  readonly blockTable: Tensor; // (sequences, blocksPerSequence) i32, cache blocks of each sequence in order
}

/** Where a linear's input lies and in what form: written by the operator before, read by `linear`. */
export interface Activation {
  readonly format: ActivationFormat;
  readonly channels: number;
  readonly maxTokens: number;
  /** (channels) i32: position c of the stored row holds channel reorder[c] of the operator's output. */
  readonly reorder?: Tensor;
  /** The stored rows in the backend's own layout; for format f32 plainly (maxTokens, channels) f32. */
  readonly storage: Tensor;
}

/** The weights of a linear (or of several fused along the output), in the backend's own layout. */
export interface LinearWeight extends Disposable {
  readonly format: WeightFormat;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** Bytes that one pass over the weight reads. */
  readonly byteLength: number;
}

/** Paged keys and values of all layers, in the backend's own layout. */
export interface KvCache extends Disposable {
  readonly formats: readonly KvFormat[]; // per layer
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly blockSize: number; // tokens
  readonly numBlocks: number;
  readonly byteLength: number;
}

/** A file mapped into memory; disposing it ends every tensor over it. */
export interface MappedFile extends Disposable {
  readonly path: string;
  readonly byteLength: number;
  tensor(options: { dtype: DType; shape: readonly number[]; byteOffset: number }): Tensor;
}

export interface AttentionGeometry {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
}

export interface SampleArgs {
  readonly logits: Tensor; // (rows, vocab) f32
  readonly row: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly draw: number;
}

export interface Backend extends Disposable {
  readonly name: string;

  // --- memory -------------------------------------------------------------------------------------------------
  /** Zeroed memory. Throws `out-of-memory`. */
  allocate(dtype: DType, shape: readonly number[]): Tensor;
  /** Maps a whole file, read on first touch; writes never reach it. Throws `io`. */
  mapFile(path: string): MappedFile;
  /** Tells the machine that the bytes of a mapped tensor are not needed for now; reading them again is safe. */
  dropPages(tensor: Tensor): void;

  /** Bytes that `maxTokens` rows of `channels` need in a format. Shared buffers are sized by the largest. */
  activationBytes(options: { format: ActivationFormat; channels: number; maxTokens: number }): number;
  /** A view of `storage` (u8, at least `activationBytes`) as rows in `format`. Never owns. */
  activation(options: {
    format: ActivationFormat;
    channels: number;
    maxTokens: number;
    reorder?: Tensor;
    storage: Tensor;
  }): Activation;

  /**
   * Brings weights into the backend's layout; several sources are fused along the output, in order.
   * bf16 sources may be borrowed rather than copied: they must outlive the weight.
   * `bias` is (outFeatures) f32, copied. Throws `bad-shape`.
   */
  loadLinear(sources: readonly LinearSource[], options?: { bias?: Tensor }): LinearWeight;

  createKvCache(options: {
    formats: readonly KvFormat[];
    numKvHeads: number;
    headDim: number;
    blockSize: number;
    numBlocks: number;
  }): KvCache;
  /** Copies whole blocks, all layers: block `from` onto block `to`. */
  copyBlock(cache: KvCache, from: number, to: number): void;

  // --- operators of a step --------------------------------------------------------------------------------------
  /**
   * Runs `body`, and with it the operators that it calls, in their order; a backend may let them wait for one another, and
   * begin when all are known. `body` neither reads what they write nor changes what they read.
   */
  together(body: () => void): void;

  /**
   * out[t] = table[tokenIds[t]]; table (vocab, hidden) f32, f16 or bf16, out (tokens, hidden) f32. Rows of any table can be
   * gathered so.
   */
  embed(args: { table: Tensor; tokenIds: Tensor; out: Tensor; tokens: number }): void;

  /**
   * x * weight / sqrt(mean(x^2) + epsilon), then reordered and quantized as `out` wants (Zhang and Sennrich, 2019).
   * `rows` (tokens) i32 picks rows of x; without it row t is row t.
   */
  rmsNorm(args: {
    x: Tensor;
    weight: Tensor;
    epsilon: number;
    out: Activation;
    tokens: number;
    rows?: Tensor;
  }): void;

  /** out[t] = W input[t] (+ bias); added to out when `accumulate`. out (tokens, outFeatures) f32. */
  linear(args: {
    input: Activation;
    weight: LinearWeight;
    out: Tensor;
    tokens: number;
    accumulate?: boolean;
  }): void;

  /**
   * Rotary embedding in the half-split ("rotate_half") order applied to q and k, in place, and k, v appended to the
   * cache in its format. qkv (tokens, (numHeads + 2 numKvHeads) headDim) f32; cos, sin (positions, headDim / 2) f32.
   * With qNorm and kNorm (headDim) f32 each head is RMS-normalised first (Qwen3).
   */
  ropeAppendKv(args: {
    qkv: Tensor;
    geometry: AttentionGeometry;
    cos: Tensor;
    sin: Tensor;
    qNorm?: Tensor;
    kNorm?: Tensor;
    epsilon?: number;
    batch: Batch;
    cache: KvCache;
    layer: number;
  }): void;

  /**
   * Causal attention of every row's q over its sequence's cached keys and values, softmax(q k / sqrt(headDim)) v, then
   * reordered and quantized as `out` wants (channels = numHeads headDim). A window w limits a row at position p to
   * keys in (p - w, p].
   */
  attention(args: {
    qkv: Tensor;
    geometry: AttentionGeometry;
    scale: number;
    batch: Batch;
    cache: KvCache;
    layer: number;
    window?: number;
    out: Activation;
  }): void;

  /** silu(gate) * up, then reordered and quantized as `out` wants. gateUp (tokens, 2 channels) f32: gate, then up. */
  siluMul(args: { gateUp: Tensor; out: Activation; tokens: number }): void;

  /**
   * siluMul of linear, the weight being a fused gate and up: the same bits as one after the other, but what is between
   * need not be stored. `gateUp` (tokens, outFeatures) f32 is memory to work in; `out` lies apart from `input`.
   */
  linearSiluMul(args: {
    input: Activation;
    weight: LinearWeight;
    gateUp: Tensor;
    out: Activation;
    tokens: number;
  }): void;

  /** out[r] = log softmax(logits[r])[tokenIds[r]]; logits (rows, vocab) f32, tokenIds (rows) i32, out (rows) f32. */
  logProb(args: { logits: Tensor; tokenIds: Tensor; out: Tensor; rows: number }): void;

  /** log of the sum of e^logits[row], to be taken off a logit for its log-probability; logits (rows, vocab) f32. */
  logTotal(args: { logits: Tensor; row: number }): number;

  /**
   * The token that `draw` in [0, 1) picks in a row of logits (rows, vocab) f32: of softmax(logits / temperature), less what
   * the filters take away. In this order: tokens of less than minP times the best one's probability; all but the topK most
   * probable, 0 keeping all; those after the most probable ones that together reach topP. Of those that are equal in f32 the
   * lower id is the more probable. The best one stays whatever filters say; temperature 0 takes it. NaN and minus infinity
   * are never taken: -1 where there is nothing else.
   */
  sample(args: SampleArgs): number;

  /** Quantizes and dequantizes rows: x (rows, cols) f32 to out (rows, cols) f32, which may be x. */
  fakeQuant(args: { x: Tensor; out: Tensor; rows: number; quantizer: FakeQuant }): void;

  /**
   * Adds rows to statistics of each column: x (rows, cols) f32; sumSquares and sumMagnitudes hold (cols) f64, peaks
   * (cols) f32.
   */
  columnStatistics(args: {
    x: Tensor;
    rows: number;
    sumSquares: Tensor;
    sumMagnitudes: Tensor;
    peaks: Tensor;
  }): void;

  /** hessian += x^T x in the upper triangle, what is below it is undefined; x (rows, n) f32, hessian (n, n) f32. */
  syrk(args: { x: Tensor; rows: number; hessian: Tensor }): void;

  /**
   * out = the upper Cholesky factor X of the inverse, X^T X = matrix^-1, zeros below the diagonal; (n, n) f32. Reads the
   * upper triangle of `matrix` (n, n) f32 and destroys it. Throws `numeric` unless it is positive definite.
   */
  inverseCholesky(args: { matrix: Tensor; out: Tensor }): void;

  /**
   * Columns [start, end) of GPTQ (Frantar et al., 2022) and their effect on the columns after them. weight (rows, cols)
   * f32 is what is left to represent, updated; quantized (rows, cols) f32 receives the values of the codes; spread
   * (cols, cols) f32 is the upper Cholesky factor of the inverse Hessian; scales (rows / channelGroup, groups) f32.
   * Without a spread it rounds to nearest. `importance` (cols) f32 weighs squared errors where clip ratios are searched.
   * With `prune` some weights become zero first: SparseGPT (Frantar and Alistarh, 2023).
   */
  gptqColumns(args: {
    weight: Tensor;
    quantized: Tensor;
    spread?: Tensor;
    importance?: Tensor;
    scales: Tensor;
    start: number;
    end: number;
    groupSize: number;
    channelGroup: number;
    rule: GroupScaleRule;
    prune?: PruneRule;
  }): void;
}
