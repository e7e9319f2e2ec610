// POST /tokenize, POST /detokenize and GET /tokenizer_info in vLLM's form, which lm-eval's remote tokenizer reads.
import type { FastifyInstance } from 'fastify';
import { checkModelName, type ServerContext, type Service, serviceOf } from '../context.ts';
import { encodeChat } from '../generation/chat-prompt.ts';
import { unknownToken } from '../generation/sampling-request.ts';
import { parseBody } from '../schemas/parse.ts';
import { detokenizeBody, type TokenizeBody, tokenizeBody } from '../schemas/tokenize.ts';

export function tokenizeRoutes(app: FastifyInstance, context: ServerContext): void {
  app.post(
    '/tokenize',
    { config: { doc: { summary: 'Text or messages to token ids', tag: 'Tokens', body: tokenizeBody } } },
    async (request) => {
      const service = serviceOf(context);
      const body = parseBody(tokenizeBody, request.body);
      checkModelName(context, body.model);
      const { tokenizer } = service.engine;
      const tokens = Array.from(encode(service, body));
      return {
        count: tokens.length,
        max_model_len: service.maxModelLen,
        tokens,
        token_strs: body.return_token_strs === true ? tokens.map((id) => tokenizer.entryOf(id) ?? '') : null,
      };
    },
  );

  app.post(
    '/detokenize',
    { config: { doc: { summary: 'Token ids to text', tag: 'Tokens', body: detokenizeBody } } },
    async (request) => {
      const { engine, vocabSize } = serviceOf(context);
      const body = parseBody(detokenizeBody, request.body);
      checkModelName(context, body.model);
      const unknown = body.tokens.find((id) => id >= vocabSize);
      if (unknown !== undefined) throw unknownToken('tokens', unknown, vocabSize);
      return {
        prompt: engine.tokenizer.decode(body.tokens, {
          skipSpecialTokens: body.skip_special_tokens ?? false,
        }),
      };
    },
  );

  app.get(
    '/tokenizer_info',
    { config: { doc: { summary: 'Special tokens and chat template', tag: 'Tokens' } } },
    async () => {
      const { tokenizer } = serviceOf(context).engine;
      const entry = (id: number | undefined) => (id === undefined ? null : (tokenizer.entryOf(id) ?? null));
      return {
        tokenizer_class: 'PreTrainedTokenizerFast',
        vocab_size: tokenizer.vocabSize,
        bos_token: entry(tokenizer.bosId),
        eos_token: entry(tokenizer.eosId),
        pad_token: entry(tokenizer.padId),
        chat_template: tokenizer.chatTemplate.source ?? null,
      };
    },
  );
}

function encode(service: Service, body: TokenizeBody): Int32Array {
  if (body.messages === undefined) {
    return service.engine.tokenizer.encode(body.prompt ?? '', {
      addSpecialTokens: body.add_special_tokens ?? true,
    });
  }
  return encodeChat(service, {
    messages: body.messages,
    tools: body.tools ?? [],
    addGenerationPrompt: body.add_generation_prompt ?? true,
    variables: body.chat_template_kwargs ?? {},
  });
}
