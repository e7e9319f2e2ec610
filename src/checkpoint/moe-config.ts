// Mixture of experts as Mixtral's and Qwen's configs spell it, in one shape. It must not know tensor names.
import { AtomError } from '../errors.ts';
import type { HuggingFaceConfig } from './hugging-face-config.ts';

export interface MoeConfig {
  readonly numExperts: number;
  readonly expertsPerToken: number;
  /** Channels inside one expert. */
  readonly expertIntermediateSize: number;
  /** Channels of the expert that every token passes (Qwen2-MoE), gated by a sigmoid. */
  readonly sharedExpertIntermediateSize?: number;
  /** Whether the chosen experts' probabilities are divided by their sum. */
  readonly normalizeTopK: boolean;
  /** Per layer: experts, or one dense MLP. */
  readonly sparseLayers: readonly boolean[];
}

/** Throws `bad-config` for missing or contradictory fields. */
export function parseMoe(
  fields: HuggingFaceConfig,
  { file, kind }: { file: string; kind: 'none' | 'mixtral' | 'qwen' },
): MoeConfig | undefined {
  switch (kind) {
    case 'none':
      return undefined;
    case 'mixtral':
      return checked(
        {
          numExperts: needed(fields, 'num_local_experts', file),
          expertsPerToken: needed(fields, 'num_experts_per_tok', file),
          expertIntermediateSize: fields.intermediate_size,
          normalizeTopK: true,
          sparseLayers: new Array<boolean>(fields.num_hidden_layers).fill(true),
        },
        file,
      );
    case 'qwen': {
      // Newer files spell it as Mixtral does.
      const numExperts = fields.num_experts ?? needed(fields, 'num_local_experts', file);
      if (numExperts === 0) return undefined;
      const shared = fields.shared_expert_intermediate_size;
      return checked(
        {
          numExperts,
          expertsPerToken: needed(fields, 'num_experts_per_tok', file),
          expertIntermediateSize: needed(fields, 'moe_intermediate_size', file),
          ...(shared ? { sharedExpertIntermediateSize: shared } : {}),
          normalizeTopK: fields.norm_topk_prob ?? false,
          sparseLayers: sparseLayers(fields, file),
        },
        file,
      );
    }
    default:
      return kind satisfies never;
  }
}

function needed(
  fields: HuggingFaceConfig,
  field: 'num_local_experts' | 'num_experts_per_tok' | 'moe_intermediate_size',
  file: string,
): number {
  const value = fields[field];
  if (value == null) throw new AtomError('bad-config', `${file}: the field "${field}" is missing`);
  return value;
}

function checked(moe: MoeConfig, file: string): MoeConfig {
  if (moe.expertsPerToken > moe.numExperts) {
    throw new AtomError(
      'bad-config',
      `${file}: "num_experts_per_tok" ${moe.expertsPerToken} is more than the ${moe.numExperts} experts there are`,
    );
  }
  return moe;
}

/** Every decoder_sparse_step-th layer has experts, except those that mlp_only_layers lists. */
function sparseLayers(
  { num_hidden_layers: numLayers, decoder_sparse_step: step, mlp_only_layers: dense }: HuggingFaceConfig,
  file: string,
): boolean[] {
  const beyond = dense?.find((layer) => layer >= numLayers);
  if (beyond !== undefined) {
    throw new AtomError('bad-config', `${file}: "mlp_only_layers" names layer ${beyond} of ${numLayers}`);
  }
  const denseLayers = new Set(dense);
  return Array.from(
    { length: numLayers },
    (_, layer) => !denseLayers.has(layer) && (layer + 1) % (step ?? 1) === 0,
  );
}
