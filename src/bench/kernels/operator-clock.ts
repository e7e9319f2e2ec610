// Where the time of a step goes: a backend that tells how long each of its operators took.
import type { Backend } from '../../backend/backend.ts';

export interface OperatorTime {
  readonly operator: string;
  /** Of one step, all layers together. */
  readonly seconds: number;
}

const timedOperators = ['embed', 'rmsNorm', 'linear', 'linearSiluMul', 'ropeAppendKv', 'attention'] as const;
type Timed = (typeof timedOperators)[number];

export class OperatorClock {
  /** Runs like the backend it was made of, but for a glance at the clock before and after every operator. */
  readonly backend: Backend;
  readonly #seconds = new Map<string, number>();
  #running = false;

  constructor(inner: Backend) {
    const operators = new Map(timedOperators.map((name) => [name as string, this.#timed(inner, name)]));
    // What is timed runs at once.
    const together = (body: () => void) => (this.#running ? body() : inner.together(body));
    this.backend = new Proxy(inner, {
      get(target, name) {
        const operator = operators.get(String(name));
        if (operator) return operator;
        if (name === 'together') return together;
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  }

  /** The operators of a step, by the mean of `repeats` runs, longest first. */
  operatorsOf(step: () => void, repeats: number): OperatorTime[] {
    this.#seconds.clear();
    this.#running = true;
    for (let run = 0; run < repeats; run++) step();
    this.#running = false;
    return [...this.#seconds]
      .map(([operator, seconds]) => ({ operator, seconds: seconds / repeats }))
      .sort((a, b) => b.seconds - a.seconds);
  }

  #timed(inner: Backend, name: Timed): Backend[Timed] {
    return (args: never) => {
      if (!this.#running) return inner[name](args);
      const started = performance.now();
      inner[name](args);
      const label = labels[name]?.(args) ?? name;
      const seconds = (performance.now() - started) / 1e3;
      this.#seconds.set(label, (this.#seconds.get(label) ?? 0) + seconds);
    };
  }
}

/** Linears of one shape are one operator. */
const labels: Partial<Record<Timed, (args: never) => string>> = {
  linear: shapeOf,
  linearSiluMul: gatedShapeOf,
};

function shapeOf({ weight }: Pick<Parameters<Backend['linear']>[0], 'weight'>): string {
  return `linear ${weight.inFeatures} x ${weight.outFeatures}`;
}

function gatedShapeOf(args: Parameters<Backend['linearSiluMul']>[0]): string {
  return `${shapeOf(args)} with SiLU`;
}
