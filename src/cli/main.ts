// The `atom` command: gathers the sub-commands and turns any error into one line and an exit code.
import { Command } from 'commander';
import { AtomError, reasonOf } from '../errors.ts';

/** Runs the command line; resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const program = new Command('atom').description(
    '4-bit quantization and serving of Hugging Face LLM checkpoints',
  );
  program.exitOverride();
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof AtomError) {
      console.error(`atom: ${error.message}`);
      return error.exitCode;
    }
    console.error(`atom: ${reasonOf(error)}`);
    return 70;
  }
}
