// A conversation as data: turns of a prompt and its answer, and what happens to them. Pure, so that every step can be
// tested without a page.
import type { Piece, Usage } from '../api/answer-stream.ts';

export type Mode = 'chat' | 'completion';

/** Text that became certain at once, with its tokens where log-probabilities were asked for. */
export type TextPiece = Pick<Piece, 'text' | 'tokens'>;

export interface Timing {
  /** Milliseconds, as performance.now() counts. */
  readonly startedAt: number;
  readonly firstTokenAt: number | undefined;
  readonly lastTokenAt: number | undefined;
}

export interface Answer {
  readonly pieces: readonly TextPiece[];
  readonly state: 'running' | 'done' | 'stopped' | 'failed';
  /** `stop` or `length`, as the server says it. */
  readonly finish: string | undefined;
  readonly error: string | undefined;
  readonly usage: Usage | undefined;
  readonly timing: Timing;
}

export interface Turn {
  readonly id: string;
  readonly prompt: string;
  readonly answer: Answer;
}

export const textOf = ({ pieces }: Answer): string => pieces.map(({ text }) => text).join('');

export function newTurn(prompt: string, now: number): Turn {
  const timing = { startedAt: now, firstTokenAt: undefined, lastTokenAt: undefined };
  const answer = {
    pieces: [],
    state: 'running',
    finish: undefined,
    error: undefined,
    usage: undefined,
    timing,
  } as const;
  return { id: crypto.randomUUID(), prompt, answer };
}

/** The answer with what has come since: several pieces at once, as a page draws them. */
export function append(answer: Answer, pieces: readonly Piece[]): Answer {
  const withText = pieces.filter(({ text, tokens }) => text !== '' || tokens.length > 0);
  const { timing } = answer;
  return {
    ...answer,
    pieces: joined(answer.pieces, withText),
    finish: pieces.findLast(({ finish }) => finish !== undefined)?.finish ?? answer.finish,
    usage: pieces.findLast(({ usage }) => usage !== undefined)?.usage ?? answer.usage,
    timing: {
      ...timing,
      firstTokenAt: timing.firstTokenAt ?? withText[0]?.at,
      lastTokenAt: withText.at(-1)?.at ?? timing.lastTokenAt,
    },
  };
}

/**
 * Pieces without tokens become one, as nothing tells them apart; tokens that gave no text yet (half a character) go
 * together with the piece that completes them.
 */
function joined(before: readonly TextPiece[], more: readonly TextPiece[]): TextPiece[] {
  const all = [...before];
  for (const { text, tokens } of more) {
    const last = all.at(-1);
    const isPlain = tokens.length === 0 && last?.tokens.length === 0;
    const completes = last?.text === '' && text !== '';
    if (last !== undefined && (isPlain || completes))
      all[all.length - 1] = { text: last.text + text, tokens: [...last.tokens, ...tokens] };
    else all.push({ text, tokens });
  }
  return all;
}

/** Tokens of the answer so far. */
export const tokensOf = ({ usage, pieces }: Answer): number =>
  usage?.completionTokens ?? pieces.reduce((sum, { tokens }) => sum + tokens.length, 0);

/** Seconds from sending to the first token; undefined before it. */
export const secondsToFirstToken = ({ timing: { startedAt, firstTokenAt } }: Answer): number | undefined =>
  firstTokenAt === undefined ? undefined : (firstTokenAt - startedAt) / 1000;

/** Of the tokens after the first; undefined until there are some. */
export function tokensPerSecond(answer: Answer): number | undefined {
  const { firstTokenAt, lastTokenAt } = answer.timing;
  const tokens = tokensOf(answer) - 1;
  if (firstTokenAt === undefined || lastTokenAt === undefined || lastTokenAt <= firstTokenAt || tokens < 1)
    return undefined;
  return (tokens * 1000) / (lastTokenAt - firstTokenAt);
}

/** What the server is sent for the last of `turns`. */
export function requestFor(
  mode: Mode,
  turns: readonly Turn[],
  system: string,
): { messages: object[] } | { prompt: string } {
  const last = turns.at(-1)!;
  if (mode === 'completion') return { prompt: last.prompt };
  const messages = turns.flatMap((turn) => {
    const text = textOf(turn.answer);
    const answered = turn !== last && text !== '';
    return [
      { role: 'user', content: turn.prompt },
      ...(answered ? [{ role: 'assistant', content: text }] : []),
    ];
  });
  return { messages: [...(system.trim() === '' ? [] : [{ role: 'system', content: system }]), ...messages] };
}

/** As it is kept: an answer that was running when the page was closed is one that was stopped. */
export const restored = (turns: readonly Turn[]): Turn[] =>
  turns.map((turn) =>
    turn.answer.state === 'running' ? { ...turn, answer: { ...turn.answer, state: 'stopped' } } : turn,
  );

/** Without log-probabilities, for a storage that is full. */
export const withoutTokens = (turns: readonly Turn[]): Turn[] =>
  turns.map((turn) => ({
    ...turn,
    answer: { ...turn.answer, pieces: [{ text: textOf(turn.answer), tokens: [] }] },
  }));
