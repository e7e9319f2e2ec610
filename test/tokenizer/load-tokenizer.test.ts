// What a model's folder may hold: each part of the files has its effect, and each fault one clear error.
import { describe, expect, test } from 'vitest';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';
import { demoModel, expectError, type Files, folder, folderOf, llama2Like, llama3Like } from './fixtures.ts';

type Json = Record<string, unknown>;

/** A Llama 3 like folder with one change. */
function changed(change: (files: Files & { model: Json }) => void): string {
  const files = llama3Like();
  change({ ...files, model: files.tokenizer.model as Json });
  return folderOf(files);
}

describe('a fault is one error with file and reason:', () => {
  test('no such folder', () => {
    expectError(() => loadTokenizer('/nowhere'), 'bad-tokenizer', '/nowhere/tokenizer.json', 'no such file');
  });

  test('a folder with a SentencePiece model only, and what to do', () => {
    const dir = folder({ 'tokenizer.model': 'binary' });
    expectError(() => loadTokenizer(dir), 'bad-tokenizer', 'tokenizer.json', 'save_pretrained');
  });

  test('a folder in place of the file', () => {
    const dir = folder({ 'tokenizer.json/x': '' });
    expectError(() => loadTokenizer(dir), 'bad-tokenizer', 'tokenizer.json', 'not a file');
  });

  test.each(['', '{', 'null', '[]', '"text"', '\u0000'])('a file that holds %j', (text) => {
    expectError(() => loadTokenizer(folder({ 'tokenizer.json': text })), 'bad-tokenizer', 'tokenizer.json');
  });

  test('a truncated file', () => {
    const text = JSON.stringify(llama3Like().tokenizer);
    const dir = folder({ 'tokenizer.json': text.slice(0, text.length / 2) });
    expectError(() => loadTokenizer(dir), 'bad-tokenizer', 'tokenizer.json', 'not JSON');
  });

  test('a truncated tokenizer_config.json', () => {
    const dir = folder({ 'tokenizer.json': llama3Like().tokenizer, 'tokenizer_config.json': '{"bos' });
    expectError(() => loadTokenizer(dir), 'bad-tokenizer', 'tokenizer_config.json', 'not JSON');
  });

  test('a vocabulary larger than the model', () => {
    expect(loadTokenizer(demoModel, { vocabSize: 5000 }).vocabSize).toBe(4096);
    expectError(
      () => loadTokenizer(demoModel, { vocabSize: 4095 }),
      'bad-tokenizer',
      'tokenizer.json',
      'has the id 4095, but the model has 4095 ids',
    );
  });

  test.each<[string, (files: Files & { model: Json }) => void, string]>([
    ['a model that is not BPE', ({ model }) => Object.assign(model, { type: 'Unigram' }), '"Unigram"'],
    ['no vocabulary', ({ model }) => Object.assign(model, { vocab: null }), '"model.vocab"'],
    ['no merges', ({ model }) => Object.assign(model, { merges: {} }), '"model.merges"'],
    [
      'an id that is no number',
      ({ model }) => Object.assign(model.vocab as Json, { x: '7' }),
      '"x" has the id "7"',
    ],
    ['a negative id', ({ model }) => Object.assign(model.vocab as Json, { x: -1 }), '"x" has the id -1'],
    [
      'an id of 2^40',
      ({ model }) => Object.assign(model.vocab as Json, { x: 2 ** 40 }),
      '"x" has the id 1099511627776',
    ],
    [
      'an id used twice',
      ({ model }) => Object.assign(model.vocab as Json, { x: 5 }),
      'the id 5 belongs to both',
    ],
    [
      'a merge of unknown tokens',
      ({ model }) => (model.merges as unknown[]).push('☃ ☃'),
      '"☃", which the vocabulary lacks',
    ],
    [
      'a merge into an unknown token',
      ({ model }) => (model.merges as unknown[]).push('z z'),
      '"zz", which the vocabulary lacks',
    ],
    ['a merge of three', ({ model }) => (model.merges as unknown[]).push('a b c'), '"a b c" is not a pair'],
    [
      'a suffix for words',
      ({ model }) => Object.assign(model, { end_of_word_suffix: '</w>' }),
      'end_of_word_suffix',
    ],
    ['no decoder', ({ tokenizer }) => Object.assign(tokenizer, { decoder: null }), '"decoder"'],
    [
      'a decoder of another family',
      ({ tokenizer }) => Object.assign(tokenizer, { decoder: { type: 'CTC' } }),
      '"CTC"',
    ],
    [
      'an added token without text',
      ({ tokenizer }) => (tokenizer.added_tokens as unknown[]).push({ id: 1 }),
      'added token',
    ],
    [
      'an added token with another id',
      ({ config }) => Object.assign(config, { added_tokens_decoder: { 7: { content: '<|eot_id|>' } } }),
      'has the ids',
    ],
    [
      'a post-processor of another family',
      ({ tokenizer }) => Object.assign(tokenizer, { post_processor: { type: 'Nmt' } }),
      '"Nmt"',
    ],
    [
      'a bos that is no token',
      ({ config }) => Object.assign(config, { bos_token: '<bos>' }),
      '"bos_token" "<bos>"',
    ],
    [
      'a chat template that is a number',
      ({ config }) => Object.assign(config, { chat_template: 7 }),
      '"chat_template"',
    ],
  ])('%s', (_name, change, part) => {
    expectError(() => loadTokenizer(changed(change)), 'bad-tokenizer', '.json: ', part);
  });
});

