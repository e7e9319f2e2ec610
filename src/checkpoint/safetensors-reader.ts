// Opens safetensors files and says where each tensor lies; a backend maps the files and makes tensors of them.
// Opening reads headers only: milliseconds for any size. It must not know what the tensors are for.
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { AtomError, reasonOf } from '../errors.ts';
import {
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  parseHeader,
  type SafetensorsHeader,
  type StoredTensor,
} from './safetensors-header.ts';

export interface SafetensorsFile extends SafetensorsHeader {
  readonly path: string;
  readonly byteLength: number;
}

/** Reads and validates the header. Throws `io` for an unreadable file, `bad-safetensors` for a damaged one. */
export function openSafetensors(path: string): SafetensorsFile {
  return withFile(path, (fd) => {
    const fileBytes = fstatSync(fd).size;
    if (fileBytes < LENGTH_BYTES) {
      throw new AtomError(
        'bad-safetensors',
        `${path}: has ${fileBytes} bytes, too few for a safetensors file`,
      );
    }
    const length = new DataView(readExactly(fd, path, 0, LENGTH_BYTES).buffer).getBigUint64(0, true);
    if (length > BigInt(Math.min(fileBytes - LENGTH_BYTES, MAX_HEADER_BYTES))) {
      const limit =
        length > MAX_HEADER_BYTES
          ? `the format allows ${MAX_HEADER_BYTES}`
          : `the file has ${fileBytes}: it is truncated`;
      throw new AtomError('bad-safetensors', `${path}: claims a header of ${length} bytes, but ${limit}`);
    }
    const header = readExactly(fd, path, LENGTH_BYTES, Number(length));
    return { path, byteLength: fileBytes, ...parseHeader(header, { file: path, fileBytes }) };
  });
}

/** A copy of a tensor's bytes, for tools; models map the file instead. Throws `io`. */
export function readTensor({ file, begin, end }: StoredTensor): Uint8Array<ArrayBuffer> {
  return withFile(file, (fd) => readExactly(fd, file, begin, end - begin));
}

function withFile<T>(path: string, use: (fd: number) => T): T {
  let fd: number;
  try {
    // Opening a pipe would wait for its writer.
    if (!statSync(path).isFile()) throw new Error('it is not a file');
    fd = openSync(path, 'r');
  } catch (error) {
    throw new AtomError('io', `cannot open ${path}: ${reasonOf(error)}`, { cause: error });
  }
  try {
    return use(fd);
  } catch (error) {
    if (error instanceof AtomError) throw error;
    throw new AtomError('io', `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  } finally {
    closeSync(fd);
  }
}

/** Node reads at most 2^31 - 1 bytes at once. */
const MAX_READ = 2 ** 30;

function readExactly(fd: number, path: string, begin: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = readSync(fd, bytes, done, Math.min(length - done, MAX_READ), begin + done);
    if (count === 0) throw new AtomError('io', `${path} became shorter while it was read`);
    done += count;
  }
  return bytes;
}
