// The line to the server: asks for its figures every second, keeps the last five minutes, notices when it is gone and
// comes back by itself. It draws nothing; whoever shows something subscribes.
import type { LiveSample, StatsReply } from '../../../src/server/stats-reply.ts';
import { type ModelFacts, modelFactsOf } from './model-facts.ts';
import { ApiError, getJson } from './request.ts';

const EVERY_MS = 1000;
const LONGEST_WAIT_MS = 5000;
const PATIENCE_MS = 5000;
const KEPT_SECONDS = 300;

export type LinkState =
  /** Nothing has been heard yet. */
  | 'connecting'
  | 'up'
  /** It answers, but wants another API key. */
  | 'locked'
  | 'down';

export interface ServerView {
  readonly link: LinkState;
  /** The last that was heard. */
  readonly stats: StatsReply | undefined;
  readonly model: ModelFacts | undefined;
  /** Oldest first. */
  readonly samples: readonly LiveSample[];
}

export class ServerLink {
  #view: ServerView = { link: 'connecting', stats: undefined, model: undefined, samples: [] };
  #apiKey: string;
  #failures = 0;
  #timer: number | undefined;
  #asking: AbortController | undefined;
  readonly #watchers = new Set<(view: ServerView) => void>();
  readonly #wake = () => {
    if (!document.hidden) this.#ask();
  };

  constructor(apiKey: string) {
    this.#apiKey = apiKey;
    document.addEventListener('visibilitychange', this.#wake);
    addEventListener('online', this.#wake);
    this.#ask();
  }

  get view(): ServerView {
    return this.#view;
  }

  /** Another key is tried at once. */
  set apiKey(apiKey: string) {
    if (apiKey === this.#apiKey) return;
    this.#apiKey = apiKey;
    this.#ask();
  }

  /** Calls `watcher` at every change; the returned function ends that. */
  subscribe(watcher: (view: ServerView) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  close(): void {
    document.removeEventListener('visibilitychange', this.#wake);
    removeEventListener('online', this.#wake);
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  /** Asks now, and again after a while. */
  #ask(): void {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    void this.#listen(AbortSignal.any([asking.signal, AbortSignal.timeout(PATIENCE_MS)])).then(() => {
      if (asking.signal.aborted) return;
      const wait = Math.min(LONGEST_WAIT_MS, EVERY_MS * Math.max(1, this.#failures));
      // A page that nobody sees asks nothing; `#wake` goes on.
      if (!document.hidden) this.#timer = window.setTimeout(() => this.#ask(), wait);
    });
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { samples: before, stats: last, model: known } = this.#view;
    const options = { apiKey: this.#apiKey, signal };
    try {
      const since = before.at(-1)?.time ?? 0;
      const stats = await getJson<StatsReply>(`/v1/atom/stats?since=${since}`, options);
      const restarted = last !== undefined && stats.uptime < last.uptime;
      const current = restarted ? undefined : known;
      const model =
        current ?? (stats.state === 'ready' ? modelFactsOf(await getJson('/v1/models', options)) : undefined);
      const recent = [...before, ...stats.samples].filter(
        ({ time }) => time > Date.now() / 1000 - KEPT_SECONDS,
      );
      this.#failures = 0;
      this.#show({ link: 'up', stats, model, samples: recent });
    } catch (error) {
      if (this.#asking?.signal.aborted) return;
      this.#failures++;
      const locked = error instanceof ApiError && error.status === 401;
      this.#show({ ...this.#view, link: locked ? 'locked' : 'down' });
    }
  }

  #show(view: ServerView): void {
    this.#view = view;
    for (const watcher of this.#watchers) watcher(view);
  }
}
