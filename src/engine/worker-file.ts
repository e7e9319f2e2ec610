// Where the programs of the engine's threads lie.
import { resolve } from 'node:path';

/** The compiled program `name` of this room: Node's threads run no TypeScript, so sources use the last build's. */
export function workerFile(name: string): string {
  const compiled = import.meta.filename.endsWith('.js');
  return resolve(import.meta.dirname, compiled ? '.' : '../../dist/engine', `${name}.js`);
}
