// The grammar's thread: compiles grammars, follows each answer's tokens and writes the masks of what may come next.
// Requests are done in the order in which they come.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { GrammarMatcher } from '@mlc-ai/web-xgrammar';
import { AtomError } from '../../errors.ts';
import { loadTokenizer } from '../../tokenizer/load-tokenizer.ts';
import { errorMessage } from '../step-report.ts';
import type { FromGrammar, GrammarStart, ToGrammar } from './grammar-messages.ts';
import { SharedMask } from './shared-mask.ts';
import { loadMatchers } from './xgrammar.ts';

/** One answer. */
interface Follower {
  readonly matcher: GrammarMatcher;
  readonly mask: SharedMask;
  tokens: number;
}

const port = parentPort!;
const say = (message: FromGrammar) => port.postMessage(message);
const { modelPath, vocabSize, eosTokenIds } = workerData as GrammarStart;
const followers = new Map<number, readonly Follower[]>();
/** Requests that nobody waits for any more, some perhaps not begun. */
const closed = new Set<number>();
const tokenizer = loadTokenizer(modelPath, { vocabSize });
const matchers = await loadMatchers({ tokenizer, vocabSize, eosTokenIds });

async function open({ requestId, grammar, answers }: Extract<ToGrammar, { type: 'open' }>): Promise<void> {
  const own: Follower[] = [];
  try {
    // What has come while others were compiled.
    for (let more = receiveMessageOnPort(port); more; more = receiveMessageOnPort(port))
      receive(more.message);
    if (closed.has(requestId)) throw new AtomError('cancelled', 'the request was cancelled');
    for (const { mask, tokens } of answers) {
      const follower = { matcher: await matchers.create(grammar), mask: new SharedMask(mask), tokens: 0 };
      own.push(follower);
      for (const tokenId of tokens) take(follower, tokenId);
      await publish(follower);
    }
    followers.set(requestId, own);
    say({ type: 'opened', requestId });
  } catch (error) {
    fail(requestId, error);
  }
}

async function accept({ requestId, index, tokenId }: Extract<ToGrammar, { type: 'accept' }>): Promise<void> {
  const follower = followers.get(requestId)?.[index];
  if (!follower) return;
  try {
    take(follower, tokenId);
    await publish(follower);
  } catch (error) {
    fail(requestId, error);
  }
}

function take(follower: Follower, tokenId: number): void {
  if (!follower.matcher.acceptToken(tokenId))
    throw new AtomError('internal', 'the grammar does not know a token that its mask allowed');
  follower.tokens++;
}

async function publish({ matcher, mask, tokens }: Follower): Promise<void> {
  const allowed = await matcher.getNextTokenBitmask();
  if (!matcher.isTerminated() && allowed.every((word) => word === 0))
    throw new AtomError('bad-request', 'the grammar cannot be met: it allows no token here, nor an end');
  mask.publish(tokens, allowed);
}

function fail(requestId: number, error: unknown): void {
  const isBroken = matchers.isBroken(error);
  say({ type: 'failed', requestId, error: errorMessage(error), isBroken });
  if (isBroken) process.exit();
}

function close(requestId: number): void {
  for (const { matcher } of followers.get(requestId) ?? []) matcher.dispose();
  followers.delete(requestId);
  closed.delete(requestId);
}

async function handle(message: ToGrammar): Promise<void> {
  switch (message.type) {
    case 'open':
      return open(message);
    case 'accept':
      return accept(message);
    case 'close':
      return close(message.requestId);
    default:
      return message satisfies never;
  }
}

let last: Promise<void> = Promise.resolve();
function receive(message: ToGrammar): void {
  if (message.type === 'close') closed.add(message.requestId);
  last = last.then(() => handle(message));
}
port.on('message', receive);
