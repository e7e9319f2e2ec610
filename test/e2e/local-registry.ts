// An npm registry of this clone's own dependencies, packed as they are asked for: a package can be installed as its
// users install it, without the network, and an undeclared dependency is one that cannot be had.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';

export interface LocalRegistry extends AsyncDisposable {
  readonly url: string;
}

interface Locked {
  readonly version: string;
  readonly dev?: boolean;
}

/** `root`: of a clone with its dependencies installed. Development dependencies are not offered. */
export async function startLocalRegistry(root: string): Promise<LocalRegistry> {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  /** name -> version -> folder */
  const offered = new Map<string, Map<string, string>>();
  for (const [path, { version, dev }] of Object.entries(lock.packages)) {
    if (path === '' || dev) continue;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const versions = offered.get(name) ?? new Map<string, string>();
    offered.set(name, versions.set(version, join(root, path)));
  }

  const { overrides = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    overrides?: Record<string, string>;
  };

  const server = createServer((request, response) => {
    const [, kind, ...rest] = decodeURIComponent(request.url!).split('/');
    if (kind === '-tarball') return sendTarball(response, join(root, rest.join('/')));
    const name = [kind, ...rest].join('/');
    const versions = offered.get(name);
    if (versions) return response.end(JSON.stringify(describe(name, versions)));
    response.statusCode = 404;
    return response.end('{}');
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

  function describe(name: string, folders: ReadonlyMap<string, string>): object {
    const manifests = [...folders].map(([version, folder]) => {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        dependencies?: Record<string, string>;
      };
      // npm applies a clone's overrides to the clone alone, and only what they allow is here.
      for (const each of Object.keys(manifest.dependencies ?? {})) {
        if (overrides[each]) manifest.dependencies![each] = overrides[each];
      }
      const tarball = `${url}-tarball/${encodeURIComponent(folder.slice(root.length + 1))}`;
      return [version, { ...manifest, dist: { tarball } }];
    });
    const versions = Object.fromEntries(manifests);
    return { name, 'dist-tags': { latest: [...folders.keys()].at(-1) }, versions };
  }

  return {
    url,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** The first part of a tarball's paths does not matter to npm. */
function sendTarball(response: ServerResponse, folder: string): void {
  const args = [
    '-czf',
    '-',
    '-C',
    dirname(folder),
    '--exclude',
    `${basename(folder)}/node_modules`,
    basename(folder),
  ];
  spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] }).stdout.pipe(response);
}
