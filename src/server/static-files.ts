// The playground and dashboard as built in web/dist: read once at start, served from memory by exact name, so that no
// request ever becomes a path of the file system.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import type { FastifyInstance } from 'fastify';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

/** The pages load nothing from elsewhere, and no other page may frame them. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Serves the files under `folder` at `/`; without the folder, a line that says how to build it. */
export function serveStaticFiles(app: FastifyInstance, folder: string): void {
  if (!existsSync(join(folder, 'index.html'))) {
    app.get('/', { config: { isPublic: true } }, async (_request, reply) =>
      reply
        .type('text/plain; charset=utf-8')
        .send('The API is at /v1. The playground is not built: run "npm run build".\n'),
    );
    return;
  }
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path).split(sep).join('/');
    serveFile(app, name === 'index.html' ? '/' : `/${name}`, path);
  }
}

function serveFile(app: FastifyInstance, url: string, path: string): void {
  const content = readFileSync(path);
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 27)}"`;
  const type = types[extname(path)] ?? 'application/octet-stream';
  // Files under assets/ carry a hash of their content in the name.
  const caching = url.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
  app.get(url, { config: { isPublic: true } }, async (request, reply) => {
    reply.headers({
      etag,
      'cache-control': caching,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy': policy,
    });
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    return reply.type(type).send(content);
  });
}
