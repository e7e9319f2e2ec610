// Answers likelihood requests with a model. What the requests of a group share is computed once: its keys and values
// lie in cache blocks that all of the group name. Rows of many requests run in one step. Since a row's result does not
// depend on which rows are beside it, the answers are the bits that each request alone would give.
import type { Backend, KvCache } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import { AtomError } from '../errors.ts';
import { BatchBuffer, type SequenceChunk } from '../model/batch-buffer.ts';
import type { Model } from '../model/model.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import {
  encodeRequest,
  type Likelihood,
  type LikelihoodRequest,
  type LikelihoodScorer,
  type ScoreOptions,
  type TokenRequest,
} from './likelihood.ts';

/** Tokens of a cache block, and so the granularity of sharing. */
const blockSize = 16;
/** Sequences of one step; steps are filled by rows long before. */
const maxSequences = 128;
export interface ModelScorerOptions {
  readonly model: Model;
  readonly backend: Backend;
  readonly tokenizer: Tokenizer;
  readonly addBos?: boolean;
}

/** Scores text. The caller keeps and disposes model and backend. */
export class ModelScorer implements LikelihoodScorer {
  readonly #options: ModelScorerOptions;

  constructor(options: ModelScorerOptions) {
    this.#options = options;
  }

  async score(
    groups: readonly (readonly LikelihoodRequest[])[],
    { onProgress, signal }: ScoreOptions = {},
  ): Promise<readonly (readonly Likelihood[])[]> {
    const { model, backend, tokenizer, addBos = false } = this.#options;
    const encoding = { tokenizer, addBos, maxLength: model.maxPositions };
    const encoded = groups.map((group) => group.map((request) => encodeRequest(request, encoding)));
    const longest = encoded.flat().reduce((most, { ids }) => Math.max(most, ids.length - 1), 1);
    using runner = new GroupRunner({ model, backend, longest });
    const answers: Likelihood[][] = [];
    for (const [index, group] of encoded.entries()) {
      if (signal?.aborted)
        throw new AtomError('cancelled', 'the evaluation was interrupted', { cause: signal.reason });
      answers.push(runner.add(group));
      onProgress?.(index + 1, groups.length);
      // Lets an interrupt in, and the progress bar out.
      await new Promise((resolve) => setImmediate(resolve));
    }
    runner.flush();
    return answers;
  }
}

/** A row of the step whose logits are wanted: which token they are to predict, and whose answer it belongs to. */
interface Target {
  readonly row: number;
  readonly token: number;
  readonly answer: { logProb: number; greedy: boolean };
}

/** A stretch of one request to be run, and the requests' answers its rows predict tokens of. */
interface Stretch {
  readonly ids: Int32Array;
  /** Positions from `start` up to `end`. */
  readonly start: number;
  readonly end: number;
  readonly blocks: readonly number[];
  /** Positions from here on predict tokens of `answer`. */
  readonly scoredFrom: number;
  readonly answer?: Target['answer'];
}

class GroupRunner implements Disposable {
  readonly #model: Model;
  readonly #backend: Backend;
  readonly #cache: KvCache;
  readonly #buffer: BatchBuffer;
  readonly #outputRows: Tensor; // (maxOutputs) i32
  readonly #targetIds: Tensor; // (maxOutputs) i32
  readonly #logProbs: Tensor; // (maxOutputs) f32
  readonly #free: number[];
  /** Blocks whose sequences are complete once the waiting step has run. */
  #leaving: number[] = [];
  #chunks: SequenceChunk[] = [];
  #targets: Target[] = [];
  #rows = 0;

