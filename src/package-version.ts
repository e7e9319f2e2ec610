// The version of this package, from its manifest.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export function packageVersion(): string {
  const manifest = resolve(import.meta.dirname, '../package.json');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
