// The dashboard in a browser, against the real server and model: while text is generated, figures rise and plots move.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ServingProcess, serveModel } from '../e2e/serving-process.ts';
import { type Browser, chromiumPath, launch, type Page, visit } from './browser.ts';

/** What a panel's plot looks like. */
const pictureOf = async (page: Page, panel: string) =>
  (await page.locator(`[data-panel="${panel}"] .plot`).screenshot()).toString('base64');

/** One after another: a page scrolls to what it is asked for. */
async function picturesOf(page: Page, panels: readonly string[]): Promise<string[]> {
  const pictures: string[] = [];
  for (const panel of panels) pictures.push(await pictureOf(page, panel));
  return pictures;
}

describe.skipIf(chromiumPath === undefined)('the dashboard', () => {
  let browser: Browser;
  let serving: ServingProcess;
  beforeAll(async () => {
    [browser, serving] = await Promise.all([launch(), serveModel('--log-level', 'warn')]);
  });
  afterAll(async () => {
    await browser?.close();
    await serving?.[Symbol.asyncDispose]();
  });

  test.each([
    ['wide and light', { viewport: { width: 1280, height: 860 }, colorScheme: 'light' }],
    ['on a phone, dark', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' }],
  ] as const)('plots move while text is generated, %s', async (name, options) => {
    await using opened = await visit(browser, `${serving.url}/#dashboard`, options);
    const { page } = opened;
    const panels = await page
      .locator('[data-panel]')
      .evaluateAll((all) => all.map((panel) => panel.getAttribute('data-panel')!));
    expect(panels.length).toBeGreaterThan(5);
    await page.waitForTimeout(1500);
    const before = await picturesOf(page, panels);
    const ask = () =>
      serving.client.completions.create({
        model: 'tiny-classics',
        prompt: 'It was a dark night, and',
        max_tokens: 600,
      });
    const answers = await Promise.all(Array.from({ length: 6 }, ask));
    expect(answers.every(({ usage }) => usage!.completion_tokens > 0)).toBe(true);
    await page.waitForTimeout(2500);
    const after = await picturesOf(page, panels);
    expect(after.filter((picture, i) => picture !== before[i]).length).toBeGreaterThan(panels.length / 2);
    const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
    expect(wide).toBe(false);
    await opened.keep(`dashboard-${name.replaceAll(/\W+/g, '-')}`);
    expect(opened.complaints).toEqual([]);
  });
});
