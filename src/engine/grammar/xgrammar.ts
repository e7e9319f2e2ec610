// The one file that knows the xgrammar package: grammars of all kinds to matchers over a vocabulary.
// Its errors come as a line on stderr and an aborted call; here they become sentences.
// Paper: Dong et al., "XGrammar: Flexible and Efficient Structured Generation Engine for LLMs", 2024.
import { createRequire } from 'node:module';
import type { CompiledGrammar, GrammarMatcher } from '@mlc-ai/web-xgrammar';
import { AtomError, reasonOf } from '../../errors.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { Grammar } from '../engine-types.ts';
import { spellClasses } from './character-classes.ts';
import { repeatedRules } from './repeated-rules.ts';
import { withOneRulePerString } from './schema-strings.ts';

type XGrammar = typeof import('@mlc-ai/web-xgrammar');
type Rules = InstanceType<XGrammar['Grammar']>;

/** Longer grammars are refused: compiling one holds up every other. */
const LONGEST_GRAMMAR = 2 ** 18;
/** Each grammar that fails to compile leaves its stack behind; so many do no harm. */
const MOST_ABORTS = 20;
/** Compiled grammars kept for the next request with the same. */
const KEPT = 32;

export interface GrammarVocabulary {
  readonly tokenizer: Tokenizer;
  /** Rows of the model's logits. */
  readonly vocabSize: number;
  /** Tokens that end an answer once the grammar is complete. */
  readonly eosTokenIds: readonly number[];
}

export interface Matchers {
  /** Whether an error of a matcher or of `create` has left the package unusable. */
  isBroken(error: unknown): boolean;
  /** A matcher at the grammar's beginning. Throws `bad-request` where the grammar cannot be compiled. */
  create(grammar: Grammar): Promise<GrammarMatcher>;
}

export async function loadMatchers(vocabulary: GrammarVocabulary): Promise<Matchers> {
  const complaints: string[] = [];
  const xgrammar = await loadPackage((line) => complaints.push(line));
  const { tokenizer, vocabSize, eosTokenIds } = vocabulary;
  const info = await xgrammar.TokenizerInfo.createTokenizerInfo(
    spelledVocabulary(tokenizer),
    tokenizer.spelling === 'byte-level' ? 'byte_level' : 'byte_fallback',
    false,
    vocabSize,
    [...eosTokenIds],
  );
  const compiler = await xgrammar.GrammarCompiler.createGrammarCompiler(info, false);
  const compiled = new Map<string, CompiledGrammar>();

  let aborts = 0;
  const compile = async (grammar: Grammar) => {
    complaints.length = 0;
    try {
      // Parsed first: what fails here leaves the compiler as it was.
      const rules = await withWholeCharacters(xgrammar, grammar, await parse(xgrammar, grammar));
      const result = await compiler.compileGrammar(rules);
      rules.dispose();
      return result;
    } catch (error) {
      if (error instanceof AtomError) throw error;
      aborts++;
      const complaint = complaints.map(complaintOf).find((text) => text !== undefined);
      const reason =
        complaint ?? (isWordless(error) ? 'it is too large or nested too deeply' : reasonOf(error));
      throw new AtomError('bad-request', `the grammar cannot be used: ${reason}`, { cause: error });
    }
  };

  return {
    isBroken(error) {
      const cause = error instanceof AtomError ? error.cause : error;
      // An abort is the package's own word; anything else, as a stack that overflows, comes out of the middle of its work.
      const isOwn = cause === undefined || /^Aborted/.test(reasonOf(cause));
      return !isOwn || aborts > MOST_ABORTS;
    },
    async create(grammar) {
      const key = JSON.stringify(grammar);
      if (key.length > LONGEST_GRAMMAR)
        throw new AtomError('bad-request', `the grammar has more than ${LONGEST_GRAMMAR} characters`);
      const known = compiled.get(key) ?? (await compile(grammar));
      // The last used is the last to go.
      compiled.delete(key);
      compiled.set(key, known);
      const [oldest] = compiled;
      if (compiled.size > KEPT && oldest) {
        compiled.delete(oldest[0]);
        oldest[1].dispose();
      }
      return xgrammar.GrammarMatcher.createGrammarMatcher(known);
    },
  };
}

