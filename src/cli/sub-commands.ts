// Sub-commands whose modules are loaded when they are asked for: none waits for the libraries that only others need.
import type { Command } from 'commander';

/** Loads a sub-command; `args` are what follows its name. */
export type LoadCommand = (args: readonly string[]) => Promise<Command>;

/** Adds to `parent` the sub-command that `args` begin with; where they begin with none, all of them, to be listed. */
export async function addSubCommands(
  parent: Command,
  loaders: Readonly<Record<string, LoadCommand>>,
  args: readonly string[],
): Promise<void> {
  const [name = '', ...rest] = args;
  const wanted = Object.hasOwn(loaders, name)
    ? [loaders[name]!(rest)]
    : Object.values(loaders).map((load) => load([]));
  for (const command of await Promise.all(wanted)) parent.addCommand(command);
}
