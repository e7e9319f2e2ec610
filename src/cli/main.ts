// The `atom` command: gathers the sub-commands, and turns any error into one line and an exit code.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { AtomError, reasonOf } from '../errors.ts';
import { addSubCommands, type LoadCommand } from './sub-commands.ts';

const subCommands: Readonly<Record<string, LoadCommand>> = {
  generate: async () => (await import('./generate.ts')).generateCommand(),
  chat: async () => (await import('./chat.ts')).chatCommand(),
  serve: async () => (await import('./serve.ts')).serveCommand(),
  eval: async () => (await import('./evaluate.ts')).evaluateCommand(),
  bench: async (args) => (await import('./bench.ts')).benchCommand(args),
  inspect: async () => (await import('./inspect.ts')).inspectCommand(),
  pull: async () => (await import('./pull.ts')).pullCommand(),
  quantize: async () => (await import('./quantize.ts')).quantizeCommand(),
};

/** Runs the command line; resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const program = new Command('atom')
    .description('4-bit quantization and serving of Hugging Face LLM checkpoints')
    .version(packageVersion())
    .showHelpAfterError('(run the command with --help to see its options)');
  try {
    await addSubCommands(program, subCommands, args);
    overrideExits(program);
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    return report(error);
  }
}

/** Commander would end the process at a usage error or after --help; here `main` alone decides. */
function overrideExits(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) overrideExits(child);
}

/** One line on stderr and the exit code. `ATOM_DEBUG=1` adds the stack and the causes. */
function report(error: unknown): number {
  // Commander has already printed its own sentence, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (process.env.ATOM_DEBUG) console.error(error);
  else console.error(`atom: ${reasonOf(error)}`);
  return error instanceof AtomError ? error.exitCode : 70;
}

function packageVersion(): string {
  const manifest = resolve(import.meta.dirname, '../../package.json');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
