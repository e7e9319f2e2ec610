// Reads a model folder's tokenizer.json and tokenizer_config.json, and checks them before anything relies on them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { AtomError, reasonOf } from '../errors.ts';
import { type Alphabet, bytesOfPiece } from './token-bytes.ts';
import { type SpecialTokens, Tokenizer } from './tokenizer.ts';

const decoderStep = z.looseObject({
  type: z.string(),
  content: z.string().optional(),
  start: z.number().optional(),
});

const tokenizerSchema = z.looseObject({
  model: z.looseObject({
    type: z.literal('BPE').default('BPE'),
    vocab: z.record(z.string(), z.int().min(0)),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
  added_tokens: z
    .array(z.looseObject({ id: z.int().min(0), content: z.string(), special: z.boolean().default(false) }))
    .default([]),
  pre_tokenizer: z.looseObject({ type: z.string() }).nullish(),
  decoder: z.looseObject({ type: z.string(), decoders: z.array(decoderStep).optional() }).nullish(),
});
type TokenizerFile = z.infer<typeof tokenizerSchema>;

const tokenText = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const configSchema = z.looseObject({ bos_token: tokenText, eos_token: tokenText, pad_token: tokenText });

/**
 * The tokenizer of a model folder. `vocabSize` is the model's: ids beyond it have no embedding.
 * Throws `bad-tokenizer` for a missing, malformed or unsupported file, and for one that disagrees with the model.
 */
export function loadTokenizer(dir: string, { vocabSize }: { vocabSize?: number } = {}): Tokenizer {
  const file = join(dir, 'tokenizer.json');
  const rawTokenizer = readJson(file);
  const rawConfig = existsSync(join(dir, 'tokenizer_config.json'))
    ? readJson(join(dir, 'tokenizer_config.json'))
    : {};
  const parsed = parse(tokenizerSchema, rawTokenizer, file);
  const config = parse(configSchema, rawConfig, join(dir, 'tokenizer_config.json'));
  const bytes = tokenTable(parsed, file);
  if (vocabSize !== undefined && bytes.length > vocabSize) {
    throw new AtomError(
      'bad-tokenizer',
      `${file} has token ids up to ${bytes.length - 1}, but the model's vocabulary ends at ${vocabSize - 1}; the two do not belong together`,
    );
  }
  let library: HuggingFaceTokenizer;
  try {
    library = new HuggingFaceTokenizer(rawTokenizer as object, rawConfig as object);
    library.encode('a');
  } catch (cause) {
    throw new AtomError('bad-tokenizer', `${file} cannot be used: ${reasonOf(cause)}`, { cause });
  }
  return new Tokenizer({
    library,
    bytes,
    control: new Set(parsed.added_tokens.filter(({ special }) => special).map(({ id }) => id)),
    specialTokens: specialTokens(config, library),
    stripsLeadingSpace: decoderSteps(parsed).some(
      (step) => step.type === 'Strip' && step.content === ' ' && step.start === 1,
    ),
  });
}

/** The bytes of every token by id. */
function tokenTable(parsed: TokenizerFile, file: string): (Uint8Array | undefined)[] {
  const alphabet = alphabetOf(parsed);
  const added = new Map(parsed.added_tokens.map(({ id, content }) => [id, content]));
  const utf8 = new TextEncoder();
  const table: (Uint8Array | undefined)[] = [];
  // Far above any real vocabulary; an id from a damaged file must not make an array of billions.
  const mostIds = 10_000_000;
  try {
    for (const [piece, id] of Object.entries(parsed.model.vocab)) {
      if (id >= mostIds) throw new AtomError('bad-tokenizer', `token ${JSON.stringify(piece)} has id ${id}`);
      if (!added.has(id)) table[id] = bytesOfPiece(piece, alphabet);
    }
    for (const [id, content] of added) {
      if (id >= mostIds)
        throw new AtomError('bad-tokenizer', `token ${JSON.stringify(content)} has id ${id}`);
      table[id] = utf8.encode(content);
    }
  } catch (cause) {
    throw new AtomError('bad-tokenizer', `${file}: ${reasonOf(cause)}`, { cause });
  }
  return table;
}

function decoderSteps({ decoder }: TokenizerFile) {
  return decoder?.decoders ?? (decoder ? [decoderStep.parse(decoder)] : []);
}

/** SentencePiece vocabularies announce themselves by a decoder that falls back to bytes or replaces U+2581. */
function alphabetOf(parsed: TokenizerFile): Alphabet {
  const types = decoderSteps(parsed).map(({ type }) => type);
  return types.includes('ByteLevel') ? 'byte-level' : 'sentencepiece';
}

function specialTokens(config: z.infer<typeof configSchema>, library: HuggingFaceTokenizer): SpecialTokens {
  const idOf = (token: z.infer<typeof tokenText>) => {
    const text = typeof token === 'string' ? token : token?.content;
    return text === undefined ? undefined : library.token_to_id(text);
  };
  const [bos, eos, pad] = [idOf(config.bos_token), idOf(config.eos_token), idOf(config.pad_token)];
  return {
    ...(bos !== undefined && { bos }),
    ...(eos !== undefined && { eos }),
    ...(pad !== undefined && { pad }),
  };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new AtomError('bad-tokenizer', `${file} cannot be read as JSON: ${reasonOf(cause)}`, { cause });
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.join('.') || 'the top level';
  throw new AtomError('bad-tokenizer', `${file}: ${path}: ${issue?.message ?? 'malformed'}`, {
    cause: result.error,
  });
}
