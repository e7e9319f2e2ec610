// One decoder layer as the list of its operators, in the order of the paper it comes from (Llama; Touvron et al., 2023).
import type { AttentionGeometry, Backend, Batch, KvCache } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import { LinearLayer } from './linear-layer.ts';
import type { LayerSource, LinearInput } from './model-source.ts';
import type { RopeTables } from './rope.ts';
import type { Workspace } from './workspace.ts';

/** What every layer of a decoder shares. */
export interface DecoderContext {
  readonly backend: Backend;
  readonly config: ModelConfig;
  readonly workspace: Workspace;
  readonly rope: RopeTables;
}

export interface LayerStep {
  readonly hidden: Tensor; // (tokens, hidden) f32, read and updated
  readonly batch: Batch;
  readonly cache: KvCache;
  /** The layer's place in the cache. */
  readonly layer: number;
  /** Called when the input of a group of linears has been written, before they run (calibration). */
  readonly observe?: (input: LinearInput, linear: LinearLayer, rows: number) => void;
  /** Called with q, k (both rotated) and v of all heads: (rows, (heads + 2 kvHeads) headDim) f32. */
  readonly observeHeads?: (qkv: Tensor, rows: number) => void;
  /** Returns once the input of these linears has been observed; `hidden` is then left as that input needs it. */
  readonly stopAt?: LinearInput;
  /** Begins with these linears, whose input a step that stopped there has written. */
  readonly from?: 'output' | 'down';
}

/** The half of a layer that looks at no other row: of any rows, then. */
export interface MlpStep extends Pick<LayerStep, 'hidden' | 'observe' | 'stopAt' | 'from'> {
  readonly tokens: number;
}

export class DecoderLayer implements Disposable {
  readonly linears: Readonly<Record<LinearInput, LinearLayer>>;
  readonly #context: DecoderContext;
  readonly #source: LayerSource;
  readonly #geometry: AttentionGeometry;
  readonly #window: number | undefined;

  constructor(options: { context: DecoderContext; source: LayerSource; index: number }) {
    const { context, source, index } = options;
    const { backend, config, workspace } = context;
    const linear = (input: LinearInput) =>
      new LinearLayer({ backend, workspace, group: source.linears[input], gated: input === 'down' });
    this.linears = {
      qkv: linear('qkv'),
      output: linear('output'),
      gateUp: linear('gateUp'),
      down: linear('down'),
    };
    this.#context = context;
    this.#source = source;
    this.#geometry = { numHeads: config.numHeads, numKvHeads: config.numKvHeads, headDim: config.headDim };
    this.#window = config.slidingWindow[index];
  }

  run(step: LayerStep): void {
    this.runAttention(step);
    this.runMlp({ ...step, tokens: step.batch.numTokens });
  }

  runAttention(step: LayerStep): void {
    const { output } = this.linears;
    if (step.from !== 'output' && !this.#attend(step)) return;
    output.run(step.hidden, step.batch.numTokens, { accumulate: true });
  }

  /** Up to the input of the output linear; whether the step goes on there. */
  #attend({ hidden, batch, cache, layer, observe, observeHeads, stopAt }: LayerStep): boolean {
    const { backend, config, workspace, rope } = this.#context;
    const { attentionNorm, qNorm, kNorm } = this.#source;
    const { qkv, output } = this.linears;
    const { numTokens: tokens } = batch;
    const epsilon = config.rmsNormEps;
    const attention = { qkv: workspace.qkv, geometry: this.#geometry, batch, cache, layer };
    const scale = 1 / Math.sqrt(config.headDim);

    backend.rmsNorm({ x: hidden, weight: attentionNorm, epsilon, out: qkv.input, tokens });
    observe?.('qkv', qkv, tokens);
    if (stopAt === 'qkv') return false;
    qkv.run(workspace.qkv, tokens);
    backend.ropeAppendKv({
      ...attention,
      cos: rope.cos,
      sin: rope.sin,
      epsilon,
      ...(qNorm && { qNorm }),
      ...(kNorm && { kNorm }),
    });
    observeHeads?.(workspace.qkv, tokens);
    backend.attention({
      ...attention,
      scale,
      out: output.input,
      ...(this.#window && { window: this.#window }),
    });
    observe?.('output', output, tokens);
    return stopAt !== 'output';
  }

  runMlp(step: MlpStep): void {
    const { down } = this.linears;
    if (step.from !== 'down' && !this.#activate(step)) return;
    down.run(step.hidden, step.tokens, { accumulate: true });
  }

  /** Up to the input of the down linear; whether the step goes on there. */
  #activate({ hidden, tokens, observe, stopAt }: MlpStep): boolean {
    const { backend, config, workspace } = this.#context;
    const { gateUp, down } = this.linears;
    backend.rmsNorm({
      x: hidden,
      weight: this.#source.mlpNorm,
      epsilon: config.rmsNormEps,
      out: gateUp.input,
      tokens,
    });
    observe?.('gateUp', gateUp, tokens);
    if (stopAt === 'gateUp') return false;
    gateUp.runSiluMul(down.input, tokens, workspace.gateUp);
    observe?.('down', down, tokens);
    return stopAt !== 'down';
  }

  [Symbol.dispose](): void {
    for (const linear of Object.values(this.linears)) linear[Symbol.dispose]();
  }
}
