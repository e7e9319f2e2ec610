// The engine's thread: owns model and cache, and turns the core as long as there is work.
// Between two steps it takes what callers have sent; after each step one message carries all that it has brought.
import { parentPort, workerData } from 'node:worker_threads';
import { loadCore } from './load-core.ts';
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts';
import type { EngineRequest } from './request.ts';
import { errorMessage } from './step-report.ts';

const port = parentPort!;
const say = (message: FromWorker) => port.postMessage(message);

function run({ modelPath, options }: WorkerStart): void {
  const loaded = loadCore(modelPath, options);
  const { core, info, grammars } = loaded;
  /** Requests whose grammar is being compiled. */
  const opening = new Set<number>();
  let scheduled = false;

  const turn = () => {
    scheduled = false;
    try {
      say(core.step());
    } catch (error) {
      fail(error);
    }
    if (!core.idle) schedule();
  };
  const schedule = () => {
    if (!scheduled) setImmediate(turn);
    scheduled = true;
  };
  const add = async (request: EngineRequest) => {
    const { id, n, grammar } = request;
    if (grammar !== undefined) {
      opening.add(id);
      try {
        await grammars.open({ id, n, grammar });
      } catch (error) {
        opening.delete(id);
        core.fail(id, error);
        return schedule();
      }
      // Cancelled meanwhile.
      if (!opening.delete(id)) return grammars.close(id);
    }
    core.add(request);
    schedule();
  };
  port.on('message', (message: ToWorker) => {
    switch (message.type) {
      case 'add':
        void add(message.request);
        break;
      case 'cancel':
        if (message.index === undefined && opening.delete(message.requestId))
          grammars.abandon(message.requestId);
        core.cancel(message.requestId, message.index);
        break;
      case 'close':
        loaded[Symbol.dispose]();
        return process.exit();
      default:
        message satisfies never;
    }
    schedule();
  });
  say({ type: 'ready', info, stats: core.stats() });
}

/** After an error of the step itself nothing that is in the cache can be trusted. */
function fail(error: unknown): never {
  say({ type: 'failed', error: errorMessage(error) });
  process.exit(1);
}

try {
  run(workerData as WorkerStart);
} catch (error) {
  fail(error);
}
