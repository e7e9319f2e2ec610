// Between a weight's values and the codes a checkpoint stores, for every format, once the scales are known. Values must
// be what rounding made of them: a code times its scale; then nothing is lost in either direction but the sign of zero.
// How scales and codes were chosen is not its business.
import { packNibbles, unpackSignedNibbles, unpackUnsignedNibbles } from './packing.ts';
import { clamp } from './rounding.ts';
import {
  decodeE8m0,
  decodeSmallFloat,
  e2m1,
  e4m3,
  e5m2,
  encodeE8m0,
  encodeSmallFloat,
  type SmallFloat,
} from './small-floats.ts';

export type CodeFormat = 'int2' | 'int3' | 'int4' | 'int8' | 'fp4' | 'mxfp4' | 'nvfp4' | 'e4m3' | 'e5m2';

/** Where the coded columns of a weight are: the first `columns` of rows that are `pitch` apart. */
export interface CodeLayout {
  readonly format: CodeFormat;
  readonly rows: number;
  readonly pitch: number;
  /** First of the coded columns of a row; by default 0. */
  readonly first?: number;
  readonly columns: number;
  readonly groupSize: number;
  /** Adjacent rows that share a scale. */
  readonly channelGroup: number;
  /** (rows / channelGroup, columns / groupSize): what a code is multiplied by. */
  readonly scales: Float32Array;
}

const integerBits: Readonly<Partial<Record<CodeFormat, number>>> = { int2: 2, int3: 3, int4: 4, int8: 8 };
const smallFloats: Readonly<Partial<Record<CodeFormat, SmallFloat>>> = {
  fp4: e2m1,
  mxfp4: e2m1,
  nvfp4: e2m1,
  e4m3,
  e5m2,
};

/** Codes two to a byte, or one to a byte for the 8-bit formats: (rows, columns / 2) or (rows, columns) bytes. */
export function encodeWeight(values: Float32Array, layout: CodeLayout): Uint8Array {
  const { format, rows, columns } = layout;
  const bits = integerBits[format];
  const small = smallFloats[format];
  const top = 2 ** ((bits ?? 1) - 1);
  const codes = new Uint8Array(rows * columns);
  eachGroup(layout, (at, to, length, scale) => {
    if (!(Math.abs(scale) > 0)) return;
    for (let i = 0; i < length; i++) {
      const units = values[at + i]! / scale;
      codes[to + i] = small
        ? encodeSmallFloat(Math.fround(units), small)
        : clamp(Math.round(units), -top, top - 1);
    }
  });
  return isHalfByte(format) ? packNibbles(codes) : codes;
}

/** The values that codes stand for, written into the coded columns of `out`. */
export function decodeWeight(stored: Uint8Array, out: Float32Array, layout: CodeLayout): void {
  const { format } = layout;
  const small = smallFloats[format];
  const table =
    small && Float32Array.from({ length: 2 ** small.bits }, (_, code) => decodeSmallFloat(code, small));
  const codes = table
    ? isHalfByte(format)
      ? unpackUnsignedNibbles(stored)
      : stored
    : isHalfByte(format)
      ? unpackSignedNibbles(stored)
      : new Int8Array(stored.buffer, stored.byteOffset, stored.length);
  eachGroup(layout, (to, at, length, scale) => {
    for (let i = 0; i < length; i++) {
      const code = codes[at + i]!;
      out[to + i] = (table ? table[code]! : code) * scale;
    }
  });
}

export const isHalfByte = (format: CodeFormat): boolean => !['int8', 'e4m3', 'e5m2'].includes(format);

/** Calls `visit` with the place of each group of each row among the values and among the codes. */
function eachGroup(
  { rows, pitch, first = 0, columns, groupSize, channelGroup, scales }: CodeLayout,
  visit: (values: number, codes: number, length: number, scale: number) => void,
): void {
  const groups = columns / groupSize;
  for (let row = 0; row < rows; row++) {
    const scaleRow = Math.floor(row / channelGroup) * groups;
    for (let group = 0; group < groups; group++) {
      const column = group * groupSize;
      visit(row * pitch + first + column, row * columns + column, groupSize, scales[scaleRow + group]!);
    }
  }
}

/** Group scales as MXFP4 stores them: powers of two, exponent + 127. */
export const encodePowerScales = (scales: Float32Array): Uint8Array =>
  Uint8Array.from(scales, (scale) => encodeE8m0(Math.round(Math.log2(scale))));

export const decodePowerScales = (codes: Uint8Array): Float32Array => Float32Array.from(codes, decodeE8m0);

/** Group scales as NVFP4 stores them: E4M3 numbers, times one scale for the whole tensor. */
export const encodeE4m3Scales = (scales: Float32Array, tensorScale: number): Uint8Array =>
  Uint8Array.from(scales, (scale) => encodeSmallFloat(scale / tensorScale, e4m3));

export const decodeE4m3Scales = (codes: Uint8Array, tensorScale: number): Float32Array =>
  Float32Array.from(codes, (code) => decodeSmallFloat(code, e4m3) * tensorScale);