  /** `longest`: tokens of the longest input. */
  constructor({ model, backend, longest }: { model: Model; backend: Backend; longest: number }) {
    const blocksPerSequence = Math.ceil(longest / blockSize);
    // What a group shares and its longest request must fit; the rest is room for those that wait in the same step,
    // whose last blocks are partly empty.
    const numBlocks = 2 * (blocksPerSequence + Math.ceil(model.maxTokens / blockSize));
    this.#model = model;
    this.#backend = backend;
    this.#cache = model.createKvCache({ blockSize, numBlocks });
    this.#buffer = new BatchBuffer(backend, {
      maxTokens: model.maxTokens,
      maxSequences,
      maxBlocksPerSequence: blocksPerSequence,
    });
    this.#outputRows = backend.allocate('i32', [model.maxOutputs]);
    this.#targetIds = backend.allocate('i32', [model.maxOutputs]);
    this.#logProbs = backend.allocate('f32', [model.maxOutputs]);
    this.#free = Array.from({ length: numBlocks }, (_, block) => block);
  }

  /** The answers are complete after `flush`. */
  add(group: readonly TokenRequest[]): Likelihood[] {
    const answers = group.map(() => ({ logProb: 0, greedy: true }));
    const shared = sharedLength(group);
    const sharedBlocks = this.#take(shared / blockSize);
    if (shared > 0) {
      const { ids } = group[0]!;
      this.#push({ ids, start: 0, end: shared, blocks: sharedBlocks, scoredFrom: shared });
    }
    for (const [index, { ids, scored }] of group.entries()) {
      if (scored === 0) continue;
      const end = ids.length - 1;
      const own = this.#take(Math.ceil((end - shared) / blockSize));
      this.#push({
        ids,
        start: shared,
        end,
        blocks: [...sharedBlocks, ...own],
        scoredFrom: end - scored,
        answer: answers[index]!,
      });
      this.#leaving.push(...own);
    }
    this.#leaving.push(...sharedBlocks);
    return answers;
  }

  /** Runs what waits. */
  flush(): void {
    if (this.#rows > 0) {
      this.#model.run({ batch: this.#buffer.fill(this.#chunks), cache: this.#cache });
      const most = this.#model.maxOutputs;
      for (let first = 0; first < this.#targets.length; first += most)
        this.#scoreTargets(this.#targets.slice(first, first + most));
    }
    this.#free.push(...this.#leaving);
    this.#leaving = [];
    this.#chunks = [];
    this.#targets = [];
    this.#rows = 0;
  }

  #take(count: number): number[] {
    if (this.#free.length < count) this.flush();
    if (this.#free.length < count) {
      throw new AtomError(
        'internal',
        `${count} cache blocks were wanted where ${this.#free.length} are free`,
      );
    }
    return this.#free.splice(this.#free.length - count, count);
  }

  /** Puts a stretch into the waiting step, and into as many more as it takes. */
  #push({ ids, start, end, blocks, scoredFrom, answer }: Stretch): void {
    for (let from = start; from < end; ) {
      if (this.#rows === this.#model.maxTokens || this.#chunks.length === maxSequences) this.flush();
      const to = Math.min(end, from + this.#model.maxTokens - this.#rows);
      this.#chunks.push({ tokenIds: ids.subarray(from, to), start: from, blocks });
      for (let position = Math.max(from, scoredFrom); answer && position < to; position++) {
        this.#targets.push({ row: this.#rows + position - from, token: ids[position + 1]!, answer });
      }
      this.#rows += to - from;
      from = to;
    }
  }

  #scoreTargets(targets: readonly Target[]): void {
    const rows = targets.length;
    this.#outputRows.i32().set(targets.map(({ row }) => row));
    this.#targetIds.i32().set(targets.map(({ token }) => token));
    const logits = this.#model.logits({ outputRows: this.#outputRows, numOutputs: rows });
    this.#backend.logProb({ logits, tokenIds: this.#targetIds, out: this.#logProbs, rows });
    const logProbs = this.#logProbs.f32();
    const vocab = logits.shape[1]!;
    const values = logits.f32(); // (rows, vocab)
    for (const [index, { token, answer }] of targets.entries()) {
      answer.logProb += logProbs[index]!;
      answer.greedy &&= isLargest(values.subarray(index * vocab, (index + 1) * vocab), token);
    }
  }

  [Symbol.dispose](): void {
    for (const resource of [this.#cache, this.#buffer, this.#outputRows, this.#targetIds, this.#logProbs]) {
      resource[Symbol.dispose]();
    }
  }
}

/** Tokens at the beginning that all inputs have and none scores from, in whole blocks; 0 where there is one input. */
function sharedLength(group: readonly TokenRequest[]): number {
  const [first] = group;
  if (!first || group.length < 2) return 0;
  let length = Math.min(...group.map(({ ids, scored }) => ids.length - 1 - Math.max(scored, 1)));
  for (const { ids } of group) {
    let same = 0;
    while (same < length && ids[same] === first.ids[same]) same++;
    length = same;
  }
  return Math.max(length - (length % blockSize), 0);
}

/** Whether the token has the largest logit; of equals the first. */
function isLargest(logits: Float32Array, token: number): boolean {
  const value = logits[token]!;
  for (let other = 0; other < logits.length; other++) {
    if (logits[other]! > value || (logits[other] === value && other < token)) return false;
  }
  return true;
}
