// GET /v1/models and /v1/models/{id}: what is served, and in which precision it really runs.
import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../context.ts';
import { checkModelName, serviceOf } from '../context.ts';

export function modelRoutes(app: FastifyInstance, context: ServerContext): void {
  const describe = (id: string) => {
    const { engine, created, maxModelLen } = serviceOf(context);
    return {
      id,
      object: 'model',
      created,
      owned_by: 'atom',
      // As vLLM shows them.
      root: context.modelPath,
      parent: null,
      max_model_len: maxModelLen,
      // Ours: facts of the checkpoint, the precision it declares, and the precision each layer is executed in.
      atom: engine.info,
    };
  };

  app.get('/v1/models', { config: { doc: { summary: 'The models served', tag: 'OpenAI' } } }, async () => ({
    object: 'list',
    data: context.modelNames.map(describe),
  }));

  // A wildcard, since names may hold slashes.
  app.get<{ Params: { '*': string } }>(
    '/v1/models/*',
    { config: { doc: { summary: 'One model', tag: 'OpenAI' } } },
    async (request) => {
      const name = request.params['*'];
      checkModelName(context, name);
      return describe(name);
    },
  );
}