async function parse(xgrammar: XGrammar, grammar: Grammar): Promise<Rules> {
  switch (grammar.type) {
    case 'json':
      return parseSchema(xgrammar, { type: 'object', additionalProperties: true });
    case 'json-schema':
      return parseSchema(xgrammar, grammar.schema);
    case 'structural-tag':
      return parseTag(xgrammar, await withRules(xgrammar, grammar.format));
    case 'regex':
      return parseTag(xgrammar, { type: 'regex', pattern: grammar.pattern });
    case 'ebnf':
      return xgrammar.Grammar.fromEBNF(grammar.rules);
    default:
      return grammar satisfies never;
  }
}

const parseTag = ({ Grammar }: XGrammar, format: unknown) =>
  Grammar.fromStructuralTag({ type: 'structural_tag', format });

/** JSON in one line, `{"a": 1, "b": [2, 3]}`: where blanks are free, small models write blanks for ever. */
const parseSchema = ({ Grammar }: XGrammar, schema: unknown) =>
  Grammar.fromJSONSchema(JSON.stringify(withOneRulePerString(schema)), false, -1);

/**
 * A structural tag with rules for what xgrammar does not do, or not as it should: schemas, whose blanks it would leave free,
 * and `repeated`, which it does not know.
 */
async function withRules(xgrammar: XGrammar, value: unknown): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((item) => withRules(xgrammar, item)));
  if (typeof value !== 'object' || value === null) return value;
  const { type, json_schema: schema, content, separator } = value as Record<string, unknown>;
  if (type === 'json_schema' && schema !== undefined) {
    const rules = textOf(await parseSchema(xgrammar, schema));
    return { type: 'grammar', grammar: spellClasses(rules, { inJson: true }) };
  }
  if (type === 'repeated' && typeof separator === 'string') {
    const rules = textOf(await parseTag(xgrammar, await withRules(xgrammar, content)));
    return { type: 'grammar', grammar: repeatedRules(rules, separator) };
  }
  const entries = Object.entries(value).map(
    async ([key, item]) => [key, await withRules(xgrammar, item)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** The rules as text; they are used up. */
function textOf(rules: Rules): string {
  const text = rules.toString();
  rules.dispose();
  return text;
}

async function withWholeCharacters({ Grammar }: XGrammar, { type }: Grammar, rules: Rules): Promise<Rules> {
  const text = rules.toString();
  const spelled = spellClasses(text, { inJson: type === 'json' || type === 'json-schema' });
  if (spelled === text) return rules;
  rules.dispose();
  // Made from a structural tag, as regular expressions are too, a grammar has its root last under a name of its own.
  const isTag = type === 'structural-tag' || type === 'regex';
  const names = [...text.matchAll(/^(\w+) ::=/gm)].map(([, name]) => name!);
  return Grammar.fromEBNF(spelled, isTag ? names.at(-1) : 'root');
}

/** Tokens as the vocabulary spells them; nothing for those that control the model, which no grammar allows. */
function spelledVocabulary(tokenizer: Tokenizer): string[] {
  return Array.from({ length: tokenizer.vocabSize }, (_, id) =>
    tokenizer.isSpecial(id) ? '' : (tokenizer.entryOf(id) ?? ''),
  );
}

/** An abort, a stack that overflows, or the number of a C++ exception: nothing for a reader. */
const isWordless = (error: unknown) =>
  error instanceof RangeError || /^(?:Aborted|\d+$)|memory access|unreachable/.test(reasonOf(error));

/** `[FATAL] file.cc:12: what is wrong` -> what is wrong. */
const complaintOf = (line: string) => /\.(?:cc|h|cpp):\d+: (.+)/s.exec(line)?.[1]?.trim();

/**
 * The package is a script that finds itself among modules: it asks for `require`, leaves its exports on globalThis, and
 * says on the console why it fails. This thread is its own, so it gets all three.
 */
async function loadPackage(onComplaint: (line: string) => void): Promise<XGrammar> {
  const room = globalThis as { require?: unknown; xgrammar?: XGrammar } & Record<string, unknown>;
  Object.assign(room, {
    require: createRequire(import.meta.url),
    __filename: import.meta.filename,
    __dirname: import.meta.dirname,
  });
  console.error = (line: unknown) => onComplaint(String(line));
  console.log = console.error;
  await import('@mlc-ai/web-xgrammar');
  if (room.xgrammar === undefined) throw new AtomError('internal', 'the grammar package did not load');
  return room.xgrammar;
}
