// Options that several commands have alike.
import { Option } from 'commander';
import { positiveInteger } from './option-types.ts';

export const jsonOption = (): Option => new Option('--json', 'print one JSON object and nothing else');

export const threadsOption = (): Option =>
  new Option('--threads <n>', 'threads of the kernels (default: one per physical core)').argParser(
    positiveInteger,
  );
