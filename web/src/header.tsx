// The page's head: what runs, how busy it is, the two views and the theme.
import type { ServerView } from './api/server-link.ts';
import { count, percent, quantity } from './format.ts';
import { useTheme } from './theme.ts';

export type View = 'playground' | 'dashboard';

const views: readonly (readonly [View, string])[] = [
  ['playground', 'Playground'],
  ['dashboard', 'Dashboard'],
];

export function Header({ view, server }: { view: View; server: ServerView }) {
  const [theme, nextTheme] = useTheme();
  return (
    <header class="head">
      <div class="name">
        <img src="/icon.svg" alt="" width="26" height="26" />
        <h1>Atom</h1>
        <span class="model" title={server.stats?.model}>
          {server.stats?.model ?? ''}
        </span>
        <StateBadge server={server} />
      </div>
      <nav aria-label="Views">
        {views.map(([name, label]) => (
          <a key={name} href={`#${name}`} aria-current={view === name ? 'page' : undefined}>
            {label}
          </a>
        ))}
      </nav>
      <Load server={server} />
      <button
        type="button"
        class="quiet theme"
        onClick={nextTheme}
        aria-label={`Theme: ${theme}; press for the next`}
      >
        {themeSigns[theme]}
      </button>
    </header>
  );
}

const themeSigns = { system: '◐', light: '☀', dark: '☾' } as const;

const words: Readonly<Record<string, string>> = {
  connecting: 'connecting',
  locked: 'key needed',
  down: 'not reachable',
  loading: 'loading',
  ready: 'ready',
  draining: 'shutting down',
  closed: 'closed',
};

function StateBadge({ server: { link, stats } }: { server: ServerView }) {
  const state = link === 'up' ? (stats?.state ?? 'connecting') : link;
  return (
    <span class={`badge ${state}`} role="status">
      {words[state]}
    </span>
  );
}

/** The last second in four figures. */
function Load({ server: { samples, model, link } }: { server: ServerView }) {
  const last = link === 'up' ? samples.at(-1) : undefined;
  if (last === undefined) return <div class="load" />;
  const of = model?.maxBatch === undefined ? '' : ` / ${count(model.maxBatch)}`;
  const figures = [
    ['running', `${count(last.running)}${of}`],
    ['waiting', count(last.waiting)],
    ['KV cache', percent(last.kvUsage)],
    ['tokens/s', quantity(last.generationTokensPerSecond)],
  ] as const;
  return (
    <dl class="load">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
