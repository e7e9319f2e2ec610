// Chromium as Debian packages it, for the tests of the pages, and a page that notices whatever a reader would not see:
// errors in the console, requests that leave the server, breaches of the content security policy.
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const candidates = [
  process.env.CHROMIUM_PATH ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

/** undefined where this machine has none, and nobody insists on it. */
export const chromiumPath = candidates.find((path) => path !== '' && existsSync(path));
if (chromiumPath === undefined && process.env.CI !== undefined)
  throw new Error('the tests of the pages need Chromium: apt-get install chromium, or set CHROMIUM_PATH');

const artifacts = resolve(import.meta.dirname, '../../artifacts/web');

export const launch = () =>
  chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

/** A page in a context of its own: nothing stored, no other page's settings. */
export class Visit implements AsyncDisposable {
  readonly page: Page;
  /** What went wrong unseen. */
  readonly complaints: string[] = [];

  constructor(page: Page, url: string) {
    this.page = page;
    const { origin } = new URL(url);
    page.on('console', (message) => {
      // A refused request is the page's to explain; the browser's line about it says nothing more.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== origin) this.complaints.push(`asks for ${request.url()}`);
    });
  }

  /** Keeps the picture for whoever wants to look. */
  async keep(name: string): Promise<void> {
    mkdirSync(artifacts, { recursive: true });
    await this.page.screenshot({ path: join(artifacts, `${name}.png`) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
  }
}

type Browser = Awaited<ReturnType<typeof launch>>;

export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const opened = new Visit(page, url);
  await page.goto(url);
  await page.getByRole('status').getByText('ready').waitFor();
  return opened;
}

export type { Browser, Page };
