// `atom bench`: programs that measure, each with a table on the terminal or one JSON object.
import { Command } from 'commander';
import { addSubCommands, type LoadCommand } from './sub-commands.ts';

const subCommands: Readonly<Record<string, LoadCommand>> = {
  gemm: async () => (await import('./bench-gemm.ts')).benchGemmCommand(),
  kernels: async () => (await import('./bench-kernels.ts')).kernelsCommand(),
  attention: async () => (await import('./bench-attention.ts')).benchAttentionCommand(),
  serve: async () => (await import('./bench-serve.ts')).benchServeCommand(),
  compare: async () => (await import('./bench-compare.ts')).benchCompareCommand(),
  prefix: async () => (await import('./bench-prefix.ts')).benchPrefixCommand(),
  http: async () => (await import('./bench-http.ts')).benchHttpCommand(),
};

/** With the sub-command that `args` begin with, or all of them. */
export async function benchCommand(args: readonly string[]): Promise<Command> {
  const bench = new Command('bench').description('measure kernels against the ceilings of this machine');
  await addSubCommands(bench, subCommands, args);
  return bench;
}
