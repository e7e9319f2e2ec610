// `atom bench gemm`: dense matrix products against the peak and the read bandwidth measured in the same run.
import { Command } from 'commander';
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { benchGemm, type GemmRow } from '../bench/gemm.ts';
import { jsonOption, threadsOption, useThreads } from './shared-options.ts';

export function benchGemmCommand(): Command {
  return new Command('gemm')
    .description('dense matrix products in f32 and bf16')
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(gemm);
}

function gemm({ threads, json }: { threads?: number; json?: boolean }): void {
  using backend = new CpuBackend();
  if (!json) console.log('type  rows     in    out        ms   GFLOPS   of peak     GB/s   of read');
  const report = benchGemm(backend, {
    threads: useThreads(threads),
    ...(!json && { onRow: (row: GemmRow) => console.log(gemmLine(row)) }),
  });
  if (json) {
    console.log(JSON.stringify(report));
    return;
  }
  const { f32, bf16, read } = report.ceilings;
  console.log(
    `\nceilings in this run (${report.isa}, ${report.threads} threads): f32 ${f32.toFixed(0)} GFLOPS, bf16 ${bf16.toFixed(0)} GFLOPS, reading ${read.toFixed(1)} GB/s`,
  );
}

function gemmLine(row: GemmRow): string {
  const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
  return [
    row.type.padEnd(4),
    String(row.tokens).padStart(5),
    String(row.inFeatures).padStart(6),
    String(row.outFeatures).padStart(6),
    row.milliseconds.toFixed(3).padStart(9),
    row.gflops.toFixed(0).padStart(8),
    percent(row.shareOfPeak).padStart(9),
    row.gigabytesPerSecond.toFixed(1).padStart(8),
    (row.shareOfBandwidth === undefined ? '-' : percent(row.shareOfBandwidth)).padStart(9),
  ].join(' ');
}
