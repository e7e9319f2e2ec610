// Runs what a step names: fills the batch, runs the model, and samples from the rows that give a token.
// It holds the tensors of the engine and no queue; whom to run is the scheduler's matter.
import type { Backend, KvCache } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import { BatchBuffer } from '../model/batch-buffer.ts';
import type { Model } from '../model/model.ts';
import type { TokenLogprob } from './engine-types.ts';
import { tokenLogprob } from './logprobs.ts';
import type { StepTimes } from './messages.ts';
import type { Sequence } from './sequence.ts';
import { SequenceSampler } from './sequence-sampler.ts';
import type { Run, Step } from './step.ts';

/** Where a step's results go, in order for each sequence. */
export interface StepResults {
  token(sequence: Sequence, tokenId: number, scores: TokenLogprob | undefined): void;
  /** All scores of a prompt, once; the first token has none. */
  promptScores(sequence: Sequence, scores: readonly (TokenLogprob | null)[]): void;
  /** No token could be sampled; the sequence is as it was. */
  failed(sequence: Sequence, error: unknown): void;
}

/** What holds answers to their grammars. */
export interface Grammars {
  /** A step's masks will be asked for: it may wait for them anew. */
  startStep(): void;
  /** (ceil(vocab / 32)) bits of the tokens allowed next; undefined while it is not known. Throws where it never will be. */
  mask(sequence: Sequence): Int32Array | undefined;
  /** The sequence goes on with this token. */
  accept(sequence: Sequence, tokenId: number): void;
}

export interface RunnerOptions {
  readonly model: Model;
  readonly backend: Backend;
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly maxBatch: number;
  readonly maxModelLen: number;
  /** Follows the grammars of requests that have one. */
  readonly grammars?: Grammars | undefined;
}

/** What the runner remembers of a sequence between steps. */
interface Memory {
  readonly sampler: SequenceSampler;
  /** So far; undefined where they are not asked for, are another answer's matter, or have been told. */
  promptScores: (TokenLogprob | null)[] | undefined;
}

export class Runner implements Disposable {
  readonly #model: Model;
  readonly #backend: Backend;
  readonly #cache: KvCache;
  readonly #buffer: BatchBuffer;
  readonly #outputRows: Tensor; // (maxOutputs) i32
  readonly #scratch: Tensor; // (vocab) f32
  readonly #memories = new WeakMap<Sequence, Memory>();
  readonly #grammars: Grammars | undefined;
  // Rows of the step whose logits are wanted: place in the batch, position in the sequence, and whose they are.
  readonly #rows: number[] = [];
  readonly #positions: number[] = [];
  readonly #owners: Run[] = [];
  /** The run whose last token was not the one guessed: its rows that follow mean nothing. */
  #wrongGuess: Run | undefined;
  /** Milliseconds of the current step inside the model. */
  #modelTime = 0;

