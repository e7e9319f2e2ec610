// An answer's text. With log-probabilities each token is a span, coloured by how probable it was; a pointer, a tap or the
// arrow keys bring its card. One handler for all spans: answers have thousands.
import { Component } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { visible } from '../format.ts';
import type { TextPiece } from './conversation.ts';
import { type Place, TokenCard } from './token-card.tsx';

const CARD_WIDTH = 260;
const CARD_HEIGHT = 230;

export function AnswerText({ pieces }: { pieces: readonly TextPiece[] }) {
  const root = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState<{ index: number; place: Place }>();
  const hide = useCallback(() => setShown(undefined), []);
  const show = useCallback((target: EventTarget | null) => {
    const index = target instanceof HTMLElement ? target.dataset.index : undefined;
    if (index !== undefined && root.current !== null)
      setShown({ index: Number(index), place: placeOf(target as HTMLElement, root.current) });
  }, []);

  useEffect(() => {
    if (shown === undefined) return;
    const onKey = ({ key }: KeyboardEvent) => key === 'Escape' && hide();
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [shown, hide]);

  if (!pieces.some(({ tokens }) => tokens.length > 0))
    return <div class="text">{pieces.map(({ text }) => text).join('')}</div>;
  const card = shown && pieces[shown.index];
  return (
    // biome-ignore lint/a11y/useSemanticElements: no element stands for a text with parts to walk through
    <div
      ref={root}
      class="text tokens"
      role="group"
      aria-label="Answer by token; arrow keys go from token to token"
      onPointerOver={({ target }) => show(target)}
      onPointerLeave={hide}
      onFocusIn={({ target }) => show(target)}
      onFocusOut={hide}
      onKeyDown={step}
    >
      {pieces.map((piece, index) => (
        <TokenSpan key={index} piece={piece} index={index} />
      ))}
      {card && card.tokens.length > 0 && <TokenCard tokens={card.tokens} place={shown.place} />}
    </div>
  );
}

/** Drawn once: of a running answer only the new tokens cost anything. */
class TokenSpan extends Component<{ piece: TextPiece; index: number }> {
  override shouldComponentUpdate(next: { piece: TextPiece }) {
    return next.piece !== this.props.piece;
  }

  override render({ piece: { text, tokens }, index }: { piece: TextPiece; index: number }) {
    if (tokens.length === 0) return text;
    const logprob = tokens.reduce((sum, token) => sum + token.logprob, 0);
    // A token without text, as the one that ends the answer, shows its name.
    const isHidden = text === '';
    return (
      <span
        data-index={index}
        class={`token p${levelOf(logprob)}${isHidden ? ' control' : ''}`}
        tabIndex={index === 0 ? 0 : -1}
        aria-describedby="token-card"
      >
        {isHidden ? tokens.map((token) => visible(token.text)).join('') : text}
      </span>
    );
  }
}

/** 0 for the all but certain to 5 for the surprising. */
function levelOf(logprob: number): number {
  const bounds = [0.9, 0.6, 0.3, 0.1, 0.02];
  const level = bounds.findIndex((bound) => Math.exp(logprob) >= bound);
  return level === -1 ? bounds.length : level;
}

/** Under the token, or above it where the window ends. */
function placeOf(token: HTMLElement, root: HTMLElement): Place {
  const corner = root.getBoundingClientRect();
  // The first line's box: a token may be broken across two.
  const box = token.getClientRects()[0] ?? token.getBoundingClientRect();
  const widest = document.documentElement.clientWidth - corner.left - CARD_WIDTH - 8;
  const above = box.bottom + CARD_HEIGHT > innerHeight && box.top > CARD_HEIGHT;
  return {
    left: Math.max(8 - corner.left, Math.min(box.left - corner.left, widest)),
    top: (above ? box.top - 6 : box.bottom + 6) - corner.top,
    above,
  };
}

function step(event: KeyboardEvent): void {
  const { target, key, currentTarget } = event;
  const from = target instanceof HTMLElement ? target.dataset.index : undefined;
  const by: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 };
  const distance = by[key];
  if (from === undefined || distance === undefined) return;
  const spans = [...(currentTarget as HTMLElement).querySelectorAll<HTMLElement>('[data-index]')];
  const at = spans.findIndex(({ dataset }) => dataset.index === from);
  spans[Math.max(0, Math.min(spans.length - 1, at + distance))]?.focus();
  event.preventDefault();
}
