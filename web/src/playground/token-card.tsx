// The card beside a token: how probable it was, and what else might have come.
import type { Token } from '../api/answer-stream.ts';
import { percent, visible } from '../format.ts';

export interface Place {
  /** Pixels, from the text's own corner. */
  readonly left: number;
  readonly top: number;
  readonly above: boolean;
}

export function TokenCard({ tokens, place }: { tokens: readonly Token[]; place: Place }) {
  const style = { left: `${place.left}px`, top: `${place.top}px` };
  return (
    <div class={`token-card${place.above ? ' above' : ''}`} style={style} role="tooltip" id="token-card">
      {tokens.map((token, i) => (
        <TokenTable key={i} token={token} />
      ))}
    </div>
  );
}

function TokenTable({ token }: { token: Token }) {
  const isAmong = token.others.some(({ text }) => text === token.text);
  const rows = isAmong ? token.others : [...token.others, { text: token.text, logprob: token.logprob }];
  return (
    <table>
      <caption>
        <b class="mono">{visible(token.text)}</b>
        <span>
          {percent(Math.exp(token.logprob))} <span class="muted">log {token.logprob.toFixed(3)}</span>
        </span>
      </caption>
      <tbody>
        {rows.map(({ text, logprob }) => (
          <tr key={text} class={text === token.text ? 'chosen' : ''}>
            <th scope="row" class="mono">
              {visible(text)}
            </th>
            <td class="bar">
              <span style={{ width: `${Math.max(1, Math.exp(logprob) * 100)}%` }} />
            </td>
            <td class="number">{percent(Math.exp(logprob))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
