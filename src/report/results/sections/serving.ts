// Serving: conversations, and prompts that were seen before.
import { byteText, fixed, percent, significant } from '../../format.ts';
import { goalTable } from '../goals.ts';
import { of, type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';

type Loop = ResultOf<'conversations'>['data']['closed'][number];

export function conversationSection(result: ResultOf<'conversations'>): Section {
  const { fixedMemory, closed, open, settings } = result.data;
  const rate = open[0]?.rate ?? Number.NaN;
  return {
    heading: 'Serving: conversations',
    parts: [
      `Prompts and answers as long as ShareGPT's, random weights in the shape ${of(settings, 'shape')}, each scheme in ${byteText(fixedMemory.bytes)} for weights and cache. Closed loop: ${of(settings, 'concurrency')} callers ask again as soon as they are answered, which measures capacity; percentiles 50, 90, 99.`,
      loopTable(closed),
      `Open loop: ${significant(rate)} requests arrive in a second whatever happens (80 % of what the first scheme can do), which measures delay.`,
      loopTable(open),
      ...sources(result),
    ],
  };
}

export function prefixSection(result: ResultOf<'prefix'>): Section {
  const { results, settings } = result.data;
  const [first] = results;
  const rows = results.map(({ scheme, found, unseen, seen, times }) => [
    scheme,
    fixed(found, 0),
    significant(1000 * unseen),
    significant(1000 * seen),
    `${fixed(times, 1)}x`,
  ]);
  return {
    heading: 'Serving: prompts seen before',
    parts: [
      `Milliseconds to the first token of prompts of ${first?.prompt} tokens, random weights in the shape ${of(settings, 'shape')}, asked for the first and for the second time; medians.`,
      table(['scheme', 'tokens found', 'unseen, ms', 'seen, ms', 'times'], rows),
      ...goalTable(
        results
          .filter(({ scheme }) => scheme.startsWith('W4A4'))
          .map(({ scheme, times }) => ({
            ...{ what: `${scheme}: a prompt seen before begins sooner`, goal: 20 },
            ...{ unit: 'times', measured: times },
          })),
        result,
      ),
      ...sources(result),
    ],
  };
}

function loopTable(loops: readonly Loop[]): string {
  const three = ({ p50, p90, p99 }: Loop['timePerToken'], factor: number) =>
    [p50, p90, p99].map((value) => significant(value * factor)).join(' / ');
  const rows = loops.map((loop) => [
    loop.scheme,
    significant(loop.tokensPerSecond),
    three(loop.timeToFirstToken, 1),
    three(loop.timePerToken, 1000),
    fixed(loop.batch.mean, 1),
    percent(loop.cache.mean, 0),
    fixed(loop.waitingMean, 1),
  ]);
  return table(
    ['scheme', 'tokens/s', 'first token, s', 'a token, ms', 'batch', 'cache in use', 'waiting'],
    rows,
  );
}
