// GPT-2's alphabet of bytes: byte-level vocabularies spell each byte as one printable character.
// Printable Latin-1 stands for itself; the other 68 bytes follow from U+0100 on, in order.

const isPrintable = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

const characters: string[] = [];
for (let byte = 0, next = 0x100; byte < 256; byte++) {
  characters.push(String.fromCharCode(isPrintable(byte) ? byte : next++));
}

/** byte -> its character. */
export const byteCharacters: readonly string[] = characters;

const bytes = new Map(characters.map((character, byte) => [character.charCodeAt(0), byte]));

/** The bytes a byte-level entry spells; an entry with a character outside the alphabet is its own UTF-8. */
export function spelledBytes(entry: string): Uint8Array {
  const spelled = new Uint8Array(entry.length);
  for (let i = 0; i < entry.length; i++) {
    const byte = bytes.get(entry.charCodeAt(i));
    if (byte === undefined) return Buffer.from(entry);
    spelled[i] = byte;
  }
  return spelled;
}
