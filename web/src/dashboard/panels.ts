// What the dashboard plots: nine panels, each with its lines, its figure and how the server's samples become its columns.
import type { LiveSample, Percentiles } from '../../../src/server/stats-reply.ts';
import type { ServerView } from '../api/server-link.ts';
import { count, duration, percent, quantity } from '../format.ts';
import type { Columns, Line } from './plot.tsx';

export interface PanelSpec {
  readonly name: string;
  readonly title: string;
  readonly lines: readonly (Line & { readonly read: (sample: LiveSample) => number | null })[];
  readonly format: (value: number) => string;
  /** The axis reaches at least this far. */
  readonly top: number;
  /** The one figure beside the title. */
  readonly figure: (server: ServerView) => string;
}

const last = ({ samples }: ServerView) => samples.at(-1);

const percentilesOf = (read: (sample: LiveSample) => Percentiles | null): PanelSpec['lines'] => [
  { label: 'p50', color: 1, filled: true, read: (sample) => read(sample)?.p50 ?? null },
  { label: 'p90', color: 2, read: (sample) => read(sample)?.p90 ?? null },
  { label: 'p99', color: 3, read: (sample) => read(sample)?.p99 ?? null },
];

const median = (value: Percentiles | null | undefined) => (value ? duration(value.p50) : '–');

export const panels: readonly PanelSpec[] = [
  {
    name: 'batch',
    title: 'Batch and queue',
    lines: [
      { label: 'running', color: 1, filled: true, stepped: true, read: ({ running }) => running },
      { label: 'waiting', color: 2, stepped: true, read: ({ waiting }) => waiting },
    ],
    format: (value) => (Number.isInteger(value) ? count(value) : ''),
    top: 4,
    figure: (server) => {
      const most = server.model?.maxBatch;
      return `${count(last(server)?.running ?? 0)}${most === undefined ? '' : ` of ${count(most)}`}`;
    },
  },
  {
    name: 'generated',
    title: 'Tokens generated per second',
    lines: [
      { label: 'generated', color: 1, filled: true, read: (sample) => sample.generationTokensPerSecond },
    ],
    format: quantity,
    top: 10,
    figure: (server) => `${quantity(last(server)?.generationTokensPerSecond ?? 0)} /s`,
  },
  {
    name: 'read',
    title: 'Prompt tokens read per second',
    lines: [{ label: 'read', color: 3, filled: true, read: (sample) => sample.promptTokensPerSecond }],
    format: quantity,
    top: 10,
    figure: (server) => `${quantity(last(server)?.promptTokensPerSecond ?? 0)} /s`,
  },
  {
    name: 'kv',
    title: 'KV cache in use',
    lines: [{ label: 'in use', color: 1, filled: true, read: ({ kvUsage }) => kvUsage }],
    format: percent,
    top: 1,
    figure: (server) => percent(last(server)?.kvUsage ?? 0),
  },
  {
    name: 'prefix',
    title: 'Prompt tokens found in the prefix cache',
    lines: [{ label: 'found', color: 1, sparse: true, read: ({ prefixHitRate }) => prefixHitRate }],
    format: percent,
    top: 1,
    figure: ({ stats }) => {
      const { prefixCacheHits = 0, prefixCacheQueries = 0 } = stats?.engine ?? {};
      return prefixCacheQueries === 0 ? '–' : `${percent(prefixCacheHits / prefixCacheQueries)} in all`;
    },
  },
  {
    name: 'first-token',
    title: 'Time to the first token',
    lines: percentilesOf(({ latencies }) => latencies.timeToFirstToken),
    format: duration,
    top: 0.001,
    figure: ({ stats }) => median(stats?.latencies.timeToFirstToken),
  },
  {
    name: 'between-tokens',
    title: 'Time between tokens',
    lines: percentilesOf(({ latencies }) => latencies.betweenTokens),
    format: duration,
    top: 0.001,
    figure: ({ stats }) => median(stats?.latencies.betweenTokens),
  },
  {
    name: 'end-to-end',
    title: 'Time of a whole request',
    lines: percentilesOf(({ latencies }) => latencies.endToEnd),
    format: duration,
    top: 0.001,
    figure: ({ stats }) => median(stats?.latencies.endToEnd),
  },
  {
    name: 'delay',
    title: "Delay of the server's event loop, p99",
    lines: [{ label: 'p99', color: 2, filled: true, read: ({ eventLoopDelay }) => eventLoopDelay / 1000 }],
    format: duration,
    top: 0.005,
    figure: (server) => duration((last(server)?.eventLoopDelay ?? 0) / 1000),
  },
];

/** Longer silences are drawn as gaps. */
const GAP_SECONDS = 2.5;

export function columnsOf(samples: readonly LiveSample[], { lines }: PanelSpec): Columns {
  const times: number[] = [];
  const columns: (number | null)[][] = lines.map(() => []);
  for (const [i, sample] of samples.entries()) {
    const before = samples[i - 1];
    if (before !== undefined && sample.time - before.time > GAP_SECONDS) {
      times.push(before.time + 1);
      for (const column of columns) column.push(null);
    }
    times.push(sample.time);
    for (const [line, { read }] of lines.entries()) columns[line]!.push(read(sample));
  }
  return [times, ...columns];
}
