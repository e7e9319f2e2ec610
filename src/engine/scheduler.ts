// Decides what each step runs: every answer in progress gets its next token, and what is left of the step's tokens goes to
// prompts, in chunks (continuous batching: Yu et al., OSDI 2022; chunks beside decodes: Agrawal et al., OSDI 2024).
// When cache blocks run out, the last in order gives its own back and is computed again later.
// The scheduler sees no tensor: `schedule` says what to run, the caller runs it and appends tokens, `settle` takes note.
import { AtomError } from '../errors.ts';
import type { BlockManager } from './block-manager.ts';
import { checkFits, type EngineRequest } from './request.ts';
import { Sequence } from './sequence.ts';
import { SequenceQueue } from './sequence-queue.ts';
import { type Run, type Step, StepDraft } from './step.ts';

/** Guesses an answer's next tokens: writes up to `limit` guesses into the sequence and returns how many. */
export type Guess = (sequence: Sequence, limit: number) => number;

export interface SchedulerOptions {
  readonly blocks: BlockManager;
  /** Most sequences of a step. */
  readonly maxBatch: number;
  /** Most tokens of a step; at least maxBatch. */
  readonly maxStepTokens: number;
  /** Longest prompt and answer together; the cache must hold it. */
  readonly maxModelLen: number;
  readonly guess?: Guess;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #waiting = new SequenceQueue();
  readonly #running = new SequenceQueue();
  /** All answers of a request that have not ended. */
  readonly #open = new Map<number, Sequence[]>();
  #arrivals = 0;
  /**
   * Since the start: sequences that gave their blocks back, tokens of prompts looked up in the cache and found there, runs with
   * guesses, their guesses, and those that were right.
   */
  readonly counts = { preemptions: 0, lookedUp: 0, found: 0, drafts: 0, draftTokens: 0, acceptedTokens: 0 };

  /** Throws `bad-option` where one sequence of the longest length would not fit. */
  constructor(options: SchedulerOptions) {
    const { blocks, maxBatch, maxStepTokens, maxModelLen } = options;
    if (maxStepTokens < maxBatch)
      throw new AtomError(
        'bad-option',
        `steps of ${maxStepTokens} tokens are too short for ${maxBatch} sequences`,
      );
    if (blocks.numBlocks * blocks.blockSize < maxModelLen) {
      throw new AtomError(
        'bad-option',
        `a cache of ${blocks.numBlocks * blocks.blockSize} tokens does not hold one sequence of ${maxModelLen}`,
      );
    }
    this.#options = options;
  }

  get numRunning(): number {
    return this.#running.length;
  }

  get numWaiting(): number {
    return this.#waiting.length;
  }

  get idle(): boolean {
    return this.#open.size === 0;
  }

  /** Whether any answer of the request has not ended. */
  has(requestId: number): boolean {
    return this.#open.has(requestId);
  }

