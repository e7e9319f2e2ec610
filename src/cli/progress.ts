// Progress of long work on stderr: a bar with the time left on a terminal, nothing where nobody looks.
import { Presets, SingleBar } from 'cli-progress';

export interface Progress extends Disposable {
  /** `note` is shown behind the bar. */
  update(done: number, total: number, note?: string): void;
}

export function startProgress(what: string): Progress {
  if (!process.stderr.isTTY) return { update() {}, [Symbol.dispose]() {} };
  const bar = new SingleBar(
    {
      format: `${what} {bar} {value}/{total} · {eta_formatted} left {note}`,
      etaBuffer: 20,
      hideCursor: true,
    },
    Presets.shades_grey,
  );
  let started = false;
  return {
    update(done, total, note = '') {
      if (!started) bar.start(total, 0, { note });
      started = true;
      bar.update(done, { note });
    },
    [Symbol.dispose]() {
      if (started) bar.stop();
    },
  };
}
