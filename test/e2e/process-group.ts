// A command with all the processes it starts, as a terminal has them: signals go to the whole group.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface ProcessGroup {
  /** What it has printed so far. */
  readonly output: () => string;
  /** Whether its first process has ended by itself. */
  readonly hasEnded: () => boolean;
  /** Resolves to the exit code of the first process. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

const running = new Set<number>();

export function startGroup(
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): ProcessGroup {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const group = child.pid!;
  running.add(group);
  const exited = once(child, 'exit') as Promise<[number | null]>;
  void exited.then(() => running.delete(group));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return {
    output: () => output,
    hasEnded: () => child.exitCode !== null,
    async end(signal) {
      process.kill(-group, signal);
      return (await exited)[0];
    },
  };
}

/** Those that are left when the tests have ended, or failed. */
export function killGroups(): void {
  for (const group of running) process.kill(-group, 'SIGKILL');
}
