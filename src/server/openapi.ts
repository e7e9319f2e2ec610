// The OpenAPI document of this server, made from the routes as they are registered and the schemas that check their
// bodies, so that it cannot say anything else than what happens.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

export interface RouteDoc {
  readonly summary: string;
  readonly tag: 'OpenAI' | 'Tokens' | 'Operation';
  readonly body?: z.ZodType;
  /** Media type of the answer, where it is not JSON; a stream's is named too. */
  readonly answers?: readonly string[];
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the OpenAPI document says of the route; routes without it are not in it. */
    doc?: RouteDoc;
  }
}

const errorSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { type: ['string', 'null'] },
      },
    },
  },
};

/** Gathers the routes registered after this call. */
export class OpenApiDocument {
  readonly #paths: Record<string, Record<string, object>> = {};
  readonly #version: string;

  constructor(app: FastifyInstance, version: string) {
    this.#version = version;
    app.addHook('onRoute', ({ url, method, config }) => {
      if (config?.doc === undefined) return;
      const path = url.replace(/:(\w+)/g, '{$1}').replace('*', '{id}');
      for (const verb of [method].flat()) {
        if (verb === 'HEAD') continue;
        this.#paths[path] ??= {};
        this.#paths[path][verb.toLowerCase()] = operation(config.doc, path, config.isPublic === true);
      }
    });
  }

  toJSON(): object {
    return {
      openapi: '3.1.0',
      info: {
        title: 'Atom for Node',
        version: this.#version,
        description: "OpenAI's API for one model, with continuous batching. Errors have OpenAI's shape.",
      },
      paths: this.#paths,
      components: {
        schemas: { Error: errorSchema },
        securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      },
    };
  }
}

function operation(
  { summary, tag, body, answers = ['application/json'] }: RouteDoc,
  path: string,
  isPublic: boolean,
): object {
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  return {
    summary,
    tags: [tag],
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: bodySchema(body) } } },
    }),
    responses: {
      200: { description: 'the answer', content: Object.fromEntries(answers.map((type) => [type, {}])) },
      default: {
        description: 'an error',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
    security: isPublic ? [] : [{ key: [] }],
  };
}

/** Inline, since each body is used once; a schema's own id would make it a reference. */
function bodySchema(body: z.ZodType): object {
  const { $schema: _, ...schema } = z.toJSONSchema(body, {
    io: 'input',
    reused: 'inline',
    unrepresentable: 'any',
  });
  return schema;
}
