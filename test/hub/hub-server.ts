// A server that speaks the part of the Hub's API that fetching needs: what a revision stands for, a folder's files page
// by page with their checksums, contents with ranges. Large files are redirected to a second origin, as the Hub does.
// A test tells it what goes wrong, and reads what it was asked.
import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HostedRepository {
  readonly files: Readonly<Record<string, Buffer | string>>;
  readonly commit: string;
  /** Branches and tags beside `main`, and their commits' files. */
  readonly revisions?: Readonly<Record<string, Omit<HostedRepository, 'revisions' | 'token'>>>;
  /** Only who shows it is let in. */
  readonly token?: string;
}

/** Answers a request for content in its own way instead; returns false to let the server answer. */
export type Mishap = (request: IncomingMessage, response: ServerResponse, content: Buffer) => boolean;

export interface HubServer extends AsyncDisposable {
  readonly endpoint: string;
  readonly requests: {
    readonly origin: 'hub' | 'store';
    readonly url: string;
    readonly headers: IncomingHttpHeaders;
  }[];
  /** The next requests for content meet these, one each. */
  readonly mishaps: Mishap[];
  /** The next requests of any kind get these statuses. */
  readonly statuses: number[];
  /** Urls of the requests for content. */
  contents(): string[];
}

/** Files of at least this many bytes are "large": stored apart, known by their SHA-256. */
const large = 1000;
const filesOfPage = 3;

/** `repositories`: by `models/<id>` or `datasets/<id>`. */
export async function startHubServer(
  repositories: Readonly<Record<string, HostedRepository>>,
): Promise<HubServer> {
  const requests: HubServer['requests'] = [];
  const mishaps: Mishap[] = [];
  const statuses: number[] = [];

  const hub = createServer((request, response) => {
    requests.push({ origin: 'hub', url: request.url!, headers: request.headers });
    const status = statuses.shift();
    if (status === undefined) answer(request, response);
    else refuse(response, status);
  });
  const store = createServer((request, response) => {
    requests.push({ origin: 'store', url: request.url!, headers: request.headers });
    send(request, response, find(request.url!.slice(1)));
  });
  const [endpoint, storeOrigin] = await Promise.all([listen(hub), listen(store)]);

  function answer(request: IncomingMessage, response: ServerResponse): unknown {
    const url = new URL(request.url!, endpoint);
    const api = /^\/api\/(models|datasets)\/([^/]+\/[^/]+)\/(revision|tree)\/([^/]+)(?:\/(.*))?$/.exec(
      url.pathname,
    );
    const resolve = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.*)$/.exec(url.pathname);
    const key = api ? `${api[1]}/${api[2]}` : resolve ? `${resolve[1] ?? 'models/'}${resolve[2]}` : '';
    const repository = repositories[key];
    if (!repository) return refuse(response, 404);
    if (repository.token && request.headers.authorization !== `Bearer ${repository.token}`) {
      return refuse(response, request.headers.authorization ? 403 : 401);
    }
    const revision = decodeURIComponent((api?.[4] ?? resolve?.[3])!);
    const state = at(repository, revision);
    if (!state) return refuse(response, 404);
    if (api?.[3] === 'revision') {
      return reply(response, {
        _id: 'x',
        id: api[2],
        sha: state.commit,
        lastModified: '2026-01-01T00:00:00Z',
      });
    }
    if (api) return tree(url, response, { state, folder: api[5] ?? '' });
    const path = decodeURIComponent(resolve![4]!);
    const content = state.files[path];
    if (content === undefined) return refuse(response, 404);
    if (content.length < large) return send(request, response, Buffer.from(content));
    return response.writeHead(302, { location: `${storeOrigin}/${key}/${state.commit}/${path}` }).end();
  }

  function find(place: string): Buffer {
    const [kind, owner, name, commit, ...path] = place.split('/').map(decodeURIComponent);
    return Buffer.from(at(repositories[`${kind}/${owner}/${name}`]!, commit!)!.files[path.join('/')]!);
  }

  function tree(
    url: URL,
    response: ServerResponse,
    { state, folder }: { state: HostedRepository; folder: string },
  ): unknown {
    const within = folder === '' ? '' : `${folder}/`;
    const entries = Object.entries(state.files)
      .filter(([path]) => path.startsWith(within))
      .map(([path, content]) => entryOf(path, Buffer.from(content), within));
    if (entries.length === 0) return refuse(response, 404);
    const first = Number(url.searchParams.get('cursor') ?? 0);
    const next = new URL(url);
    next.searchParams.set('cursor', String(first + filesOfPage));
    if (first + filesOfPage < entries.length) response.setHeader('link', `<${next}>; rel="next"`);
    return reply(response, entries.slice(first, first + filesOfPage));
  }

  function send(request: IncomingMessage, response: ServerResponse, content: Buffer): unknown {
    if (mishaps.shift()?.(request, response, content)) return undefined;
    const from = rangeStart(request);
    if (from > 0) {
      response.statusCode = 206;
      response.setHeader('content-range', `bytes ${from}-${content.length - 1}/${content.length}`);
    }
    response.setHeader('content-length', content.length - from);
    return response.end(content.subarray(from));
  }

  return {
    endpoint,
    requests,
    mishaps,
    statuses,
    contents: () => requests.map(({ url }) => url).filter((url) => !url.startsWith('/api/')),
    async [Symbol.asyncDispose]() {
      for (const server of [hub, store]) {
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      }
    },
  };
}

/** A mishap: the connection breaks after so many bytes of what was asked for. */
export const breakAfter =
  (bytes: number): Mishap =>
  (request, response, content) => {
    const from = rangeStart(request);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': content.length - from });
    response.write(content.subarray(from, from + bytes), () => setTimeout(() => response.destroy(), 20));
    return true;
  };

/** A mishap: all the bytes come, one of them wrong. */
export const spoil: Mishap = (_, response, content) => {
  const spoilt = Buffer.from(content);
  spoilt[spoilt.length >> 1]! ^= 1;
  response.end(spoilt);
  return true;
};

/** A mishap: ranges are not known, all of it comes again. */
export const ignoreRange: Mishap = (_, response, content) => {
  response.end(content);
  return true;
};

function at(repository: HostedRepository, revision: string): HostedRepository | undefined {
  if (revision === 'main') return repository;
  const named = repository.revisions?.[revision];
  return (
    named ??
    [repository, ...Object.values(repository.revisions ?? {})].find(({ commit }) => commit === revision)
  );
}

function entryOf(path: string, content: Buffer, within: string): object {
  const slash = path.indexOf('/', within.length);
  if (slash >= 0)
    return { type: 'directory', path: path.slice(0, slash), size: 0, oid: gitSha1(Buffer.alloc(0)) };
  if (content.length < large) return { type: 'file', path, size: content.length, oid: gitSha1(content) };
  const oid = createHash('sha256').update(content).digest('hex');
  return {
    type: 'file',
    path,
    size: content.length,
    oid: gitSha1(oid),
    lfs: { oid, size: content.length, pointerSize: 134 },
  };
}

function rangeStart(request: IncomingMessage): number {
  return Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
}

/** What Git names a file by. */
function gitSha1(content: Buffer | string): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

function reply(response: ServerResponse, value: object): unknown {
  response.setHeader('content-type', 'application/json');
  return response.end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number): unknown {
  response.statusCode = status;
  return reply(response, { error: `status ${status}` });
}

async function listen(server: ReturnType<typeof createServer>): Promise<string> {
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
