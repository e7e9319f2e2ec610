// A loaded engine as the service that routes use.
import { createHash } from 'node:crypto';
import type { ServingEngine } from '../engine/engine-types.ts';
import { Admission } from './admission.ts';
import type { ServerContext, Service } from './context.ts';
import { toolFormatOf } from './tools/tool-format.ts';

export function serviceFor({ options, version, modelPath }: ServerContext, engine: ServingEngine): Service {
  const { maxModelLen, vocabSize, maxBatch } = engine.info;
  const { maxQueue, maxQueuedTokens, maxRequestsPerKey } = options;
  const identity = JSON.stringify([version, modelPath, engine.info]);
  return {
    engine,
    admission: new Admission({
      maxRunning: maxBatch,
      maxQueue,
      maxQueuedTokens,
      maxPerKey: maxRequestsPerKey,
    }),
    maxModelLen,
    vocabSize,
    fingerprint: `fp_${createHash('sha256').update(identity).digest('hex').slice(0, 12)}`,
    toolFormat: toolFormatOf(engine.tokenizer.chatTemplate.source ?? ''),
    created: Math.floor(Date.now() / 1000),
  };
}
