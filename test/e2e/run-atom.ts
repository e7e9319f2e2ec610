// Runs the compiled command without blocking, so that a server of the test's own can answer it.
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

export interface AtomRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const program = resolve(import.meta.dirname, '../../bin/atom.js');

/** `env` is put over this process's. */
export async function runAtom(
  args: readonly string[],
  { env = {}, cwd }: { env?: Readonly<Record<string, string>>; cwd?: string } = {},
): Promise<AtomRun> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
  const status = await new Promise<number | null>((done, failed) =>
    child.on('error', failed).on('close', done),
  );
  return { status, stdout, stderr };
}