  constructor({ model, backend, numBlocks, blockSize, maxBatch, maxModelLen, grammars }: RunnerOptions) {
    this.#model = model;
    this.#backend = backend;
    this.#cache = model.createKvCache({ blockSize, numBlocks });
    this.#buffer = new BatchBuffer(backend, {
      maxTokens: model.maxTokens,
      maxSequences: maxBatch,
      maxBlocksPerSequence: Math.ceil(maxModelLen / blockSize),
    });
    this.#outputRows = backend.allocate('i32', [model.maxOutputs]);
    this.#scratch = backend.allocate('f32', [model.config.vocabSize]);
    this.#grammars = grammars;
  }

  get cacheBytes(): number {
    return this.#cache.byteLength;
  }

  /** Runs the step; sampled tokens are appended to their sequences and told to `results`. Says what took how long. */
  run(step: Step, results: StepResults): Pick<StepTimes, 'model' | 'sample'> {
    const begin = performance.now();
    this.#modelTime = 0;
    for (const { from, to } of step.copies) this.#backend.copyBlock(this.#cache, from, to);
    const chunks = step.runs.map(({ sequence, start, count }) => ({
      tokenIds: sequence.tokens.subarray(start, start + count),
      start,
      blocks: sequence.table.blocks,
    }));
    const batch = this.#buffer.fill(chunks);
    this.#timed(() => this.#model.run({ batch, cache: this.#cache }));
    this.#listRows(step);
    this.#grammars?.startStep();
    const most = this.#model.maxOutputs;
    for (let first = 0; first < this.#rows.length; first += most) {
      this.#useLogits(first, Math.min(most, this.#rows.length - first), results);
    }
    return { model: this.#modelTime, sample: performance.now() - begin - this.#modelTime };
  }

  /** Rows that are sampled from, and those that score a prompt. */
  #listRows({ runs }: Step): void {
    this.#rows.length = this.#positions.length = this.#owners.length = 0;
    this.#wrongGuess = undefined;
    let firstRow = 0;
    for (const run of runs) {
      const scores = this.#scoresOf(run.sequence);
      const from = Math.max(run.start, Math.min(scores ? scores.length - 1 : Infinity, samplesFrom(run)));
      for (let position = from; position < run.start + run.count; position++) {
        this.#rows.push(firstRow + position - run.start);
        this.#positions.push(position);
        this.#owners.push(run);
      }
      firstRow += run.count;
    }
  }

  /** Logits of the listed rows [first, first + count), each handed to its run. */
  #useLogits(first: number, count: number, results: StepResults): void {
    const rows = this.#outputRows.i32();
    for (let i = 0; i < count; i++) rows[i] = this.#rows[first + i]!;
    const outputs = { outputRows: this.#outputRows, numOutputs: count };
    const logits = this.#timed(() => this.#model.logits(outputs));
    for (let row = 0; row < count; row++) {
      const run = this.#owners[first + row]!;
      const position = this.#positions[first + row]!;
      this.#scorePrompt(run.sequence, { position, logits, row, results });
      if (position < samplesFrom(run) || this.#wrongGuess === run) continue;
      for (const sample of run.samples) this.#sample(run, { sample, logits, row, results });
    }
  }

  #sample(
    run: Run,
    { sample, logits, row, results }: { sample: Sequence; logits: Tensor; row: number; results: StepResults },
  ): void {
    const { logprobs, minTokens, maxTokens, stopTokenIds } = sample.request;
    if (maxTokens === 0) return;
    try {
      const { sampler } = this.#memoryOf(sample);
      const grammars = sample.request.grammar === undefined ? undefined : this.#grammars;
      const mask = grammars?.mask(sample);
      if (grammars && !mask) {
        // It is run again in the next step.
        this.#wrongGuess = run;
        return;
      }
      const banned = sample.generated < minTokens && !mask ? stopTokenIds : undefined;
      const tokenId = sampler.choose(this.#backend, {
        logits,
        row,
        scratch: this.#scratch,
        position: sample.length,
        restrictions: { banned, mask },
      });
      const guessed = sample.tokens[sample.length] === tokenId;
      sampler.see(tokenId);
      const goesOn = sample.append(tokenId);
      if (!goesOn || !guessed) this.#wrongGuess = run;
      if (goesOn) grammars?.accept(sample, tokenId);
      results.token(
        sample,
        tokenId,
        logprobs === undefined ? undefined : this.#scoreOf(logits, row, { tokenId, top: logprobs }),
      );
    } catch (error) {
      this.#wrongGuess = run;
      results.failed(sample, error);
    }
  }

  /** Row `position` tells how probable the prompt's next token was, where that is asked. */
  #scorePrompt(
    sequence: Sequence,
    {
      position,
      logits,
      row,
      results,
    }: { position: number; logits: Tensor; row: number; results: StepResults },
  ): void {
    const scores = this.#scoresOf(sequence);
    if (!scores) return;
    const { prompt, promptLogprobs = 0 } = sequence.request;
    const next = prompt[position + 1];
    if (next !== undefined) {
      scores.push(this.#scoreOf(logits, row, { tokenId: next, top: promptLogprobs }));
      return;
    }
    results.promptScores(sequence, scores);
    this.#memoryOf(sequence).promptScores = undefined;
  }

  #scoreOf(logits: Tensor, row: number, { tokenId, top }: { tokenId: number; top: number }): TokenLogprob {
    const logTotal = this.#backend.logTotal({ logits, row });
    return tokenLogprob(logits.rows(row, 1).f32(), tokenId, { top, logTotal });
  }

  #scoresOf(sequence: Sequence): Memory['promptScores'] {
    return sequence.request.promptLogprobs === undefined ? undefined : this.#memoryOf(sequence).promptScores;
  }

  #timed<T>(work: () => T): T {
    const begin = performance.now();
    const result = work();
    this.#modelTime += performance.now() - begin;
    return result;
  }

  #memoryOf(sequence: Sequence): Memory {
    const known = this.#memories.get(sequence);
    if (known) return known;
    const { request, index } = sequence;
    const sampler = new SequenceSampler({ sampling: request.sampling, prompt: request.prompt, index });
    const isAsked = request.promptLogprobs !== undefined && index === 0;
    const memory: Memory = { sampler, promptScores: isAsked ? [null] : undefined };
    this.#memories.set(sequence, memory);
    return memory;
  }

  [Symbol.dispose](): void {
    for (const resource of [this.#cache, this.#buffer, this.#outputRows, this.#scratch])
      resource[Symbol.dispose]();
  }
}

/** Position of the first row that is sampled from; beyond the run where nobody samples. */
function samplesFrom({ start, count, guesses, samples }: Run): number {
  return start + count - (samples.length > 0 ? 1 + guesses : 0);
}
