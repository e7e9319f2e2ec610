// The two 16-bit formats, as patterns of bits: BF16 (8 exponent, 7 mantissa bits) and FP16 (IEEE 754 binary16).
// Conversions follow IEEE: nearest, halves to even; too large becomes infinity, NaN stays NaN, denormals are kept.

const word = new DataView(new ArrayBuffer(4));

export function bitsOfFloat32(x: number): number {
  word.setFloat32(0, x);
  return word.getUint32(0);
}

export function float32OfBits(bits: number): number {
  word.setUint32(0, bits);
  return word.getFloat32(0);
}

export function encodeBf16(x: number): number {
  const bits = bitsOfFloat32(x);
  if (Number.isNaN(x)) return (bits >>> 16) | 0x0040; // quiet; cutting the payload must not leave an infinity
  const lowBitKept = (bits >>> 16) & 1;
  return (bits + 0x7fff + lowBitKept) >>> 16;
}

export function decodeBf16(bits: number): number {
  return float32OfBits(bits << 16);
}

export function encodeFp16(x: number): number {
  const bits = bitsOfFloat32(x);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude < 0x38800000) {
    // Below 2^-14: a multiple of 2^-24. Adding 0.5 puts that unit in the last place of a float32.
    return sign | (bitsOfFloat32(Math.fround(Math.abs(x) + 0.5)) - 0x3f000000);
  }
  const lowBitKept = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0x0fff + lowBitKept) >>> 13);
}

export function decodeFp16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

export const roundToBf16 = (x: number): number => decodeBf16(encodeBf16(x));
export const roundToFp16 = (x: number): number => decodeFp16(encodeFp16(x));

/** `encodeBf16` of many values, at the speed of memory. */
export function encodeBf16All(values: Float32Array): Uint16Array<ArrayBuffer> {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const noNumber = (word & 0x7fffffff) > 0x7f800000;
    halves[i] = noNumber ? (word >>> 16) | 0x0040 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return halves;
}

/** Every value becomes the nearest BF16 number, in place. */
export function roundAllToBf16(values: Float32Array): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const piece = 2 ** 16;
  for (let start = 0; start < values.length; start += piece) {
    const halves = encodeBf16All(values.subarray(start, start + piece));
    for (let i = 0; i < halves.length; i++) words[start + i] = halves[i]! << 16;
  }
}
