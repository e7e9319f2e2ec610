// The rotary embedding with its append to the cache, and attention: over one token, where storing the row is all there is,
// and over long contexts, where reading the cache is.
import type { Backend } from '../../backend/backend.ts';
import { blockSize, FilledPages, type KvBits } from './filled-pages.ts';
import type { CaseGroup, KernelCase } from './measure.ts';
import { Owner } from './owner.ts';
import type { DecoderShape } from './shapes.ts';
import { bytesPerValue, type RowOptions, storedRows } from './stored-rows.ts';

/** Decodes of sequences of one token each: what attention takes is then the row that it stores. */
export function attentionStoreCases(backend: Backend, { stored, shape, rows }: RowOptions): CaseGroup {
  const owner = new Owner();
  const most = Math.max(...rows);
  const channels = shape.numHeads * shape.headDim;
  const pages = new FilledPages(owner, backend, { shape, bits: 4, sequences: most, context: 1 });
  const out = storedRows(owner, backend, { stored, channels, maxTokens: most, reordered: stored !== 'f32' });
  const cases = rows.map((tokens): KernelCase => {
    const batch = pages.decode(0, tokens);
    return {
      operator: `attention row ${stored}`,
      shape: String(channels),
      rows: tokens,
      operations: 4 * tokens * channels,
      bytes: tokens * channels * (4 + bytesPerValue[stored]),
      run: () =>
        backend.attention({
          ...pages.operands,
          scale: shape.headDim ** -0.5,
          batch,
          out,
        }),
    };
  });
  return { cases, [Symbol.dispose]: () => owner[Symbol.dispose]() };
}

/** Rotates q and k of one new token a sequence and appends k and v to a cache of `bits`. */
export function ropeAppendKvCases(
  backend: Backend,
  { bits, shape, rows }: { bits: KvBits; shape: DecoderShape; rows: readonly number[] },
): CaseGroup {
  const owner = new Owner();
  const most = Math.max(...rows);
  const pages = new FilledPages(owner, backend, { shape, bits, sequences: most, context: blockSize });
  const { numHeads, numKvHeads, headDim } = shape;
  const channels = (numHeads + 2 * numKvHeads) * headDim;
  const cases = rows.map((tokens): KernelCase => {
    const batch = pages.decode(0, tokens);
    return {
      operator: `ropeAppendKv KV${bits}`,
      shape: `${numHeads} + 2 x ${numKvHeads} heads of ${headDim}`,
      rows: tokens,
      operations: 6 * tokens * channels,
      // q and k are read and written, v is read.
      bytes: tokens * (4 * (2 * channels - numKvHeads * headDim) + pages.tokenBytes),
      run: () => pages.append(batch),
    };
  });
  return { cases, [Symbol.dispose]: () => owner[Symbol.dispose]() };
}

/** Tokens in the cache of each sequence when attention is timed. */
export const longContext = 4096;

/** Decodes over long contexts; memory is the ceiling, the cache being read once. */
export function attentionCases(
  backend: Backend,
  {
    bits,
    shape,
    rows,
    context = longContext,
  }: { bits: KvBits; shape: DecoderShape; rows: readonly number[]; context?: number },
): CaseGroup {
  const owner = new Owner();
  const { numHeads, numKvHeads, headDim } = shape;
  const channels = numHeads * headDim;
  const perSequence = (context * 2 * numKvHeads * headDim * bits) / 8;
  const most = Math.max(...rows);
  // Enough sequences that those of the next run have left the caches.
  const sequences = Math.max(most, Math.min(Math.ceil(2 ** 28 / perSequence), 256));
  const pages = new FilledPages(owner, backend, { shape, bits, sequences, context });
  const out = storedRows(owner, backend, { stored: 'f32', channels, maxTokens: most, reordered: false });
  const cases = rows.map((tokens): KernelCase => {
    const batches = Array.from({ length: Math.floor(sequences / tokens) }, (_, turn) =>
      pages.decode(turn * tokens, tokens),
    );
    let turn = 0;
    return {
      operator: `attention KV${bits}`,
      shape: `${numHeads} / ${numKvHeads} heads of ${headDim}, ${context} tokens`,
      rows: tokens,
      operations: 4 * tokens * channels * context,
      bytes: tokens * context * pages.tokenBytes,
      run() {
        turn = (turn + 1) % batches.length;
        backend.attention({
          ...pages.operands,
          scale: headDim ** -0.5,
          batch: batches[turn]!,
          out,
        });
      },
    };
  });
  return { cases, [Symbol.dispose]: () => owner[Symbol.dispose]() };
}
