// A model's folder in, its Tokenizer out. Every fault of the files is found here, before the first request; only
// a chat template is not parsed before it is used, since completions do without.
import { parseBytePairs } from './byte-pairs.ts';
import { parseChatTemplate } from './chat-template.ts';
import { parseDecodingRule } from './decoding-rule.ts';
import { parseSpecialTokens } from './special-tokens.ts';
import { parseTextSplitter } from './text-splitter.ts';
import { Tokenizer } from './tokenizer.ts';
import { badTokenizer, quoted, readTokenizerFiles } from './tokenizer-files.ts';
import { parseVocabulary } from './vocabulary.ts';

/**
 * Reads tokenizer.json, and where present tokenizer_config.json, special_tokens_map.json and
 * chat_template.jinja of the folder `dir`. `vocabSize`: rows of the model's embedding, which every token must have.
 * Throws `bad-tokenizer`, with file and reason, for files that are missing, malformed, at odds with each other
 * or with the model, or that ask for something this room cannot follow to the letter.
 */
export function loadTokenizer(dir: string, { vocabSize }: { vocabSize?: number } = {}): Tokenizer {
  const files = readTokenizerFiles(dir);
  const { tokenizer } = files;
  const vocabulary = parseVocabulary(files, parseDecodingRule(tokenizer));
  if (vocabSize !== undefined && vocabulary.size > vocabSize) {
    const last = vocabulary.size - 1;
    throw badTokenizer(
      tokenizer.path,
      `the token ${quoted(vocabulary.entry(last))} has the id ${last}, but the model has ${vocabSize} ids; ` +
        'the tokenizer is not the one this model was made with',
    );
  }
  return new Tokenizer({
    vocabulary,
    bytePairs: parseBytePairs(tokenizer, vocabulary),
    splitter: parseTextSplitter(tokenizer),
    specialTokens: parseSpecialTokens(files, vocabulary),
    chatTemplate: parseChatTemplate(files),
  });
}
