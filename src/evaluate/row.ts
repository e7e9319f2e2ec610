// One row of a dataset, read by field with a type; what does not fit is reported with the row's place.
import { AtomError } from '../errors.ts';

export class Row {
  readonly fields: Readonly<Record<string, unknown>>;
  /** File and number, for messages. */
  readonly place: string;

  constructor(fields: Readonly<Record<string, unknown>>, place: string) {
    this.fields = fields;
    this.place = place;
  }

  text(name: string): string {
    const value = this.fields[name];
    return typeof value === 'string' ? value : this.#refuse(name, 'a text');
  }

  texts(name: string): readonly string[] {
    const value = this.fields[name];
    const fits = Array.isArray(value) && value.every((entry) => typeof entry === 'string');
    return fits ? (value as string[]) : this.#refuse(name, 'a list of texts');
  }

  /** A whole number below `limit`, also where it is spelt as text, as a truth value or as 64 bits. */
  index(name: string, limit: number): number {
    const value = this.fields[name];
    const known = ['number', 'bigint', 'boolean'].includes(typeof value) || /^\d+$/.test(String(value));
    const index = known ? Number(value) : Number.NaN;
    return Number.isInteger(index) && index >= 0 && index < limit
      ? index
      : this.#refuse(name, `a whole number from 0 to ${limit - 1}`);
  }

  /** The row that a field holds. */
  row(name: string): Row {
    const value = this.fields[name];
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? new Row(value as Record<string, unknown>, `${this.place}, ${name}`)
      : this.#refuse(name, 'an object');
  }

  /** Throws `bad-dataset`. */
  refuse(reason: string): never {
    throw new AtomError('bad-dataset', `${this.place}: ${reason}`);
  }

  #refuse(name: string, expected: string): never {
    return this.refuse(
      name in this.fields
        ? `"${name}" is not ${expected}`
        : `there is no "${name}"; the fields are ${Object.keys(this.fields).join(', ') || 'none'}`,
    );
  }
}
