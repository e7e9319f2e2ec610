// The rows of a data file as plain objects, one after the other: Parquet, or JSON lines, as they are or with gzip.
// It must not know what the rows mean.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { AtomError, reasonOf } from '../errors.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** Whether `rowsOf` can read a file of this name. */
export function isDataFile(name: string): boolean {
  return /\.(parquet|jsonl?(\.gz)?)$/.test(name);
}

/** Reads on as rows are taken. 64-bit numbers of Parquet come as bigint. Throws `io`, `bad-dataset`. */
export function rowsOf(file: string): AsyncGenerator<Fields> {
  return file.endsWith('.parquet') ? parquetRows(file) : jsonRows(file);
}

/** One row group at a time, which is what the format lets a reader skip. */
async function* parquetRows(path: string): AsyncGenerator<Fields> {
  const refused = (cause: unknown) =>
    new AtomError('bad-dataset', `${path} cannot be read as Parquet: ${reasonOf(cause)}`, { cause });
  const file = await asyncBufferFromFile(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const metadata = await parquetMetadataAsync(file).catch((cause: unknown) => {
    throw refused(cause);
  });
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rowEnd = rowStart + Number(group.num_rows);
    const rows = await parquetReadObjects({ file, metadata, rowStart, rowEnd, compressors }).catch(
      (cause: unknown) => {
        throw refused(cause);
      },
    );
    yield* rows;
    rowStart = rowEnd;
  }
}

async function* jsonRows(path: string): AsyncGenerator<Fields> {
  const bytes = createReadStream(path);
  const input = path.endsWith('.gz') ? bytes.pipe(createGunzip()) : bytes;
  // A pipe does not carry errors; without this a missing file would end the process.
  bytes.on('error', (cause) => input.destroy(cause));
  let number = 0;
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (line.trim() !== '') yield parseLine(line, `${path}, line ${number}`);
    }
  } catch (cause) {
    throw cause instanceof AtomError ? cause : unreadable(path, cause);
  } finally {
    bytes.destroy();
  }
}

function parseLine(line: string, place: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new AtomError('bad-dataset', `${place} is not JSON: ${reasonOf(cause)}`, { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new AtomError('bad-dataset', `${place} is not a JSON object`);
}

function unreadable(path: string, cause: unknown): AtomError {
  return new AtomError('io', `the data file ${path} cannot be read: ${reasonOf(cause)}`, { cause });
}
