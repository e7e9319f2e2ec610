// Reads one tool call, a JSON object with a name and arguments, as it is generated: the name as soon as it is known, the
// arguments as raw JSON text piece by piece. It checks no schema; what the model writes is what the client gets.

const nameKeys: ReadonlySet<string> = new Set(['name']);
const argumentKeys: ReadonlySet<string> = new Set(['arguments', 'parameters']);

export interface Scanned {
  /** Argument text that is certain, while the name is known. */
  readonly args: string;
  /** What follows the object; empty until it has ended. */
  readonly rest: string;
}

export class CallScanner {
  /** Set once the object's `name` has been read. */
  name: string | undefined;
  /** The object has ended. */
  done = false;
  /** It is not an object with JSON keys; nothing more can be read from it. */
  malformed = false;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #part: 'key' | 'value' = 'key';
  #key = '';
  /** Raw text of the current key, name, or arguments in a string. */
  #raw = '';
  #args = '';
  /** Whether the current part goes out as it comes; undefined before its first character. */
  #streaming: boolean | undefined;

  push(text: string): Scanned {
    let i = 0;
    while (i < text.length && !this.done && !this.malformed) this.#step(text[i++]!);
    return { args: this.#takeArgs(), rest: text.slice(i) };
  }

  #takeArgs(): string {
    if (this.name === undefined) return '';
    const args = this.#args;
    this.#args = '';
    return args;
  }

  #step(unit: string): void {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (unit === '\\') this.#escaped = true;
      else if (unit === '"') this.#inString = false;
      this.#keep(unit);
      return;
    }
    switch (unit) {
      case '"':
        this.#inString = true;
        break;
      case '{':
      case '[':
        if (++this.#depth === 1) {
          this.malformed = unit === '[';
          return;
        }
        break;
      case '}':
      case ']':
        if (--this.#depth === 0) {
          this.#endValue();
          this.done = true;
          return;
        }
        break;
      case ':':
        if (this.#depth === 1 && this.#part === 'key') {
          this.#endKey();
          return;
        }
        break;
      case ',':
        if (this.#depth === 1) {
          this.#endValue();
          return;
        }
        break;
      case ' ':
      case '\n':
      case '\r':
      case '\t':
        // Between the object's own parts; inside the arguments it is kept.
        if (this.#depth <= 1) return;
        break;
    }
    if (this.#depth <= 0) this.malformed = true;
    else this.#keep(unit);
  }

  #keep(unit: string): void {
    if (this.#streaming === undefined) {
      // Some models write the arguments as a string of JSON; that one is decoded when it ends.
      this.#streaming = this.#part === 'value' && argumentKeys.has(this.#key) && unit !== '"';
    }
    if (this.#streaming) this.#args += unit;
    else this.#raw += unit;
  }

  #endKey(): void {
    this.#key = this.#decoded() ?? '';
    this.#part = 'value';
  }

  #endValue(): void {
    const text = this.#decoded();
    if (this.#part === 'value' && nameKeys.has(this.#key)) this.name = text;
    if (this.#part === 'value' && argumentKeys.has(this.#key) && text !== undefined) this.#args += text;
    this.#part = 'key';
  }

  /** The string that #raw spells, which is used up. */
  #decoded(): string | undefined {
    const raw = this.#raw;
    this.#raw = '';
    this.#streaming = undefined;
    try {
      const value: unknown = JSON.parse(raw);
      return typeof value === 'string' ? value : undefined;
    } catch {
      // Only a key must be a string; other values were not kept for their meaning.
      if (this.#part === 'key' && raw !== '') this.malformed = true;
      return undefined;
    }
  }
}
