// OpenBLAS's SGEMM as a peer: a small native program of its own, compiled when it is first asked for and skipped with one
// sentence where compiler or library are missing. Its times come right after those of our own kernels on the same matrix.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ClockName } from '../timing.ts';
import type { KernelFigure, Meter } from './measure.ts';
import { type LinearShape, shapeName } from './shapes.ts';

const root = resolve(import.meta.dirname, '../../..');
const source = join(root, 'native/bench/open_blas_sgemm.cpp');
const program = join(root, 'build/bench/open_blas_sgemm');

/** As Debian's libopenblas0 and libopenblas-dev name it. */
const library = 'libopenblas.so.0';

export class OpenBlas {
  readonly #skip: (reason: string) => void;

  private constructor(skip: (reason: string) => void) {
    this.#skip = skip;
  }

  /** Nothing, and a sentence to `skip`, where it cannot be had. */
  static build(skip: (reason: string) => void): OpenBlas | undefined {
    if (!existsSync(source)) {
      skip('OpenBLAS is left out: its benchmark is part of the repository, not of the package');
      return undefined;
    }
    mkdirSync(join(root, 'build/bench'), { recursive: true });
    const compiler = process.env.CXX ?? 'g++';
    const built = spawnSync(compiler, ['-std=c++20', '-O2', source, '-o', program, '-ldl'], {
      encoding: 'utf8',
    });
    if (built.status !== 0) {
      skip(`OpenBLAS is left out: its benchmark cannot be compiled with ${compiler}`);
      return undefined;
    }
    const probe = spawnSync(program, [library, 'wall', '1', '1', '1', '1', '1']);
    if (probe.status !== 0) {
      skip(`OpenBLAS is left out: there is no ${library} (on Debian: apt-get install libopenblas-dev)`);
      return undefined;
    }
    return new OpenBlas(skip);
  }

  measure(options: {
    meter: Meter;
    shape: LinearShape;
    rows: readonly number[];
    repeats: number;
    threads: number;
    clock: ClockName;
  }): KernelFigure[] {
    const { meter, shape, rows, repeats, threads, clock } = options;
    const { inFeatures, outFeatures } = shape;
    meter.measureCeilings('f32', 'read');
    const numbers = [threads, repeats, inFeatures, outFeatures, ...rows];
    const { status, stdout } = spawnSync(program, [library, clock, ...numbers.map(String)], {
      encoding: 'utf8',
    });
    if (status !== 0) {
      this.#skip(`OpenBLAS failed on ${shapeName(shape)}`);
      return [];
    }
    const lines = stdout.trim().split('\n');
    return rows.map((count, at) =>
      meter.outside(
        {
          operator: 'OpenBLAS SGEMM',
          shape: shapeName(shape),
          rows: count,
          operations: 2 * count * inFeatures * outFeatures,
          bytes: 4 * inFeatures * outFeatures,
          arithmetic: 'f32',
        },
        lines[at]!.trim().split(' ').map(Number),
      ),
    );
  }
}
