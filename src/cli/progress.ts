// Progress of long work on stderr: a bar with the time left on a terminal, nothing where nobody looks.
import { type Options, Presets, SingleBar, type ValueType } from 'cli-progress';

export interface Progress extends Disposable {
  /** `note` is shown behind the bar. */
  update(done: number, total: number, note?: string): void;
}

export interface ProgressOptions {
  /** What is counted are bytes, to be shown as MiB. */
  readonly bytes?: boolean;
}

export function startProgress(what: string, { bytes = false }: ProgressOptions = {}): Progress {
  if (!process.stderr.isTTY) return { update() {}, [Symbol.dispose]() {} };
  const bar = new SingleBar(
    {
      format: `${what} {bar} {value}/{total} · {eta_formatted} left {note}`,
      etaBuffer: 20,
      hideCursor: true,
      ...(bytes && { formatValue: mebibytes }),
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

export interface Stages extends Disposable {
  update(what: string, done: number, total: number): void;
}

/** Bars one after the other, a new one whenever something else is done. */
export function startStages(): Stages {
  let what: string | undefined;
  let bar: Progress | undefined;
  const end = () => bar?.[Symbol.dispose]();
  return {
    update(stage, done, total) {
      if (stage !== what) {
        end();
        bar = startProgress(stage);
        what = stage;
      }
      bar?.update(done, total);
    },
    [Symbol.dispose]: end,
  };
}

/** Bytes as MiB; the bar formats its other figures with the same function. */
function mebibytes(value: number, _options: Options, type: ValueType): string {
  return type === 'value' || type === 'total' ? `${(value / 2 ** 20).toFixed(1)} MiB` : String(value);
}
