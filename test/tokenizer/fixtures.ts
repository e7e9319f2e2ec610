// Tokenizer folders made on the spot, of the kinds public models have: Llama 3's byte-level BPE, Llama 2's
// SentencePiece-style BPE with byte fallback, and Mistral's variant with a Metaspace pre-tokenizer.
// A small trainer learns real merges from the demo model's text, so that ranks and ties matter.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { AtomError, ErrorCode } from '../../src/errors.ts';
import { byteCharacters } from '../../src/tokenizer/byte-alphabet.ts';

type Json = Record<string, unknown>;
type Merge = [string, string];

export interface Files {
  tokenizer: Json;
  config: Json;
}

export const demoModel = resolve(import.meta.dirname, '../../models/tiny-classics');
export const novel = readFileSync(join(demoModel, 'calibration.txt'), 'utf8').slice(0, 30_000);

export const llama3Pattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" +
  '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** Byte-pair training as in Sennrich et al. (2016): the most frequent pair, `count` times; ties by first seen. */
function train(words: readonly string[][], count: number): Merge[] {
  const merges: Merge[] = [];
  const spellings = [...words];
  while (merges.length < count) {
    const counts = new Map<string, number>();
    for (const symbols of spellings) {
      for (let i = 0; i + 1 < symbols.length; i++) {
        const pair = JSON.stringify([symbols[i], symbols[i + 1]]);
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const [best] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
    const [left, right] = JSON.parse(best) as Merge;
    merges.push([left, right]);
    for (const [w, symbols] of spellings.entries()) {
      if (!symbols.includes(left)) continue;
      const merged: string[] = [];
      for (let i = 0; i < symbols.length; i++) {
        const joins = symbols[i] === left && symbols[i + 1] === right;
        merged.push(joins ? left + right : symbols[i]!);
        if (joins) i++;
      }
      spellings[w] = merged;
    }
  }
  return merges;
}

const spelled = (text: string) => Array.from(Buffer.from(text), (byte) => byteCharacters[byte]!);
const special = (content: string, id: number) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

function idsOf(entries: readonly string[]): Record<string, number> {
  return Object.fromEntries([...new Set(entries)].map((entry, id) => [entry, id]));
}

function bosTemplate(bos: string, id: number): Json {
  return {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: bos, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { [bos]: { id: bos, ids: [id], tokens: [bos] } },
  };
}

const byteLevelMerges = train(
  (novel.match(/[^\s\p{L}]?\p{L}+| ?\p{P}+|\s+/gu) ?? []).slice(0, 1500).map(spelled),
  300,
);

export const llama3Specials = [
  '<|begin_of_text|>',
  '<|end_of_text|>',
  '<|start_header_id|>',
  '<|end_header_id|>',
  '<|eot_id|>',
];

export function llama3Like(): Files {
  // An entry that no merge makes: with ignore_merges, only the whole piece " Holmes" gives it.
  const entries = [...byteCharacters, ...byteLevelMerges.map(([a, b]) => a + b), 'ĠHolmes'];
  const vocab = idsOf(entries);
  const first = Object.keys(vocab).length;
  return {
    tokenizer: {
      version: '1.0',
      added_tokens: llama3Specials.map((content, i) => special(content, first + i)),
      normalizer: null,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: llama3Pattern }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
        ],
      },
      post_processor: {
        type: 'Sequence',
        processors: [{ type: 'ByteLevel' }, bosTemplate('<|begin_of_text|>', first)],
      },
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: 'BPE',
        unk_token: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: true,
        vocab,
        merges: byteLevelMerges.map(([a, b]) => `${a} ${b}`),
      },
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: '<|begin_of_text|>',
      eos_token: { content: '<|eot_id|>', special: true },
      clean_up_tokenization_spaces: true,
      added_tokens_decoder: Object.fromEntries(
        llama3Specials.map((content, i) => [String(first + i), { content, special: true }]),
      ),
    },
  };
}

const words = novel
  .replaceAll('\n', ' ')
  .split(' ')
  .filter((word) => word !== '')
  .slice(0, 1500);
const pieceMerges: Merge[] = [
  ['▁', '▁'],
  ['▁▁', '▁▁'],
  ...train(
    words.map((word) => ['▁', ...word]),
    300,
  ),
];

export function llama2Like(): Files {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const letters = [...new Set(words.join(''))].sort();
  const entries = ['<unk>', '<s>', '</s>', ...bytes, '▁', ...letters, ...pieceMerges.map(([a, b]) => a + b)];
  return {
    tokenizer: {
      version: '1.0',
      added_tokens: ['<unk>', '<s>', '</s>'].map(special),
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: '▁' },
          { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        ],
      },
      pre_tokenizer: null,
      post_processor: bosTemplate('<s>', 1),
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          { type: 'Strip', content: ' ', start: 1, stop: 0 },
        ],
      },
      model: {
        type: 'BPE',
        unk_token: '<unk>',
        fuse_unk: true,
        byte_fallback: true,
        vocab: idsOf(entries),
        merges: pieceMerges,
      },
    },
    config: {
      tokenizer_class: 'LlamaTokenizer',
      add_bos_token: true,
      add_eos_token: false,
      bos_token: { content: '<s>' },
      eos_token: { content: '</s>' },
      unk_token: { content: '<unk>' },
      pad_token: null,
      clean_up_tokenization_spaces: false,
    },
  };
}

/** Mistral's way of the same: the space is put before the text's first section only, by the pre-tokenizer. */
export function metaspaceLike(): Files {
  const files = llama2Like();
  files.tokenizer.normalizer = null;
  files.tokenizer.pre_tokenizer = {
    type: 'Metaspace',
    replacement: '▁',
    prepend_scheme: 'first',
    split: false,
  };
  return files;
}

/** A folder that goes away with the test, holding `files`; objects are written as JSON. */
export function folder(files: Readonly<Record<string, unknown>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'atom-tokenizer-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return dir;
}

export function folderOf({ tokenizer, config }: Files): string {
  return folder({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': config });
}

/** Expects an AtomError with this code whose message holds every one of `parts`. */
export function expectError(action: () => unknown, code: ErrorCode, ...parts: string[]): void {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ name: 'AtomError', code });
  for (const part of parts) expect((thrown as AtomError).message).toContain(part);
}
