// What the output layer of a quantized checkpoint is kept in. The checkpoint has it in 16 bits; whoever loads it chooses.

export const headFormats = ['int8', 'bf16'] as const;

export type HeadFormat = (typeof headFormats)[number];

const groupSizes = [128, 64, 32, 16, 8];

/** Channels that share a scale where the head is kept as `format`; nothing where it stays as it is. */
export function headGroupSize(channels: number, format: HeadFormat): number | undefined {
  return format === 'bf16' ? undefined : groupSizes.find((size) => channels % size === 0);
}

/** The integers of both its weight and its input. */
export const headQuantizer = { range: 'symmetric', clip: 1 } as const;
