// Floats of 8 and 4 bits: E4M3 and E5M2 (OCP 8-bit Floating Point, 2023), E2M1 and the exponent-only E8M0 (OCP
// Microscaling Formats, 2023). Values above the largest saturate; NaN and infinities become NaN.
//
// Atom's published code gets its FP8 values otherwise: from FP16, halves away from zero, E4M3 up to 480. `ties: 'away'`
// and `publishedE4m3` are that, for comparison; the default is the standard's rounding.
import { bitsOfFloat32 } from './half-floats.ts';
import { clamp, roundHalfEven } from './rounding.ts';

export interface SmallFloat {
  readonly bits: 4 | 8;
  readonly mantissaBits: number;
  /** Exponent of the smallest normal number; below it the spacing stays the same. */
  readonly minExponent: number;
  readonly largest: number;
}

export const e4m3: SmallFloat = { bits: 8, mantissaBits: 3, minExponent: -6, largest: 448 };
export const e5m2: SmallFloat = { bits: 8, mantissaBits: 2, minExponent: -14, largest: 57344 };
export const e2m1: SmallFloat = { bits: 4, mantissaBits: 1, minExponent: 0, largest: 6 };
export const publishedE4m3: SmallFloat = { ...e4m3, largest: 480 };

/** floor(log2 |x|) for a finite float32 other than 0; denormals count as -127. */
export function exponentOf(x: number): number {
  return ((bitsOfFloat32(x) >>> 23) & 0xff) - 127;
}

/** Nearest value of the format. */
export function roundToSmallFloat(x: number, format: SmallFloat, ties: 'even' | 'away' = 'even'): number {
  if (!Number.isFinite(x)) return Number.NaN;
  const exponent = Math.max(exponentOf(x), format.minExponent);
  const unit = 2 ** (exponent - format.mantissaBits);
  const units = Math.abs(x) / unit; // exact: unit is a power of two
  const rounded = (ties === 'even' ? roundHalfEven(units) : Math.floor(units + 0.5)) * unit;
  const magnitude = Math.min(rounded, format.largest);
  return x < 0 || Object.is(x, -0) ? -magnitude : magnitude;
}

/** Bit pattern of the nearest value: sign, exponent, mantissa. NaN becomes the pattern of all ones in 8-bit formats. */
export function encodeSmallFloat(x: number, format: SmallFloat): number {
  const value = roundToSmallFloat(x, format);
  if (Number.isNaN(value)) return format.bits === 8 ? 0x7f : 0;
  const sign = value < 0 || Object.is(value, -0) ? 1 << (format.bits - 1) : 0;
  const magnitude = Math.abs(value);
  const exponent = Math.max(exponentOf(magnitude), format.minExponent);
  const units = magnitude / 2 ** (exponent - format.mantissaBits);
  // A normal number's units carry the hidden one, which adds 1 to the exponent field; a subnormal's do not.
  return sign | (((exponent - format.minExponent) << format.mantissaBits) + units);
}

/** Value of a bit pattern; patterns above the largest value (infinity, NaN) are NaN. */
export function decodeSmallFloat(code: number, format: SmallFloat): number {
  const signBit = 1 << (format.bits - 1);
  const magnitudeBits = code & (signBit - 1);
  const field = magnitudeBits >>> format.mantissaBits;
  const fraction = magnitudeBits & ((1 << format.mantissaBits) - 1);
  const exponent = Math.max(field - 1, 0) + format.minExponent;
  const hidden = field === 0 ? 0 : 1 << format.mantissaBits;
  const magnitude = (hidden + fraction) * 2 ** (exponent - format.mantissaBits);
  if (magnitude > format.largest) return Number.NaN;
  return code & signBit ? -magnitude : magnitude;
}

/** E8M0: a power of two as exponent + 127. 255 is NaN. */
export function encodeE8m0(exponent: number): number {
  return Number.isNaN(exponent) ? 0xff : clamp(exponent, -127, 127) + 127;
}

export function decodeE8m0(code: number): number {
  return code === 0xff ? Number.NaN : 2 ** (code - 127);
}
