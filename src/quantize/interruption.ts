// Long work stops between two layers when asked to.
import { AtomError } from '../errors.ts';

/** Throws `cancelled` once the signal has fired. */
export function requireRunning(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new AtomError('cancelled', 'quantization was interrupted; start it again to resume', {
      cause: signal.reason,
    });
}
