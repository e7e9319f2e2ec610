// `atom serve` as a process of its own on a free port, over the demo model.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import OpenAI from 'openai';

const root = resolve(import.meta.dirname, '../..');
export const modelPath = resolve(root, 'models/tiny-classics');

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** One thread: a machine that others use too is slow to bring two together. */
const usual = ['--port', '0', '--threads', '1'];

export interface ServingProcess extends AsyncDisposable {
  readonly url: string;
  readonly client: OpenAI;
  readonly child: Child;
  /** What it has printed so far. */
  readonly output: () => string;
  /** Sends the signal and resolves to the exit code, or the signal that ended it. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

export function startServing(...options: string[]): Child {
  const args = [resolve(root, 'bin/atom.js'), 'serve', modelPath, ...usual, ...options];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Resolves once the model is loaded. */
export async function serveModel(...options: string[]): Promise<ServingProcess> {
  const child = startServing(...options);
  let stdout = '';
  let stderr = '';
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      const address = /at (http:\S+)/.exec(stdout)?.[1];
      if (address !== undefined && stdout.includes('try: curl')) resolve(address);
    });
    exited.then(([code]) => reject(new Error(`atom serve ended with code ${code}: ${stderr}`)), reject);
  });
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    const [code, killed] = await exited;
    return code ?? killed;
  };
  return {
    url,
    client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }),
    child,
    output: () => stdout + stderr,
    end,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await end('SIGKILL');
    },
  };
}
