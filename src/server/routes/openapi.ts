// GET /openapi.json
import type { FastifyInstance } from 'fastify';
import type { OpenApiDocument } from '../openapi.ts';

export function openapiRoutes(app: FastifyInstance, document: OpenApiDocument): void {
  app.get('/openapi.json', { config: { isPublic: true } }, async () => document.toJSON());
}
