// The conversation of one mode as the page's state: kept in the browser, one answer running at a time, drawn once per
// frame however many tokens come.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { type AnswerPath, type Piece, streamAnswer } from '../api/answer-stream.ts';
import { readStored, writeStored } from '../stored.ts';
import {
  type Answer,
  append,
  type Mode,
  newTurn,
  requestFor,
  restored,
  type Turn,
  textOf,
  withoutTokens,
} from './conversation.ts';
import { bodyOf, type Settings } from './settings.ts';

const paths: Readonly<Record<Mode, AnswerPath>> = {
  chat: '/v1/chat/completions',
  completion: '/v1/completions',
};

export interface Conversation {
  readonly turns: readonly Turn[];
  readonly running: boolean;
  send(prompt: string): void;
  /** Asks for the last answer anew. */
  retry(): void;
  /** A completion goes on from where it ended. */
  proceed(): void;
  stop(): void;
  clear(): void;
}

export interface ConversationOptions {
  readonly mode: Mode;
  readonly settings: Settings;
  readonly apiKey: string;
}

export function useConversation({ mode, settings, apiKey }: ConversationOptions): Conversation {
  const name = `turns.${mode}`;
  const [turns, setTurns] = useState(() => restored(readStored<Turn[]>(name, [])));
  const [running, setRunning] = useState(false);
  const current = useRef<AbortController>(undefined);

  useEffect(() => {
    // While an answer runs its every token would be written; it is kept once it has ended.
    if (!running) writeStored(name, turns) || writeStored(name, withoutTokens(turns));
  }, [name, turns, running]);
  // A page that is left in mid-answer keeps what there was.
  const latest = useRef(turns);
  latest.current = turns;
  useEffect(() => {
    const keep = () => writeStored(name, latest.current) || writeStored(name, withoutTokens(latest.current));
    addEventListener('pagehide', keep);
    return () => removeEventListener('pagehide', keep);
  }, [name]);

  const stop = useCallback(() => current.current?.abort(), []);

  const run = async (before: readonly Turn[], prompt: string) => {
    if (current.current !== undefined) return;
    const controller = new AbortController();
    current.current = controller;
    const turn = newTurn(prompt, performance.now());
    let answer = turn.answer;
    const show = (next: Answer) => {
      answer = next;
      setTurns([...before, { ...turn, answer }]);
    };
    const pending: Piece[] = [];
    const flush = () => {
      if (pending.length > 0) show(append(answer, pending.splice(0)));
    };
    setRunning(true);
    show(answer);
    try {
      const body = { ...requestFor(mode, [...before, turn], settings.system), ...bodyOf(settings, mode) };
      let frame: number | undefined;
      for await (const piece of streamAnswer(paths[mode], body, { apiKey, signal: controller.signal })) {
        pending.push(piece);
        // A hidden page draws no frames; a timer goes on.
        frame ??= window.setTimeout(() => {
          frame = undefined;
          flush();
        }, 16);
      }
      clearTimeout(frame);
      flush();
      show({ ...answer, state: 'done' });
    } catch (error) {
      flush();
      if (controller.signal.aborted) show({ ...answer, state: 'stopped' });
      else
        show({ ...answer, state: 'failed', error: error instanceof Error ? error.message : String(error) });
    } finally {
      current.current = undefined;
      setRunning(false);
    }
  };

  const last = turns.at(-1);
  return {
    turns,
    running,
    send: (prompt) => void run(turns, prompt),
    retry: () => last && void run(turns.slice(0, -1), last.prompt),
    proceed: () => last && void run(turns.slice(0, -1), last.prompt + textOf(last.answer)),
    stop,
    clear: () => {
      stop();
      setTurns([]);
    },
  };
}
