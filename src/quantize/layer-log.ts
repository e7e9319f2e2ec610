// What was measured while each layer was quantized, one JSON line per layer beside the shards: a run that goes on after a
// kill tells the whole story in its report. Nothing that inference needs is in it.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const layerSchema = z.object({
  run: z.string(),
  index: z.int(),
  seconds: z.number(),
  linears: z.array(z.object({ name: z.string(), error: z.number().nullable() })),
  /** Root mean squares of each input's channels as they were quantized; only of layers that reports show in detail. */
  magnitudes: z.record(z.string(), z.array(z.number())).optional(),
});

export type LoggedLayer = z.infer<typeof layerSchema>;

export class LayerLog {
  readonly #path: string;
  readonly #run: string;
  readonly layers = new Map<number, LoggedLayer>();

  /** Reads what earlier parts of the same run have written; a torn or foreign line counts for nothing. */
  constructor(dir: string, run: string) {
    this.#path = join(dir, 'quantization-log.jsonl');
    this.#run = run;
    if (!existsSync(this.#path)) return;
    for (const line of readFileSync(this.#path, 'utf8').split('\n')) {
      const layer = parse(line);
      if (layer?.run === run) this.layers.set(layer.index, layer);
    }
  }

  add(layer: Omit<LoggedLayer, 'run'>): void {
    const entry = { run: this.#run, ...layer };
    this.layers.set(layer.index, entry);
    appendFileSync(this.#path, `${JSON.stringify(entry)}\n`);
  }
}

function parse(line: string): LoggedLayer | undefined {
  try {
    return layerSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
