// What stands in the way, over everything else: no server, no key, no model yet.
import type { ServerView } from './api/server-link.ts';

export interface BannerProps {
  readonly server: ServerView;
  readonly apiKey: string;
  readonly onApiKey: (apiKey: string) => void;
}

export function Banner({ server: { link, stats }, apiKey, onApiKey }: BannerProps) {
  if (link === 'locked') return <KeyForm apiKey={apiKey} onApiKey={onApiKey} />;
  const text =
    link === 'down'
      ? 'The server does not answer. This page tries again every few seconds and goes on by itself.'
      : link === 'up' && stats !== undefined
        ? states[stats.state]
        : undefined;
  if (text === undefined) return null;
  return (
    <p class={`banner${link === 'down' ? ' bad' : ''}`} role={link === 'down' ? 'alert' : 'status'}>
      {text}
    </p>
  );
}

const states: Readonly<Record<string, string>> = {
  loading: 'The model is loading. This page goes on when it is ready.',
  draining: 'The server is shutting down: running answers end, new ones are refused.',
};

function KeyForm({ apiKey, onApiKey }: { apiKey: string; onApiKey: (apiKey: string) => void }) {
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const field = new FormData(event.currentTarget as HTMLFormElement).get('key');
    onApiKey(String(field ?? '').trim());
  };
  return (
    <form class="banner" aria-label="API key" onSubmit={onSubmit}>
      <span role="alert">
        <label for="banner-key">
          {apiKey === '' ? 'This server asks for an API key.' : 'The server does not know this API key.'}
        </label>
      </span>
      <input id="banner-key" name="key" type="password" autoComplete="off" placeholder="API key" required />
      <button type="submit">Use it</button>
    </form>
  );
}
