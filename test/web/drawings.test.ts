// The drawings of docs/images, made by hand: for light and dark paper, no text over another or beyond the paper.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, chromiumPath, launch } from './browser.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'docs/images');
const drawings = readdirSync(folder).filter((name) => name.endsWith('.svg'));

test.each(drawings)(
  '%s says what it shows, asks for nothing from outside, and is shown by a page',
  (name) => {
    const svg = readFileSync(join(folder, name), 'utf8');
    expect(svg).toMatch(
      /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^>]*role="img" aria-label="[^"]{80,}">/,
    );
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg.replace(/xmlns="[^"]*"/, '')).not.toMatch(/https?:|@import|<image|<script/);
    expect(readFileSync(join(root, 'docs/how-atom-works.md'), 'utf8')).toContain(`(images/${name})`);
  },
);

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

async function boxOf(locator: Locator): Promise<Box> {
  return (await locator.boundingBox())!;
}

/** With a margin at the sides. */
function contains(paper: Box, { x, y, width, height }: Box): boolean {
  const inWidth = x >= paper.x + 12 && x + width <= paper.x + paper.width - 12;
  return inWidth && y >= paper.y && y + height <= paper.y + paper.height - 4;
}

/** Lines of letters may stand a little closer than their boxes. */
function overlap(a: Box, b: Box): boolean {
  const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return across > 0 && down > 2.5;
}

describe.skipIf(chromiumPath === undefined)('in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  test.each(drawings)('%s', async (name) => {
    const page = await browser.newPage({ viewport: { width: 900, height: 560 } });
    await page.goto(pathToFileURL(join(folder, name)).href);
    const paper = await boxOf(page.locator('.paper'));
    const texts = await Promise.all(
      (await page.locator('text').all()).map(async (text) => ({
        words: await text.textContent(),
        box: await boxOf(text),
      })),
    );
    const beyond = texts.filter(({ box }) => !contains(paper, box)).map(({ words }) => words);
    const over = texts.flatMap((a, i) =>
      texts
        .slice(i + 1)
        .filter((b) => overlap(a.box, b.box))
        .map((b) => [a.words, b.words]),
    );
    // For whoever wants to look.
    const artifacts = join(root, 'artifacts/drawings');
    mkdirSync(artifacts, { recursive: true });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(artifacts, `${name}-${colorScheme}.png`) });
    }
    await page.close();
    expect({ beyond, over }).toEqual({ beyond: [], over: [] });
  });
});
