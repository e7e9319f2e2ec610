// Keys that work wherever the focus is: / goes to the prompt, Esc stops the answer.
import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';

export interface Shortcuts {
  readonly box: RefObject<HTMLTextAreaElement | null>;
  readonly visible: boolean;
  readonly onStop: () => void;
}

export function useShortcuts({ box, visible, onStop }: Shortcuts): void {
  useEffect(() => {
    if (!visible) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.isComposing) onStop();
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target))
        return;
      event.preventDefault();
      box.current?.focus();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [box, visible, onStop]);
}

const isWriting = (target: EventTarget | null) =>
  target instanceof HTMLTextAreaElement ||
  (target instanceof HTMLInputElement && target.type !== 'radio' && target.type !== 'checkbox');
