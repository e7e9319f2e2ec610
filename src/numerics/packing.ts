// Four-bit codes two to a byte, the even one in the low nibble: the layout-neutral form of checkpoints (DESIGN
// section 5) and of the KV cache. Signed codes are two's complement nibbles. Codes of 2 and 3 bits use nibbles too.
import { AtomError } from '../errors.ts';

/** (n) codes to (n / 2) bytes; only the low four bits of a code are kept. Throws `bad-shape` for an odd count. */
export function packNibbles(codes: Int8Array | Uint8Array): Uint8Array {
  if (codes.length % 2 !== 0) {
    throw new AtomError(
      'bad-shape',
      `${codes.length} four-bit codes do not fill whole bytes; an even count does`,
    );
  }
  const packed = new Uint8Array(codes.length / 2);
  for (let i = 0; i < packed.length; i++) {
    packed[i] = (codes[2 * i]! & 0xf) | ((codes[2 * i + 1]! & 0xf) << 4);
  }
  return packed;
}

/** (n) bytes to (2 n) codes of 0 .. 15. */
export function unpackUnsignedNibbles(packed: Uint8Array): Uint8Array {
  const codes = new Uint8Array(packed.length * 2);
  for (let i = 0; i < packed.length; i++) {
    const byte = packed[i]!;
    codes[2 * i] = byte & 0xf;
    codes[2 * i + 1] = byte >>> 4;
  }
  return codes;
}

/** (n) bytes to (2 n) codes of -8 .. 7. */
export function unpackSignedNibbles(packed: Uint8Array): Int8Array {
  const codes = new Int8Array(packed.length * 2);
  for (let i = 0; i < packed.length; i++) {
    const byte = packed[i]!;
    codes[2 * i] = (byte << 28) >> 28;
    codes[2 * i + 1] = (byte << 24) >> 28;
  }
  return codes;
}