describe('special tokens', () => {
  test('are those that either file calls special', () => {
    const tokenizer = loadTokenizer(
      changed(({ tokenizer, config }) => {
        for (const token of tokenizer.added_tokens as Json[]) token.special = false;
        config.added_tokens_decoder = {};
        config.additional_special_tokens = ['<|start_header_id|>'];
      }),
    );
    const special = (entry: string) => tokenizer.isSpecial(tokenizer.idOf(entry)!);
    expect(special('<|begin_of_text|>')).toBe(true);
    expect(special('<|start_header_id|>')).toBe(true);
    expect(special('<|end_header_id|>')).toBe(false);
  });

  test('may be added by tokenizer_config.json alone', () => {
    const base = loadTokenizer(folderOf(llama3Like()));
    const id = base.vocabSize;
    const tokenizer = loadTokenizer(
      changed(({ config }) =>
        Object.assign(config, { added_tokens_decoder: { [id]: { content: '<|new|>', special: true } } }),
      ),
    );
    expect([...tokenizer.encode('<|new|>', { addSpecialTokens: false })]).toEqual([id]);
  });

  test('come from special_tokens_map.json where the config says nothing', () => {
    const { tokenizer } = llama2Like();
    const tokens = { bos_token: { content: '<s>' }, eos_token: '</s>' };
    const { bosId, eosId, padId } = loadTokenizer(
      folder({ 'tokenizer.json': tokenizer, 'special_tokens_map.json': tokens }),
    );
    expect([bosId, eosId, padId]).toEqual([1, 2, undefined]);
  });

  test('around a text follow add_bos_token and add_eos_token, which overrule the template', () => {
    const around = (config: Json, tokenizer: Json = {}) => {
      const files = llama2Like();
      Object.assign(files.config, config);
      Object.assign(files.tokenizer, tokenizer);
      const ids = loadTokenizer(folderOf(files)).encode('a');
      return [ids[0] === 1, ids.at(-1) === 2];
    };
    expect(around({})).toEqual([true, false]);
    expect(around({ add_bos_token: false })).toEqual([false, false]);
    expect(around({ add_eos_token: true })).toEqual([true, true]);
    expect(around({ add_bos_token: undefined }, { post_processor: null })).toEqual([true, false]);
    expect(around({ add_bos_token: undefined, tokenizer_class: 'X' }, { post_processor: null })).toEqual([
      false,
      false,
    ]);
  });

  test('take in white space beside them where they say so', () => {
    const ids = (option: Json) => {
      const files = llama3Like();
      Object.assign((files.tokenizer.added_tokens as Json[])[4]!, option);
      const tokenizer = loadTokenizer(folderOf({ ...files, config: { bos_token: '<|begin_of_text|>' } }));
      const encoded = tokenizer.encode('a  <|eot_id|>  b', { addSpecialTokens: false });
      return tokenizer.decode(encoded, { skipSpecialTokens: false });
    };
    expect(ids({})).toBe('a  <|eot_id|>  b');
    expect(ids({ lstrip: true })).toBe('a<|eot_id|>  b');
    expect(ids({ rstrip: true })).toBe('a  <|eot_id|>b');
  });

  test('that are single words are not found inside one', () => {
    const files = llama3Like();
    Object.assign((files.tokenizer.added_tokens as Json[])[4]!, { content: 'moor', single_word: true });
    const tokenizer = loadTokenizer(folderOf({ ...files, config: {} }));
    const id = tokenizer.idOf('moor')!;
    const count = (text: string) => [...tokenizer.encode(text)].filter((found) => found === id).length;
    expect([
      count('a moor.'),
      count('moors'),
      count('amoor'),
      count('\u{10400}moor'),
      count('moor moor'),
    ]).toEqual([1, 0, 0, 0, 2]);
  });

  test('of which one begins like another are found longest first', () => {
    const files = llama3Like();
    const tokens = files.tokenizer.added_tokens as Json[];
    tokens[3]!.content = '<|eot';
    const tokenizer = loadTokenizer(folderOf({ ...files, config: {} }));
    const entries = Array.from(tokenizer.encode('<|eot_id|><|eot'), (id) => tokenizer.entryOf(id));
    expect(entries.slice(1)).toEqual(['<|eot_id|>', '<|eot']);
  });
});

