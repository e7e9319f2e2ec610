// A Jinja program as a function of its variables, with the functions chat templates call. @huggingface/jinja
// runs it; its own globals are not used, since its strftime_now speaks the machine's language and lacks fields.
import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { formatTime } from './strftime.ts';

/** The library's types do not resolve under Node's rules for modules; this is what is used of them. */
interface Scope {
  set(name: string, value: unknown): void;
}

const globals: Readonly<Record<string, unknown>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  range,
  raise_exception: (sentence: unknown) => {
    throw new Error(String(sentence));
  },
  strftime_now: (format: unknown) => formatTime(new Date(), String(format)),
};

/** Parses once, renders often. Throws the library's Error where the source is no Jinja. */
export function compileJinja(source: string): (variables: Readonly<Record<string, unknown>>) => string {
  // Both as transformers sets them: a block's line leaves no blank line behind.
  const program: unknown = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  return (variables) => {
    const scope = new Environment() as Scope;
    for (const [name, value] of Object.entries({ ...variables, ...globals })) scope.set(name, value);
    const interpreter = new Interpreter(scope) as { run(program: unknown): { value: unknown } };
    return String(interpreter.run(program).value);
  };
}

/** No template counts further; a number from a request must not fill the memory. */
const MAX_RANGE = 100_000;

function range(from: number, to?: number, step = 1): number[] {
  const [start, stop] = to === undefined ? [0, from] : [from, to];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= MAX_RANGE)) throw new Error(`range(${start}, ${stop}, ${step}) is too long`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}
