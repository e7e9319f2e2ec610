// The commands that README.md and docs/ show in `sh` blocks, and how each is run in a test: what stands for its
// placeholders, what makes it short, which ones are not run and why. It runs nothing itself.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

export const documents = ['README.md', ...readdirSync(join(root, 'docs')).filter(isPage).map(inDocs)];

function isPage(name: string): boolean {
  return name.endsWith('.md');
}

function inDocs(name: string): string {
  return `docs/${name}`;
}

/** The content of fenced blocks in one of these languages. */
export function blocksOf(document: string, languages: string): string[] {
  const text = readFileSync(join(root, document), 'utf8');
  const pattern = new RegExp(`^\`\`\`(?:${languages})\\n(.*?)^\`\`\``, 'gms');
  return [...text.matchAll(pattern)].map(([, block]) => block!);
}

/** Commands of a block as a reader types them: continued lines joined, comments left out. */
export function commandsOf(block: string): string[] {
  return block
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*/, '').trim())
    .filter((line) => line !== '');
}

/** Whole pages whose blocks are not run here. */
export const pagesApart: Readonly<Record<string, string>> = {
  'docs/results.md': 'is written from runs of its commands; test/e2e/results.test.ts runs them in short',
};

/** Commands that are not run here; each matches at least one. */
export const notRun: readonly (readonly [command: RegExp, reason: string])[] = [
  [/^lm_eval /, 'a Python program; test/evaluate/harness.test.ts holds the scores of a run of it'],
  [/^cd bench\/peers$/, 'leads to what is not run either'],
  [/^npm install --ignore-scripts --omit=optional$/, 'fetches other engines, which tests must do without'],
  [/^node compare\.js/, 'needs these engines; test/bench/random-gguf.test.ts holds the models it makes'],
];

/** What stands for what a reader puts in. `model` and the others are made by the test. */
const placeholders: readonly (readonly [word: RegExp, here: string])[] = [
  [/\bOWNER\/NAME\b|\bowner\/name\b/g, 'someone/model'],
  [/\bMODEL\b/g, 'model'],
  [/\bOTHER\b/g, 'model-atom'],
  [/\bFOLDER\b/g, 'folder'],
  [/\bFILE\b/g, 'text.txt'],
  [/\bURL\b/g, '"$ROOT"'],
  [/\/etc\/atom\/keys\b/g, 'keys'],
  [/\/tmp\//g, '"$SCRATCH"/'],
];

/** What is put behind a command, so that it is over soon; a later option goes before an earlier one of its name. */
const shorter: readonly (readonly [command: RegExp, words: string])[] = [
  [/^atom quantize (?!.*--list)/, '--samples 1 --sequence-length 64'],
  // Half of the small model's channels are outliers: five bits do not hold them.
  [/^atom quantize .*--bits-budget/, '--bits-budget 7'],
  [/^atom eval .*--ablation/, '--samples 1 --sequence-length 64 --group-size 32 --outliers 32'],
  [/^atom eval /, '--limit 1'],
  [/^atom generate /, '--max-tokens 8'],
  [/^atom chat /, '--max-tokens 8'],
  [/^atom bench /, '--threads 1'],
  [/^atom bench kernels/, '--quick --repeats 1 --shape 256x256'],
  [/^atom bench (serve|compare|prefix)/, '--quick --shape tiny --layers 1'],
  [/^atom bench (serve|compare)/, '--seconds 0.1'],
  [/^atom bench (serve|compare)(?!.*--schemes)/, '--schemes w16a16,w4a4'],
  [/^atom bench compare/, '--batches 1,2 --prompt 8 --answer 8'],
  [/^atom bench prefix/, '--rounds 1 --prompt 64'],
  [/^atom bench http .*--shape/, '--shape tiny'],
  [/^atom bench http/, '--streams 2 --tokens 4 --rounds 1'],
  // Quantizing the bundled model takes half a minute, and test/e2e/start.test.ts does it.
  [/^npm start$/, '-- model'],
  [/^(npm start|atom serve)/, '--threads 1'],
  [/^npm run results$/, '--'],
  [/^npm run results(?!.*--list)/, '--results "$SCRATCH"/results --docs "$SCRATCH"/docs'],
  [/^npm run results .*--run/, '--run decoder --short'],
  // Says of every run that it is left out.
  [/^npm run results .*--measure/, '--minutes 0.01'],
];

export interface ShownCommand {
  readonly document: string;
  /** As it stands there. */
  readonly shown: string;
  /** As it is run; undefined where it is not. */
  readonly run: string | undefined;
}

/** Everything that a document's blocks show, block by block. */
export function shownBlocks(document: string): ShownCommand[][] {
  if (pagesApart[document] !== undefined) return [];
  return blocksOf(document, 'sh|bash|console').map((block) =>
    commandsOf(block).map((shown) => ({ document, shown, run: asRun(shown) })),
  );
}

function asRun(shown: string): string | undefined {
  if (notRun.some(([command]) => command.test(shown))) return undefined;
  let run = shown.replace(/\s*&$/, '');
  for (const [word, here] of placeholders) run = run.replaceAll(word, here);
  // Found by the command as it has become: an earlier row may have made it match.
  for (const [command, words] of shorter) if (command.test(run)) run = `${run} ${words}`;
  return run.replace(/--port 8000/, '--port 0');
}
