// The model and the server in plain facts.
import type { ServerView } from '../api/server-link.ts';
import { count, uptime } from '../format.ts';

export function Facts({ server: { stats, model } }: { server: ServerView }) {
  const engine = stats?.engine;
  const facts: (readonly [string, string | undefined])[] = [
    ['model', model?.id ?? stats?.model],
    ['longest context', tokens(model?.maxModelLen)],
    ['largest batch', model?.maxBatch === undefined ? undefined : count(model.maxBatch)],
    ...(model?.others ?? []).map(([name, value]) => [words(name), shown(value)] as const),
    ['prompt tokens read', engine ? count(engine.promptTokens) : undefined],
    ['tokens generated', engine ? count(engine.generationTokens) : undefined],
    ['preemptions', engine ? count(engine.preemptions) : undefined],
    [
      'KV blocks',
      engine ? `${count(engine.kvBlocksUsed)} of ${count(engine.kvBlocksTotal)} in use` : undefined,
    ],
    ['server', stats ? `atom-llm ${stats.version}, up for ${uptime(stats.uptime)}` : undefined],
  ];
  return (
    <section class="card" aria-labelledby="facts-title">
      <h2 id="facts-title">Model and server</h2>
      <dl>
        {facts.map(
          ([name, value]) =>
            value !== undefined && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
    </section>
  );
}

const tokens = (value: number | undefined) => (value === undefined ? undefined : `${count(value)} tokens`);

/** `kvBytes` as `kv bytes`. */
const words = (name: string) => name.replace(/(?<=[a-z\d])([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);

function shown(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return value;
  return Number.isInteger(value) ? count(value) : String(value);
}