  /** Every answer that has not ended. */
  get sequences(): Iterable<Sequence> {
    return [...this.#running, ...this.#waiting];
  }

  /** Takes a request. Throws `context-length-exceeded` for one that could never end, `bad-request` for an empty one. */
  add(request: EngineRequest): Sequence {
    checkFits(request, this.#options.maxModelLen);
    const sequence = Sequence.start(request, { arrival: this.#arrivals++, blocks: this.#options.blocks });
    this.#open.set(request.id, [sequence]);
    this.#waiting.add(sequence);
    return sequence;
  }

  /** Ends a request, or one of its answers, without a result. Unknown ones may have ended already. */
  cancel(requestId: number, index?: number): void {
    for (const sequence of [...(this.#open.get(requestId) ?? [])]) {
      if (index === undefined || sequence.index === index) this.#close(sequence);
    }
  }

  /** What to run next; undefined when there is nothing to do. */
  schedule(): Step | undefined {
    const preemptionsBefore = this.counts.preemptions;
    const draft = new StepDraft(this.#options.maxStepTokens);
    this.#addDecodes(draft);
    this.#addStartedPrompts(draft);
    // Whoever has just given its blocks back would take them again at once.
    if (this.counts.preemptions === preemptionsBefore) this.#admit(draft);
    for (const run of draft.finishPrompts()) run.samples = this.#samplesOf(run);
    return draft.runs.length > 0 ? draft : undefined;
  }

  /** Takes note of a step that was run, its tokens appended to the sequences that sample. */
  settle(step: Step): void {
    for (const { sequence, start, count, guesses, samples } of step.runs) {
      if (guesses > 0) {
        this.counts.drafts++;
        this.counts.draftTokens += guesses;
        // One token is sampled without any guess.
        this.counts.acceptedTokens += Math.max(0, sequence.length - (start + 1) - 1);
      }
      sequence.computed = computedAfter(sequence, start + count);
      sequence.table.register(sequence.tokens, sequence.computed);
      for (const sample of samples) {
        sample.computed = computedAfter(sample, start + count);
        if (sample.request.maxTokens === 0) sample.finish = 'length';
        if (sample.finish !== undefined) this.#close(sample);
      }
    }
    // A prompt's other answers may be more than run together.
    while (this.#running.length > this.#options.maxBatch) this.#preempt();
  }

  #addDecodes(draft: StepDraft): void {
    // Sequences further down may be preempted on the way.
    for (let place = 0; place < this.#running.length; place++) {
      const sequence = this.#running.at(place);
      if (isPrompt(sequence)) continue;
      const later = this.#running.length - 1 - place;
      if (!this.#makeRoom(sequence)) continue;
      const guesses = this.#guess(sequence, draft.left - 1 - later);
      const copy = sequence.table.reserve(sequence.length + guesses, sequence.computed);
      if (copy) draft.copies.push(copy);
      draft.addDecode(sequence, guesses);
    }
  }

  /** Frees blocks for the next token, at the cost of those last in order; false when that was the sequence itself. */
  #makeRoom(sequence: Sequence): boolean {
    const { blocks } = this.#options;
    while (sequence.table.blocksNeeded(sequence.length, sequence.computed) > blocks.numFree) {
      if (this.#preempt() === sequence) return false;
    }
    return true;
  }

  #guess(sequence: Sequence, left: number): number {
    const { guess, blocks, maxModelLen } = this.#options;
    if (!guess) return 0;
    const { table, length, request, promptLength } = sequence;
    const end = Math.min(maxModelLen, promptLength + request.maxTokens);
    let limit = Math.min(left, end - length - 1);
    // Guesses never cost anybody a block.
    if (table.blocksNeeded(length + limit, sequence.computed) > blocks.numFree - this.#running.length)
      limit = Math.min(limit, table.blocks.length * blocks.blockSize - length);
    return limit > 0 ? guess(sequence, limit) : 0;
  }

  #addStartedPrompts(draft: StepDraft): void {
    for (const sequence of this.#running) {
      const othersFollow = sequence !== this.#running.last || this.#waiting.length > 0;
      if (isPrompt(sequence)) draft.addPrompt(sequence, othersFollow);
    }
  }

  /** Starts those who wait, in order, as long as there is room for the whole of what they have. */
  #admit(draft: StepDraft): void {
    const { blocks, maxBatch } = this.#options;
    for (let next = this.#waiting.first; next && draft.left > 0; next = this.#waiting.first) {
      if (this.#running.length >= maxBatch) return;
      const { table, tokens, length, request } = next;
      // The last token is always run: its hidden state gives the logits. Scores of a prompt need all of it.
      const scoring = request.promptLogprobs !== undefined && next.generated === 0;
      const known = scoring ? 0 : table.takeKnown(tokens, length - 1);
      const needed = table.blocksNeeded(length, known);
      const spare = this.#running.length > 0 ? this.#spareWith(next) : 0;
      if (needed + spare > blocks.numFree) {
        table.release();
        return;
      }
      table.reserve(length, known);
      // What is computed again was found or not found before.
      if (!scoring && next.cachedTokens === undefined) {
        this.counts.lookedUp += length;
        this.counts.found += known;
      }
      next.computed = known;
      next.cachedTokens ??= known;
      this.#waiting.remove(next);
      this.#running.add(next);
      draft.addPrompt(next, this.#waiting.length > 0);
    }
  }

  /**
   * Blocks to be left free beside whoever is let in: the next one of each answer, where it will ever need one, so that
   * nobody gives its own back before everyone has filled a block.
   */
  #spareWith(next: Sequence): number {
    let spare = nextBlocks(next, this.#options.blocks.blockSize);
    for (const sequence of this.#running) spare += nextBlocks(sequence, this.#options.blocks.blockSize);
    return spare;
  }

  /** At the end of a prompt the request's other answers begin; at the end of what is computed again, nobody else. */
  #samplesOf({ sequence, start, count }: Run): readonly Sequence[] {
    const { request } = sequence;
    if (start + count < sequence.length) return [];
    if (sequence.forked) return [sequence];
    sequence.forked = true;
    const siblings = Array.from({ length: request.n - 1 }, (_, i) => sequence.fork(i + 1));
    for (const sibling of siblings) this.#running.add(sibling);
    const samples = [sequence, ...siblings];
    this.#open.set(request.id, samples);
    return samples;
  }

  /** The last in order gives its blocks back and waits. */
  #preempt(): Sequence {
    const victim = this.#running.last!;
    this.#running.remove(victim);
    victim.release();
    this.#waiting.add(victim);
    this.counts.preemptions++;
    return victim;
  }

  #close(sequence: Sequence): void {
    if (!this.#running.remove(sequence)) this.#waiting.remove(sequence);
    sequence.release();
    const { id } = sequence.request;
    const left = this.#open.get(id)!.filter((other) => other !== sequence);
    if (left.length > 0) this.#open.set(id, left);
    else this.#open.delete(id);
  }
}

/**
 * What of a sequence is in the cache once its tokens before `end` are run: not the last token, which the next one needs
 * run, nor guesses that did not become tokens.
 */
function computedAfter({ length }: Sequence, end: number): number {
  return Math.min(end, length - 1);
}

/** Blocks beyond those of its tokens that a sequence takes next, if it takes any: one, or one for each answer to its prompt. */
function nextBlocks(sequence: Sequence, blockSize: number): number {
  const { request, promptLength, length, forked } = sequence;
  const answers = forked ? 1 : request.n;
  // An answer's last token is never run.
  const most = promptLength + Math.max(1, request.maxTokens) - 1;
  // Several answers part in the prompt's last block, each with a copy.
  const held = answers > 1 ? length : Math.ceil(length / blockSize) * blockSize;
  return most > held ? answers : 0;
}

/** Whether the sequence has more to run than its last token, or has no token of its own yet. */
function isPrompt(sequence: Sequence): boolean {
  return sequence.computed < sequence.length - 1 || sequence.generated === 0;
}
