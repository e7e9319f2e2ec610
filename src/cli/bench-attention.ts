// `atom bench attention`: options, a table or JSON.
import { Command } from 'commander';
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { type AttentionRow, attentionShapes, benchAttention } from '../bench/attention.ts';
import { list, positiveInteger } from './option-types.ts';
import { jsonOption, threadsOption, useThreads } from './shared-options.ts';

interface AttentionFlags {
  readonly contexts?: readonly number[];
  readonly threads?: number;
  readonly processorTime?: true;
  readonly json?: true;
}

export function benchAttentionCommand(): Command {
  return new Command('attention')
    .description('decode attention over caches of 16, 8 and 4 bits, against the bandwidth of memory')
    .option('--contexts <list>', 'only these tokens of context', (text) => list(text).map(positiveInteger))
    .addOption(threadsOption())
    .option('--processor-time', 'leave out what a busy machine gave to others; for one thread')
    .addOption(jsonOption())
    .action(attention);
}

function attention({ contexts, threads, processorTime, json }: AttentionFlags): void {
  using backend = new CpuBackend();
  if (!json) console.log('heads  batch  context  bits         ms     GB/s   of read   times 16 bits');
  const report = benchAttention(backend, {
    threads: useThreads(threads),
    shapes: attentionShapes.filter(({ context }) => contexts?.includes(context) ?? true),
    clock: processorTime ? 'processor' : 'wall',
    ...(!json && { onRow: (row: AttentionRow) => console.log(attentionLine(row)) }),
  });
  if (json) {
    console.log(JSON.stringify(report));
    return;
  }
  const { isa, read } = report;
  console.log(`\nreading in this run (${isa}, ${report.threads} threads): ${read.toFixed(1)} GB/s`);
}

function attentionLine(row: AttentionRow): string {
  return [
    `${row.numHeads}/${row.numKvHeads}`.padStart(5),
    String(row.batch).padStart(6),
    String(row.context).padStart(8),
    String(row.bits).padStart(5),
    row.milliseconds.toFixed(3).padStart(10),
    row.gigabytesPerSecond.toFixed(1).padStart(8),
    `${(row.shareOfBandwidth * 100).toFixed(0)} %`.padStart(9),
    row.speedup.toFixed(2).padStart(15),
  ].join(' ');
}
