// `atom bench http`: the cost of HTTP against the engine alone.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { benchHttp, type HttpRound } from '../bench/http.ts';
import { randomModelFolder } from '../bench/random-model.ts';
import { schemeNamed } from '../bench/schemes.ts';
import { type RandomShape, randomShapes } from '../checkpoint/random-checkpoint.ts';
import { packageVersion } from '../package-version.ts';
import { cacheFolder } from './cache-folder.ts';
import { positiveInteger } from './option-types.ts';
import { bundledModel, presetFolder } from './preset-folder.ts';
import { resolveModel } from './resolve-model.ts';
import { jsonOption, threadsOption } from './shared-options.ts';

interface Options {
  readonly shape?: RandomShape;
  readonly streams: number;
  readonly tokens: number;
  readonly rounds: number;
  readonly threads?: number;
  readonly json?: boolean;
}

export function benchHttpCommand(): Command {
  return new Command('http')
    .description('streams through the server against the engine alone, in turn')
    .argument('[model]', 'folder of a checkpoint, or its id on the Hub (default: the bundled one, in 4 bits)')
    .addOption(
      new Option('--shape <name>', 'random W4A4 KV4 weights in this shape, in place of a model').choices(
        Object.keys(randomShapes),
      ),
    )
    .option('--streams <n>', 'streams at once', positiveInteger, 64)
    .option('--tokens <n>', 'tokens of each answer', positiveInteger, 128)
    .option('--rounds <n>', 'rounds of both', positiveInteger, 8)
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(http);
}

async function http(given: string | undefined, { json, shape, ...options }: Options): Promise<void> {
  const model = await modelFolder(given, shape, json ? console.error : console.log);
  if (!json)
    console.log(
      'engine tok/s  http tok/s    cost  cpu ms per 1000 tok  loop delay p50, p99, max ms  server busy  clients busy',
    );
  const report = await benchHttp(model, {
    ...options,
    ...(!json && { onRound: (round: HttpRound) => console.log(lineOf(round)) }),
  });
  if (json) return console.log(JSON.stringify(report));
  const { scheme, threads, streams, tokens, engine, http: through, cost, loopDelayP99 } = report;
  console.log(
    `\n${model} (${scheme}), ${threads} threads, ${streams} streams of ${tokens} tokens: ` +
      `engine ${engine.toFixed(0)}, http ${through.toFixed(0)} tokens/s, cost ${percent(cost)}, ` +
      `worst loop delay p99 ${loopDelayP99.toFixed(1)} ms`,
  );
}

async function modelFolder(
  given: string | undefined,
  shape: RandomShape | undefined,
  say: (line: string) => void,
): Promise<string> {
  if (given !== undefined) return resolveModel(given);
  if (shape === undefined) return presetFolder(bundledModel(), 'atom', say);
  const keep = { cache: cacheFolder('bench'), toolVersion: packageVersion() };
  const folder = randomModelFolder(schemeNamed('w4a4'), { shape }, keep);
  // Random weights come without words; the bundled model's are as good as any.
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(bundledModel(), name), join(folder, name));
  return folder;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function lineOf({
  engine,
  http: through,
  cost,
  engineCpu,
  httpCpu,
  loopDelay,
  serverBusy,
  clientsBusy,
}: HttpRound): string {
  const { p50, p99, max } = loopDelay;
  return [
    engine.toFixed(0).padStart(12),
    through.toFixed(0).padStart(11),
    percent(cost).padStart(7),
    `${engineCpu.toFixed(0)}, ${httpCpu.toFixed(0)}`.padStart(20),
    [p50, p99, max]
      .map((ms) => ms.toFixed(1))
      .join(', ')
      .padStart(28),
    percent(serverBusy).padStart(12),
    percent(clientsBusy).padStart(13),
  ].join(' ');
}
