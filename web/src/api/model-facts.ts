// What /v1/models says of the model, reduced to what the dashboard shows. The facts under `atom` grow with the engine, so
// they are read with care: what is not there is not shown.

export interface LayerPrecision {
  readonly name: string;
  /** What the checkpoint asks for, as `W4A4`. */
  readonly declared: string;
  /** What the kernels do. */
  readonly executed: string;
  readonly kernel: string | undefined;
}

export interface ModelFacts {
  readonly id: string;
  readonly maxModelLen: number | undefined;
  /** Most sequences that run together. */
  readonly maxBatch: number | undefined;
  readonly layers: readonly LayerPrecision[];
  /** Everything else that is one value. */
  readonly others: readonly (readonly [name: string, value: string | number | boolean])[];
}

interface ModelsReply {
  readonly data: readonly {
    readonly id: string;
    readonly max_model_len?: number;
    readonly atom?: Readonly<Record<string, unknown>>;
  }[];
}

/** undefined where the list is empty. */
export function modelFactsOf(reply: ModelsReply): ModelFacts | undefined {
  const [model] = reply.data;
  if (model === undefined) return undefined;
  const { maxModelLen: _length, maxBatch, layers, summary, ...others } = model.atom ?? {};
  return {
    id: model.id,
    maxModelLen: model.max_model_len,
    maxBatch: typeof maxBatch === 'number' ? maxBatch : undefined,
    layers: Array.isArray(layers) ? layers.flatMap(layerOf) : [],
    others: valuesOf({ ...others, ...(isObject(summary) ? summary : {}) }),
  };
}

function layerOf(raw: unknown): LayerPrecision[] {
  if (!isObject(raw)) return [];
  const { name, declared, executed, kernel } = raw;
  if (typeof name !== 'string' || typeof declared !== 'string' || typeof executed !== 'string') return [];
  return [{ name, declared, executed, kernel: typeof kernel === 'string' ? kernel : undefined }];
}

/** Nested objects become names with a space: `{kv: {bits: 4}}` is `kv bits`. */
function valuesOf(
  facts: Readonly<Record<string, unknown>>,
  prefix = '',
): (readonly [string, string | number | boolean])[] {
  return Object.entries(facts).flatMap(([key, value]) => {
    const name = prefix + key;
    if (isObject(value)) return valuesOf(value, `${name} `);
    const isOne = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    return isOne ? [[name, value] as const] : [];
  });
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Layers of the same precision together, the largest group first. */
export function groupByPrecision(layers: readonly LayerPrecision[]): (readonly LayerPrecision[])[] {
  const groups = new Map<string, LayerPrecision[]>();
  for (const layer of layers) {
    const key = [layer.declared, layer.executed, layer.kernel].join('|');
    const group = groups.get(key);
    if (group) group.push(layer);
    else groups.set(key, [layer]);
  }
  return [...groups.values()].sort((a, b) => b.length - a.length);
}
