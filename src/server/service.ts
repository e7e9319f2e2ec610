// A loaded engine as the service that routes use.
import { createHash } from 'node:crypto';
import type { ServingEngine } from '../engine/engine-types.ts';
import type { ChatTemplate } from '../tokenizer/chat-template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { Admission } from './admission.ts';
import type { ServerContext, Service } from './context.ts';
import { type ToolFormat, toolFormatOf } from './tools/tool-format.ts';

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
    toolFormat: toolFormatFor(engine.tokenizer),
    takesSystem: takesSystem(engine.tokenizer.chatTemplate),
    created: Math.floor(Date.now() / 1000),
  };
}

/** The template's format. Some vocabularies count the marks of calls among their control tokens, some do not. */
function toolFormatFor(tokenizer: Tokenizer): ToolFormat | undefined {
  const format = toolFormatOf(tokenizer.chatTemplate.source ?? '');
  if (format === undefined) return undefined;
  const mark = tokenizer.idOf(format.open);
  const isSpecial = mark !== undefined && tokenizer.isSpecial(mark);
  return { ...format, markersAreSpecial: format.markersAreSpecial || isSpecial };
}

function takesSystem(template: ChatTemplate): boolean {
  if (!template.exists) return true;
  try {
    const text = { content: 'x' };
    template.render({
      messages: [
        { role: 'system', ...text },
        { role: 'user', ...text },
      ],
    });
    return true;
  } catch {
    return false;
  }
}
