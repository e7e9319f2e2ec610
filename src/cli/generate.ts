// `atom generate`: a prompt in, text out, as it comes.
import { Command } from 'commander';
import { AtomError } from '../errors.ts';
import { interruptSignal } from './interrupt.ts';
import { resolveModel } from './resolve-model.ts';
import { addSessionOptions, openSession, type SessionOptions } from './session.ts';
import { jsonOption } from './shared-options.ts';

interface Options extends SessionOptions {
  readonly prompt?: string;
  readonly json?: boolean;
}

export function generateCommand(): Command {
  const command = new Command('generate')
    .description('continue a prompt')
    .argument('<model>', 'folder of a checkpoint, or its id on the Hub')
    .option('--prompt <text>', 'text to continue (required)')
    .addOption(jsonOption());
  return addSessionOptions(command).action(generate);
}

async function generate(model: string, options: Options): Promise<void> {
  // Asked for here and not by the parser, so that a misspelt --prompt is called misspelt.
  if (options.prompt === undefined) throw new AtomError('bad-option', 'say what to continue: --prompt TEXT');
  using session = openSession(await resolveModel(model), options);
  using interrupt = interruptSignal();
  const prompt = session.tokenizer.encode(options.prompt);
  const ids: number[] = [];
  let text = '';
  const started = performance.now();
  let firstAt = started;
  for await (const piece of session.stream(prompt, { signal: interrupt.signal, ids, continues: true })) {
    if (text === '') firstAt = performance.now();
    text += piece;
    if (!options.json) process.stdout.write(piece);
  }
  const seconds = (performance.now() - started) / 1000;
  const decodeSeconds = (performance.now() - firstAt) / 1000;
  const tokensPerSecond = ids.length > 1 ? (ids.length - 1) / Math.max(decodeSeconds, 1e-9) : 0;
  if (options.json) {
    const timeToFirstToken = (firstAt - started) / 1000;
    console.log(
      JSON.stringify({
        text,
        tokens: ids,
        promptTokens: prompt.length,
        timeToFirstToken,
        seconds,
        tokensPerSecond,
      }),
    );
  } else {
    process.stdout.write('\n');
    console.error(
      `[${prompt.length} tokens in, ${ids.length} out in ${seconds.toFixed(2)} s, ${tokensPerSecond.toFixed(0)} tokens/s]`,
    );
  }
}
