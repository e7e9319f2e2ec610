// Where a prompt is written: Enter sends, Shift+Enter makes a line, and the box grows with its text.
import type { RefObject } from 'preact';
import { useLayoutEffect } from 'preact/hooks';
import type { Mode } from './conversation.ts';

export interface ComposerProps {
  readonly mode: Mode;
  readonly text: string;
  readonly running: boolean;
  /** Why nothing can be sent now; undefined where it can. */
  readonly obstacle: string | undefined;
  readonly box: RefObject<HTMLTextAreaElement | null>;
  readonly onText: (text: string) => void;
  readonly onSend: () => void;
  readonly onStop: () => void;
}

export function Composer({ mode, text, running, obstacle, box, onText, onSend, onStop }: ComposerProps) {
  // The text makes the height.
  useLayoutEffect(() => {
    const area = box.current;
    if (area === null) return;
    area.style.height = 'auto';
    area.style.height = `${area.scrollHeight + 2}px`;
  }, [text, mode]);

  const onKeyDown = (event: KeyboardEvent) => {
    // Enter also ends the choice of a character in many scripts.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    onSend();
  };
  const label = mode === 'chat' ? 'Message' : 'Text to continue';
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        onSend();
      }}
    >
      <textarea
        ref={box}
        rows={mode === 'chat' ? 1 : 3}
        aria-label={label}
        aria-keyshortcuts="/"
        placeholder={mode === 'chat' ? 'Write a message' : 'Write the beginning of a text'}
        value={text}
        onInput={({ currentTarget }) => onText(currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      {running ? (
        <button type="button" class="stop" onClick={onStop} aria-keyshortcuts="Escape">
          Stop
        </button>
      ) : (
        <button
          type="submit"
          class="send"
          disabled={obstacle !== undefined || text.trim() === ''}
          title={obstacle}
        >
          Send
        </button>
      )}
      <p class="keys">
        <kbd>Enter</kbd> sends <kbd>Shift</kbd>+<kbd>Enter</kbd> new line <kbd>Esc</kbd> stops <kbd>/</kbd> to
        the prompt
      </p>
    </form>
  );
}
