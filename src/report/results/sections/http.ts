// What HTTP costs over the engine alone, on models small and large.
import { fixed, percent } from '../../format.ts';
import { type Goal, goalTableOf } from '../goals.ts';
import { type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';

export function httpSection(results: readonly ResultOf<'http'>[]): Section {
  const rows = results.map(({ title, data }) => {
    const costs = data.rounds.map(({ cost }) => cost);
    return [
      title,
      fixed(data.streams, 0),
      fixed(data.threads, 0),
      fixed(data.engine, 0),
      fixed(data.http, 0),
      `${percent(data.cost)} (${percent(Math.min(...costs))} to ${percent(Math.max(...costs))})`,
      fixed(data.loopDelayP99, 1),
      percent(Math.max(...data.rounds.map(({ serverBusy }) => serverBusy))),
    ];
  });
  return {
    heading: 'HTTP',
    parts: [
      "The same streams through the server and from the engine alone, in turn; the clients run in the same process, so their work is part of the cost. Medians of the rounds, in brackets their range; the event loop's delay is the 99th percentile of the worst round.",
      table(
        [
          '',
          'streams',
          'kernel threads',
          'engine, tokens/s',
          'HTTP, tokens/s',
          'cost',
          'loop delay, ms',
          'HTTP thread busy',
        ],
        rows,
      ),
      ...goalTableOf(results, goals),
      ...sources(...results),
    ],
  };
}

function goals({ title, data }: ResultOf<'http'>): Goal[] {
  return [
    {
      ...{ what: `${title}: cost of HTTP`, goal: 0.05, unit: 'percent' },
      ...{ atMost: true, measured: data.cost },
    },
    {
      ...{ what: `${title}: loop delay, p99`, goal: 50, unit: 'ms' },
      ...{ atMost: true, measured: data.loopDelayP99 },
    },
  ];
}
