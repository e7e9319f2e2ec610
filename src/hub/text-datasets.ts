// The texts that perplexity is measured on, put together as GPTQ's loaders (and after them the literature) do: which
// split, which column, what stands between documents. It must not know tokens.
import { AtomError } from '../errors.ts';
import { type DatasetPlace, datasetFiles } from './dataset-files.ts';
import { rowsOf } from './rows.ts';

interface Part {
  readonly split: string;
  readonly files?: readonly string[];
  readonly documents?: number;
}

export interface TextDataset {
  readonly name: string;
  readonly id: string;
  readonly config: string;
  readonly column: string;
  readonly between: string;
  /** What is scored, and what a model may be calibrated on. */
  readonly test: Part;
  readonly train: Part;
  /** Windows that are scored, where the field does not score all. */
  readonly windows?: number;
}

export const textDatasets: readonly TextDataset[] = [
  {
    name: 'wikitext2',
    id: 'Salesforce/wikitext',
    config: 'wikitext-2-raw-v1',
    column: 'text',
    between: '\n\n',
    test: { split: 'test' },
    train: { split: 'train' },
  },
  {
    name: 'ptb',
    id: 'ptb-text-only/ptb_text_only',
    config: 'penn_treebank',
    column: 'sentence',
    between: '\n\n',
    test: { split: 'validation' },
    train: { split: 'train' },
  },
  {
    name: 'c4',
    id: 'allenai/c4',
    config: 'en',
    column: 'text',
    between: ' ',
    test: { split: 'validation', files: ['en/c4-validation.00000-of-00008.json.gz'], documents: 1100 },
    train: { split: 'train', files: ['en/c4-train.00000-of-01024.json.gz'] },
    windows: 256,
  },
];

/** Undefined for a name that is none of them. */
export function textDatasetNamed(name: string): TextDataset | undefined {
  return textDatasets.find((each) => each.name === name);
}

export interface ReadTextOptions {
  readonly part: 'test' | 'train';
  readonly place: DatasetPlace;
  /** Stops after the document that reaches this length; by default all of it is read. */
  readonly characters?: number;
}

/** Documents joined to one text. Throws `bad-dataset`, `io`, and as `datasetFiles` does. */
export async function readTextDataset(dataset: TextDataset, options: ReadTextOptions): Promise<string> {
  const { name, id, config, column, between } = dataset;
  const { split, files, documents = Number.POSITIVE_INFINITY } = dataset[options.part];
  const { characters = Number.POSITIVE_INFINITY } = options;
  const main = options.part === 'test';
  const paths = await datasetFiles({ name, id, config, split, main, ...(files && { files }) }, options.place);
  const texts: string[] = [];
  let length = 0;
  for (const path of paths) {
    for await (const row of rowsOf(path)) {
      const text = row[column];
      if (typeof text !== 'string') {
        throw new AtomError('bad-dataset', `${path}, row ${texts.length + 1}: there is no text "${column}"`);
      }
      texts.push(text);
      length += text.length + between.length;
      if (texts.length >= documents || length >= characters) return texts.join(between);
    }
  }
  return texts.join(between);
}
