// One turn: what was asked, what came, how fast, and what can be done with it.
import { useState } from 'preact/hooks';
import { count, duration, quantity } from '../format.ts';
import { AnswerText } from './answer-text.tsx';
import {
  type Answer,
  type Mode,
  secondsToFirstToken,
  type Turn,
  textOf,
  tokensOf,
  tokensPerSecond,
} from './conversation.ts';

export interface TurnViewProps {
  readonly turn: Turn;
  readonly mode: Mode;
  /** Only the last turn can be asked anew. */
  readonly isLast: boolean;
  readonly busy: boolean;
  readonly onRetry: () => void;
  readonly onProceed: () => void;
}

export function TurnView({
  turn: { prompt, answer },
  mode,
  isLast,
  busy,
  onRetry,
  onProceed,
}: TurnViewProps) {
  const isRunning = answer.state === 'running';
  return (
    <article class={`turn ${mode}`}>
      <section class="prompt" aria-label={mode === 'chat' ? 'You' : 'Prompt'}>
        <div class="text">{prompt}</div>
      </section>
      <section class={`answer ${answer.state}`} aria-label="Answer" aria-busy={isRunning}>
        <AnswerText pieces={answer.pieces} />
        {isRunning && <span class="caret" aria-hidden="true" />}
        {answer.error !== undefined && (
          <p class="failure" role="alert">
            {answer.error}
          </p>
        )}
      </section>
      <footer>
        <Speed answer={answer} />
        {!isRunning && (
          <div class="actions">
            {answer.pieces.length > 0 && <CopyButton text={textOf(answer)} />}
            {isLast && mode === 'completion' && answer.pieces.length > 0 && (
              <button type="button" class="quiet" disabled={busy} onClick={onProceed}>
                Continue
              </button>
            )}
            {isLast && (
              <button type="button" class="quiet" disabled={busy} onClick={onRetry}>
                {answer.state === 'failed' ? 'Try again' : 'Anew'}
              </button>
            )}
          </div>
        )}
      </footer>
    </article>
  );
}

const endings: Readonly<Record<string, string>> = { length: 'ended by max tokens', stop: 'ended by itself' };

function Speed({ answer }: { answer: Answer }) {
  const { state, finish, usage } = answer;
  const first = secondsToFirstToken(answer);
  const rate = tokensPerSecond(answer);
  if (first === undefined)
    return <p class="speed">{state === 'running' ? 'waiting for the first token …' : ''}</p>;
  const ending = state === 'done' ? endings[finish ?? ''] : state === 'stopped' ? 'stopped' : undefined;
  return (
    <p class="speed">
      {rate !== undefined && (
        <span>
          <b data-figure="rate">{quantity(rate)}</b> tokens/s
        </span>
      )}
      <span>
        first token after <b data-figure="first">{duration(first)}</b>
      </span>
      <span>
        <b data-figure="tokens">{count(tokensOf(answer))}</b> tokens
      </span>
      {usage !== undefined && (
        <span>
          prompt {count(usage.promptTokens)}
          {usage.cachedTokens > 0 && `, ${count(usage.cachedTokens)} of them cached`}
        </span>
      )}
      {ending !== undefined && <span>{ending}</span>}
    </p>
  );
}

function CopyButton({ text }: { text: string }) {
  const [label, setLabel] = useState('Copy');
  const copy = async () => {
    const copied = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    setLabel(copied ? 'Copied' : 'Not allowed');
    setTimeout(() => setLabel('Copy'), 1500);
  };
  return (
    <button type="button" class="quiet" onClick={() => void copy()}>
      {label}
    </button>
  );
}
