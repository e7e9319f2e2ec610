// The four states of a server, in their order: loading, ready, draining, closed. Health routes read it, admission asks
// it, signals move it. It closes nothing itself.
import { AtomError } from '../errors.ts';
import { RequestError } from './openai-errors.ts';

export type State = 'loading' | 'ready' | 'draining' | 'closed';

const order: readonly State[] = ['loading', 'ready', 'draining', 'closed'];

export class Lifecycle {
  #state: State = 'loading';

  get state(): State {
    return this.#state;
  }

  /** Goes on to `state`; never back. */
  advance(state: State): void {
    if (order.indexOf(state) > order.indexOf(this.#state)) this.#state = state;
  }

  /** Throws unless new work is taken: `not-ready` while loading, `closed` afterwards. */
  assertReady(): void {
    switch (this.#state) {
      case 'ready':
        return;
      case 'loading':
        throw new RequestError('not-ready', 'the model is loading; try again in a few seconds', {
          retryAfter: 2,
        });
      case 'draining':
      case 'closed':
        throw new RequestError('closed', 'the server is shutting down; another one may take the request', {
          retryAfter: 5,
        });
      default:
        this.#state satisfies never;
        throw new AtomError('internal', `unknown state ${this.#state}`);
    }
  }
}
