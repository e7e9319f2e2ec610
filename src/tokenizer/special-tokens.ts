// Which tokens are bos, eos and pad, and what encoding puts before and after a text.
// The template is tokenizer.json's post-processor; add_bos_token and add_eos_token of the config overrule it.
import { flatten } from './decoding-rule.ts';
import {
  badTokenizer,
  isObject,
  type Json,
  optionalObject,
  quoted,
  type TokenizerFiles,
} from './tokenizer-files.ts';
import { namedToken, type Vocabulary } from './vocabulary.ts';

export interface SpecialTokens {
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  /** Ids encoding puts before a text, and after it. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Throws `bad-tokenizer` where a template or config names a token that the vocabulary lacks. */
export function parseSpecialTokens(files: TokenizerFiles, vocabulary: Vocabulary): SpecialTokens {
  const { config, specialTokens } = files;
  const idOf = (key: string) => {
    for (const { path, json } of [config, specialTokens]) {
      const content = namedToken(json[key]);
      if (content === undefined) continue;
      const id = vocabulary.id(content);
      // A padding token is never fed to the model, so that one need not exist.
      if (id === undefined && key !== 'pad_token') {
        throw badTokenizer(path, `the "${key}" ${quoted(content)} is not in the vocabulary`);
      }
      return id;
    }
    return undefined;
  };
  const bosId = idOf('bos_token');
  const eosId = idOf('eos_token');
  const padId = idOf('pad_token');

  const { before, after } = parseTemplate(files, vocabulary);
  const wantsBos = explicit(config.json.add_bos_token) ?? impliedBos(files);
  const wantsEos = explicit(config.json.add_eos_token);
  return {
    bosId,
    eosId,
    padId,
    before:
      wantsBos === undefined || bosId === undefined
        ? before
        : [...(wantsBos ? [bosId] : []), ...before.filter((id) => id !== bosId)],
    after:
      wantsEos === undefined || eosId === undefined
        ? after
        : [...after.filter((id) => id !== eosId), ...(wantsEos ? [eosId] : [])],
  };
}

const explicit = (value: unknown) => (typeof value === 'boolean' ? value : undefined);

/** Llama's own tokenizer class adds bos even if tokenizer.json has no template. */
function impliedBos({ tokenizer, config }: TokenizerFiles): true | undefined {
  const isLlama = /^(Code)?LlamaTokenizer(Fast)?$/.test(String(config.json.tokenizer_class));
  return isLlama && (tokenizer.json.post_processor ?? null) === null ? true : undefined;
}

function parseTemplate(
  { tokenizer }: TokenizerFiles,
  vocabulary: Vocabulary,
): { before: readonly number[]; after: readonly number[] } {
  const processor = optionalObject(tokenizer, 'post_processor');
  const steps = processor === undefined ? [] : [...flatten(processor, 'processors', tokenizer.path)];
  let before: number[] = [];
  let after: number[] = [];
  const known = (id: unknown, name: unknown) => {
    if (typeof id === 'number' && vocabulary.entry(id) !== undefined) return id;
    throw badTokenizer(
      tokenizer.path,
      `the post-processor adds ${quoted(name)}, which is not in the vocabulary`,
    );
  };
  for (const step of steps) {
    switch (step.type) {
      case 'ByteLevel':
        break; // changes offsets only
      case 'TemplateProcessing': {
        const [left, right] = aroundSequence(step, tokenizer.path);
        const idsOf = (name: string) => specialIds(step, name).map((id) => known(id, name));
        before = [...left.flatMap(idsOf), ...before];
        after = [...after, ...right.flatMap(idsOf)];
        break;
      }
      case 'BertProcessing':
      case 'RobertaProcessing': {
        const pair = (value: unknown) => (Array.isArray(value) ? value : []);
        before = [known(pair(step.cls)[1], 'cls'), ...before];
        after = [...after, known(pair(step.sep)[1], 'sep')];
        break;
      }
      default:
        throw badTokenizer(tokenizer.path, `the post-processor type ${quoted(step.type)} is not supported`);
    }
  }
  return { before, after };
}

/** Names of the special tokens before and after the text in a template for one sequence. */
function aroundSequence(step: Json, path: string): [string[], string[]] {
  const names: [string[], string[]] = [[], []];
  let side: 0 | 1 = 0;
  for (const item of Array.isArray(step.single) ? step.single : [undefined]) {
    if (isObject(item) && isObject(item.SpecialToken)) names[side].push(String(item.SpecialToken.id));
    else if (isObject(item) && isObject(item.Sequence)) side = 1;
    else throw badTokenizer(path, 'the post-processor\'s template "single" is malformed');
  }
  return names;
}

function specialIds(step: Json, name: string): readonly unknown[] {
  const token = isObject(step.special_tokens) ? step.special_tokens[name] : undefined;
  return isObject(token) && Array.isArray(token.ids) ? token.ids : [undefined];
}
