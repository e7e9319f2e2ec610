// Options that several commands have alike.
import { Option } from 'commander';
import { nativeAddon } from '../backend/cpu/native.ts';
import { positiveInteger } from './option-types.ts';

export const jsonOption = (): Option => new Option('--json', 'print one JSON object and nothing else');

export const threadsOption = (): Option =>
  new Option('--threads <n>', 'threads of the kernels (default: one per physical core)').argParser(
    positiveInteger,
  );

/** Has kernels run on so many threads, where that was asked for; gives on how many they do. */
export function useThreads(threads: number | undefined): number {
  const addon = nativeAddon();
  if (threads !== undefined) addon.setThreadCount(threads);
  return addon.threadCount();
}
