// Calibration text: from a file, a JSONL or a data set to windows of token ids.
import { existsSync, readFileSync } from 'node:fs';
import { AtomError, reasonOf } from '../errors.ts';
import { type Hub, openHub } from '../hub/hub.ts';
import { readTextDataset, textDatasetNamed } from '../hub/text-datasets.ts';

export interface CalibrationOptions {
  readonly samples: number;
  readonly sequenceLength: number;
}

export interface CalibrationTextOptions extends CalibrationOptions {
  /** A folder to look for data sets in, instead of the Hub. */
  readonly data?: string;
  readonly hub?: Hub;
}

/** Of a token at most, so that enough of a data set is read for the samples, and not all of a large one. */
const charactersPerToken = 20;

/** `source`: a text, a .jsonl, or the name of a data set. Throws `io`, `bad-option`, and as `datasetFiles` does. */
export async function readCalibrationText(
  source: string,
  { samples, sequenceLength, data, hub }: CalibrationTextOptions,
): Promise<string> {
  const dataset = textDatasetNamed(source);
  if (!dataset || existsSync(source)) return readFileText(source);
  const place = { hub: hub ?? openHub(), ...(data !== undefined && { folder: data }) };
  const characters = charactersPerToken * samples * sequenceLength;
  return readTextDataset(dataset, { part: 'train', place, characters });
}

/** The text of a file; of a .jsonl the "text" of every line, joined by blank lines. */
function readFileText(file: string): string {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AtomError('io', `the calibration text ${file} cannot be read: ${reasonOf(cause)}`, { cause });
  }
  if (!file.endsWith('.jsonl')) return content;
  const lines = content.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line, index) => textOfLine(line, `${file}:${index + 1}`)).join('\n\n');
}

function textOfLine(line: string, where: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw new AtomError('bad-option', `${where} is not JSON: ${reasonOf(cause)}`, { cause });
  }
  const text = typeof parsed === 'object' && parsed !== null && 'text' in parsed ? parsed.text : undefined;
  if (typeof text !== 'string') throw new AtomError('bad-option', `${where} has no "text" string`);
  return text;
}

/** The first `samples` windows of `sequenceLength` tokens, without overlap. Throws `bad-option` when there are none. */
export function calibrationWindows(
  tokenIds: ArrayLike<number>,
  { samples, sequenceLength }: CalibrationOptions,
): Int32Array[] {
  const ids = Int32Array.from(tokenIds);
  const count = Math.min(samples, Math.floor(ids.length / sequenceLength));
  if (count < 1) {
    throw new AtomError(
      'bad-option',
      `the calibration text has ${ids.length} tokens, fewer than one sample of ${sequenceLength}; give a longer text or a shorter --sequence-length`,
    );
  }
  return Array.from({ length: count }, (_, i) => ids.subarray(i * sequenceLength, (i + 1) * sequenceLength));
}
