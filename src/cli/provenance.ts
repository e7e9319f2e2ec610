// What every report says about its own making: command, version, date, machine.
import { packageVersion } from '../package-version.ts';
import type { Provenance } from '../report/types.ts';
import { machineLine, thisMachine } from './machine.ts';

/** `started` as performance.now() gave it. */
export function provenance(title: string, started: number): Provenance {
  return {
    title,
    command: commandLine(),
    toolVersion: packageVersion(),
    date: new Date().toISOString(),
    machine: machineLine(thisMachine()),
    seconds: (performance.now() - started) / 1000,
  };
}

/** As a shell takes it. */
function commandLine(): string {
  const words = process.argv
    .slice(2)
    .map((word) => (/^[\w./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`));
  return ['atom', ...words].join(' ');
}
