// Values that outlive the page, in the browser's own storage. A browser without storage, or with a full one, forgets
// them with the page and nothing else breaks.
import { useCallback, useState } from 'preact/hooks';

const PREFIX = 'atom.';

export function readStored<T>(name: string, initial: T): T {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? initial : (JSON.parse(text) as T);
  } catch {
    return initial;
  }
}

/** Whether it was kept. */
export function writeStored(name: string, value: unknown): boolean {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** As useState, kept under `name`. */
export function useStored<T>(name: string, initial: T): [T, (value: T) => void] {
  const [value, setValue] = useState(() => readStored(name, initial));
  const set = useCallback(
    (next: T) => {
      writeStored(name, next);
      setValue(() => next);
    },
    [name],
  );
  return [value, set];
}
