// The grammar's thread: compiles grammars, follows each answer's tokens and writes the masks of what may come next.
// Requests are done in the order in which they come.
import { parentPort, workerData } from 'node:worker_threads';
import type { GrammarMatcher } from '@mlc-ai/web-xgrammar';
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
const tokenizer = loadTokenizer(modelPath, { vocabSize });
const matchers = loadMatchers({ tokenizer, vocabSize, eosTokenIds });

async function publish({ matcher, mask, tokens }: Follower): Promise<void> {
  mask.publish(tokens, await matcher.getNextTokenBitmask());
}

async function open({ requestId, grammar, masks }: Extract<ToGrammar, { type: 'open' }>): Promise<void> {
  const own: Follower[] = [];
  try {
    for (const buffer of masks) {
      const matcher = await (await matchers).create(grammar);
      own.push({ matcher, mask: new SharedMask(buffer), tokens: 0 });
      await publish(own.at(-1)!);
    }
    followers.set(requestId, own);
    say({ type: 'opened', requestId });
  } catch (error) {
    for (const { matcher } of own) matcher.dispose();
    say({ type: 'failed', requestId, error: errorMessage(error) });
  }
}

async function accept({ requestId, index, tokenId }: Extract<ToGrammar, { type: 'accept' }>): Promise<void> {
  const follower = followers.get(requestId)?.[index];
  if (!follower) return;
  try {
    if (!follower.matcher.acceptToken(tokenId)) return follower.mask.fail();
    follower.tokens++;
    await publish(follower);
  } catch {
    // The engine fails the request where it needs the mask.
    follower.mask.fail();
  }
}

function close(requestId: number): void {
  for (const { matcher } of followers.get(requestId) ?? []) matcher.dispose();
  followers.delete(requestId);
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
port.on('message', (message: ToGrammar) => {
  last = last.then(() => handle(message));
});
