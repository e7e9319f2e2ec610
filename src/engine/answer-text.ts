// One answer's tokens as text: what becomes certain with each token, and where a stop string ends it.
// It knows tokens and text, nothing of steps or queues.
import type { Detokenizer } from '../tokenizer/detokenizer.ts';
import { StopStrings } from '../tokenizer/stop-strings.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { GenerateRequest } from './engine-types.ts';

export interface TextPiece {
  readonly text: string;
  /** A stop string ends the answer here. */
  readonly stopped: boolean;
}

export class AnswerText {
  readonly #detokenizer: Detokenizer;
  readonly #stops: StopStrings;
  readonly #stopTokenIds: readonly number[];
  readonly #includeStop: boolean;
  readonly #minTokens: number;
  #tokens = 0;

  /** `stopTokenIds`: tokens that end the answer; they are no text. */
  constructor(tokenizer: Tokenizer, request: GenerateRequest, stopTokenIds: readonly number[]) {
    const { skipSpecialTokens = true, continuesPrompt, prompt, stop = [], includeStopInText } = request;
    this.#detokenizer = tokenizer.detokenizer({
      skipSpecialTokens,
      ...(continuesPrompt === true && { after: prompt }),
    });
    this.#stops = new StopStrings(stop);
    this.#stopTokenIds = stopTokenIds;
    this.#includeStop = includeStopInText ?? false;
    this.#minTokens = request.minTokens ?? 0;
  }

  /** Tokens so far, those included that are no text. */
  get tokens(): number {
    return this.#tokens;
  }

  push(tokenId: number): TextPiece {
    this.#tokens++;
    if (this.#stopTokenIds.includes(tokenId)) return { text: '', stopped: false };
    return this.#search(this.#detokenizer.push(tokenId));
  }

  /** The answer has ended: what was held back. */
  flush(): TextPiece {
    const { text, stopped } = this.#search(this.#detokenizer.flush());
    return { text: stopped ? text : text + this.#stops.flush(), stopped };
  }

  #search(piece: string): TextPiece {
    if (this.#tokens < this.#minTokens) return { text: piece, stopped: false };
    const { text, stopped } = this.#stops.push(piece);
    return {
      text: stopped !== undefined && this.#includeStop ? text + stopped : text,
      stopped: stopped !== undefined,
    };
  }
}