describe('each token', () => {
  test('has entry, id, bytes and text', () => {
    const tokenizer = loadTokenizer(folderOf(llama2Like()));
    for (let id = 0; id < tokenizer.vocabSize; id++) expect(tokenizer.idOf(tokenizer.entryOf(id)!)).toBe(id);
    const space = tokenizer.idOf('▁the')!;
    expect(tokenizer.textOf(space)).toBe(' the');
    expect([...tokenizer.bytesOf(space)]).toEqual([0x20, 0x74, 0x68, 0x65]);
    const byte = tokenizer.idOf('<0xF0>')!;
    expect(tokenizer.textOf(byte)).toBe('\ufffd');
    expect([...tokenizer.bytesOf(byte)]).toEqual([0xf0]);
  });

  test('of a byte-level vocabulary has the bytes its entry spells', () => {
    const tokenizer = loadTokenizer(folderOf(llama3Like()));
    const single = Array.from({ length: 256 }, (_, id) => [...tokenizer.bytesOf(id)]);
    expect(single.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 256 }, (_, byte) => byte));
    expect(tokenizer.textOf(tokenizer.idOf('ĠHolmes')!)).toBe(' Holmes');
    expect(tokenizer.textOf(tokenizer.eosId!)).toBe('<|eot_id|>');
  });

  test('keeps its bytes whatever the caller does to them', () => {
    const tokenizer = loadTokenizer(demoModel);
    tokenizer.bytesOf(100).fill(0);
    expect(tokenizer.bytesOf(100)).not.toContain(0);
  });

  test('that a vocabulary lacks has no entry, no bytes and no text', () => {
    const tokenizer = loadTokenizer(demoModel);
    for (const id of [4096, 1e9, -1, 0.5, Number.NaN]) {
      expect([tokenizer.entryOf(id), tokenizer.bytesOf(id).length, tokenizer.textOf(id)]).toEqual([
        undefined,
        0,
        '',
      ]);
    }
  });
});
