// Loads the compiled add-on and picks an instruction set.
// `ATOM_ISA` forces one; without it the best the machine has.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { AtomError, reasonOf } from '../../errors.ts';

/** A native operator: numbers in (addresses, sizes, scalars), a number or nothing out. Checks nothing. */
export interface NativeOperator {
  (...args: number[]): number;
  /** Its name in a list of commands; those that give a number have none. */
  readonly command?: number;
}

/** The operators of one instruction set, by the names in native/cpu/operators.h. */
export type NativeOperators = Readonly<Record<string, NativeOperator>>;

export interface NativeWindow {
  readonly buffer: ArrayBuffer;
  readonly address: number;
}

export interface NativeAddon {
  allocate(bytes: number): NativeWindow | undefined;
  release(buffer: ArrayBuffer): void;
  /** `offset` must be a multiple of the page size. */
  mapFile(path: string, offset: number, bytes: number): NativeWindow;
  pageBytes(): number;
  unmapFile(buffer: ArrayBuffer): void;
  dropPages(address: number, bytes: number): void;
  prefetchPages(address: number, bytes: number): void;
  liveBytes(): number;
  liveBlocks(): number;
  /** Calls native operators in order: `length` numbers at the address, of each its `command` and then its arguments. */
  runCommands(address: number, length: number): void;
  threadCount(): number;
  setThreadCount(count: number): void;
  physicalCores(): number;
  /** 1 where weights that pass once are read from several places at once (native/cpu/streams.h), else 0. */
  readsSideBySide(): number;
  setReadsSideBySide(yes: 0 | 1): void;
  /** Whether products of many rows are halved (native/cpu/linear_int_halved.h): 0 never, 1 always, 2 where that is faster. */
  halvedProducts(): number;
  setHalvedProducts(when: 0 | 1 | 2): void;
  /** The sets that were compiled and this machine can run, plainest first. */
  readonly isas: Readonly<Record<string, NativeOperators>>;
  /** Names of the sets that were compiled, whether this machine can run them or not. */
  readonly linkedIsas: readonly string[];
  /** Names of the sets that this machine can run, whether they were compiled or not. */
  readonly supportedIsas: readonly string[];
}

type IsaFacts = 'isas' | 'linkedIsas' | 'supportedIsas';

let loaded: NativeAddon | undefined;

/** The add-on, loaded once. Throws `native-missing` with what to run. */
export function nativeAddon(): NativeAddon {
  if (loaded) return loaded;
  // Both src/backend/cpu and dist/backend/cpu lie three folders below the package.
  const root = resolve(import.meta.dirname, '../../..');
  const require = createRequire(import.meta.url);
  try {
    loaded = (require('node-gyp-build') as (folder: string) => NativeAddon)(root);
  } catch (cause) {
    throw new AtomError(
      'native-missing',
      `the native kernels cannot be loaded (${reasonOf(cause)}); run \`npm rebuild atom-llm\`, or \`npm run setup\` in a clone`,
      { cause },
    );
  }
  return loaded;
}

export function availableIsas(): string[] {
  return Object.keys(nativeAddon().isas);
}

/**
 * The instruction set to use. Throws `isa-not-built` for one that this machine could run but that was not compiled, and
 * `unsupported-isa` for a forced one that it cannot run.
 */
export function chooseIsa(
  forced: string | undefined = process.env.ATOM_ISA,
  { isas, linkedIsas, supportedIsas }: Pick<NativeAddon, IsaFacts> = nativeAddon(),
): string {
  const available = Object.keys(isas);
  const wanted = forced || available.at(-1);
  if (wanted !== undefined && available.includes(wanted)) return wanted;
  const asked = wanted === undefined ? '' : `instruction set '${wanted}' was asked for (ATOM_ISA), but `;
  if (wanted === undefined || supportedIsas.includes(wanted)) {
    throw new AtomError(
      'isa-not-built',
      `${asked}the native kernels were compiled for ${linkedIsas.join(', ')} alone, and this machine can run ${supportedIsas.join(', ')}; \`npm run setup\` in the clone compiles all`,
    );
  }
  throw new AtomError('unsupported-isa', `${asked}this machine can run ${supportedIsas.join(', ')} alone`);
}
