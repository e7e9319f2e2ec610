// Where a run of bytes can be cut so that what comes later cannot change the text before the cut.
// Table 3-7 of the Unicode Standard (well-formed UTF-8) decides; nothing is decoded here.

/** Bytes the character that `lead` opens should have; 0 where `lead` opens none of two bytes or more. */
function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/** Whether `byte` may follow `lead`: the second byte also rules out overlong forms, surrogates and > U+10FFFF. */
function isSecond(lead: number, byte: number): boolean {
  if (lead === 0xe0) return byte >= 0xa0 && byte <= 0xbf;
  if (lead === 0xed) return byte >= 0x80 && byte <= 0x9f;
  if (lead === 0xf0) return byte >= 0x90 && byte <= 0xbf;
  if (lead === 0xf4) return byte >= 0x80 && byte <= 0x8f;
  return isContinuation(byte);
}

const isContinuation = (byte: number) => byte >= 0x80 && byte <= 0xbf;

/** How many leading bytes are certain: all but a tail that is the beginning of a character. */
export function certainLength(bytes: Uint8Array): number {
  const end = bytes.length;
  for (let start = end - 1; start >= 0 && start >= end - 3; start--) {
    const lead = bytes[start]!;
    if (isContinuation(lead)) continue;
    const present = end - start;
    const open = present < sequenceLength(lead) && (present < 2 || isSecond(lead, bytes[start + 1]!));
    return open ? start : end;
  }
  return end;
}
