// Parts an answer into text and tool calls while it is generated. The same parts, joined, are the answer of a request that
// does not stream, so both agree by construction. What a format looks like is told by `CallSyntax`.
import { CallScanner } from './call-scanner.ts';

export type AnswerPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'call'; readonly index: number; readonly id: string; readonly name: string }
  | { readonly type: 'arguments'; readonly index: number; readonly text: string };

export interface CallSyntax {
  /** Text before the first call of a group. */
  readonly open: string;
  /** Text after the last call of a group; undefined where the answer ends with it. */
  readonly close?: string;
  /** A call may also begin the answer without `open`; then only known names make one. */
  readonly bare?: boolean;
  /** Characters that may stand between `open`, the calls and `close`. */
  readonly between: string;
  readonly newId: () => string;
}

export interface CallParserOptions {
  /** The functions there are. */
  readonly names: readonly string[];
  /** Whether calls after the first count, default true; else they are left out. */
  readonly parallel?: boolean;
}

export class CallParser {
  readonly #syntax: CallSyntax;
  readonly #names: ReadonlySet<string>;
  readonly #parallel: boolean;
  #mode: 'text' | 'between' | 'call';
  #scanner = new CallScanner();
  /** Text not yet judged: what may become `open` (with the space before it) or `close`. */
  #held = '';
  /** All since the group began, given back as text if it turns out to hold no call. */
  #lead = '';
  #group = { marked: false, calls: 0, begun: false };
  #count = 0;

  constructor(syntax: CallSyntax, { names, parallel = true }: CallParserOptions) {
    this.#syntax = syntax;
    this.#names = new Set(names);
    this.#parallel = parallel;
    this.#mode = syntax.bare === true ? 'between' : 'text';
  }

  /** Calls found so far, those left out among them. */
  get count(): number {
    return this.#count;
  }

  push(text: string): AnswerPart[] {
    const parts: AnswerPart[] = [];
    let rest = text;
    while (rest !== '') {
      if (this.#mode === 'text') rest = this.#readText(rest, parts);
      else if (this.#mode === 'between') rest = this.#readBetween(rest, parts);
      else rest = this.#readCall(rest, parts);
    }
    return this.#parallel ? parts : parts.filter((part) => part.type === 'text' || part.index === 0);
  }

  /** The answer has ended: what was held back is text, unless it belongs to a call. */
  flush(): AnswerPart[] {
    const { calls, begun } = this.#group;
    let rest = this.#held;
    if (this.#mode !== 'text') rest = begun || calls > 0 ? '' : this.#lead + rest;
    this.#held = this.#lead = '';
    return rest === '' || (this.#count > 0 && rest.trim() === '') ? [] : [{ type: 'text', text: rest }];
  }

  #readText(text: string, parts: AnswerPart[]): string {
    const { open } = this.#syntax;
    const all = this.#held + text;
    const at = all.indexOf(open);
    if (at < 0) {
      const certain = certainLength(all, open);
      emitText(parts, all.slice(0, certain));
      this.#held = all.slice(certain);
      return '';
    }
    const textEnd = all.slice(0, at).trimEnd().length;
    emitText(parts, all.slice(0, textEnd));
    this.#held = '';
    this.#lead = all.slice(textEnd, at) + open;
    this.#group = { marked: true, calls: 0, begun: false };
    this.#mode = 'between';
    return all.slice(at + open.length);
  }

  /** Before, between and after the calls of a group. */
  #readBetween(text: string, parts: AnswerPart[]): string {
    const { between, close } = this.#syntax;
    const all = this.#held + text;
    this.#held = '';
    let start = 0;
    while (start < all.length && between.includes(all[start]!)) start++;
    if (this.#group.calls === 0) this.#lead += all.slice(0, start);
    const body = all.slice(start);
    if (body.startsWith('{')) {
      this.#scanner = new CallScanner();
      this.#group.begun = false;
      this.#mode = 'call';
      return body;
    }
    if (body === '') return '';
    if (this.#group.calls === 0) return this.#giveUp(body, parts);
    if (close?.startsWith(body) && body !== close) {
      this.#held = body;
      return '';
    }
    this.#mode = 'text';
    return close !== undefined && body.startsWith(close) ? body.slice(close.length) : body;
  }

  #readCall(text: string, parts: AnswerPart[]): string {
    const scanner = this.#scanner;
    const { args, rest } = scanner.push(text);
    const { marked, begun } = this.#group;
    if (!begun) {
      this.#lead += text.slice(0, text.length - rest.length);
      const { name } = scanner;
      const known = name !== undefined && (marked || this.#names.has(name));
      if (known) this.#begin(name, parts);
      else if (scanner.malformed || scanner.done || name !== undefined) return this.#giveUp(rest, parts);
      else return rest;
    }
    if (args !== '') parts.push({ type: 'arguments', index: this.#count - 1, text: args });
    if (scanner.malformed) this.#mode = 'text';
    if (scanner.done) {
      this.#group.calls++;
      this.#mode = 'between';
    }
    return rest;
  }

  #begin(name: string, parts: AnswerPart[]): void {
    this.#group.begun = true;
    this.#lead = '';
    parts.push({ type: 'call', index: this.#count++, id: this.#syntax.newId(), name });
  }

  /** The group is text after all. */
  #giveUp(rest: string, parts: AnswerPart[]): string {
    emitText(parts, this.#lead);
    this.#lead = '';
    this.#mode = 'text';
    return rest;
  }
}

function emitText(parts: AnswerPart[], text: string): void {
  if (text !== '') parts.push({ type: 'text', text });
}

/** How much of `text` cannot be the beginning of `marker` or space before it. */
function certainLength(text: string, marker: string): number {
  let end = text.length;
  for (let length = Math.min(marker.length - 1, text.length); length > 0; length--) {
    if (!text.endsWith(marker.slice(0, length))) continue;
    end = text.length - length;
    break;
  }
  return text.slice(0, end).trimEnd().length;
}
