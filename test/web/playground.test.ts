// The playground in a browser, against a server whose answers the test knows: what is typed goes to the server, what the
// server streams appears as it comes, and the keys, the buttons and the settings do what they say.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runScript } from '../server/running-server.ts';
import { type Browser, chromiumPath, launch, type Page, visit } from './browser.ts';

const story =
  'It was a dark night, and the wind went round the old house like a dog that has lost its master. ' +
  'Nobody had come up the road since noon.\n\n"Put another log on the fire," said the old gentleman, ' +
  '"for we shall have a visitor before the clock strikes."';

const box = (page: Page) => page.getByRole('textbox', { name: 'Message' });
const answers = (page: Page) => page.getByRole('region', { name: 'Answer' });
const lastAnswer = (page: Page) => answers(page).last();
/** Without the names of tokens that have no text, such as the one that ends it. */
const answerText = async (page: Page) =>
  (await lastAnswer(page).locator('.token:not(.control)').allTextContents()).join('');
const ended = (page: Page) => page.getByRole('button', { name: 'Send' }).waitFor();

/** The text of the last answer, read until it has ended. */
async function watch(page: Page): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const isOver = (await lastAnswer(page).getAttribute('aria-busy')) === 'false';
    const text = await answerText(page);
    if (text !== seen.at(-1)) seen.push(text);
    if (isOver) return seen;
    await page.waitForTimeout(10);
  }
}

describe.skipIf(chromiumPath === undefined)('the playground', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  test('a prompt is typed and the answer appears as it comes', async () => {
    await using running = await runScript({ answer: () => story, stepMs: 30 });
    await using opened = await visit(browser, running.url);
    const { page } = opened;
    await page.keyboard.type('Tell me of that night.');
    await page.keyboard.press('Enter');
    await page.waitForTimeout(400);
    await opened.keep('chat-streaming');
    const seen = await watch(page);

    expect(seen.length).toBeGreaterThan(5); // more on a machine that has nothing else to do
    for (const [i, text] of seen.entries()) expect(story.startsWith(text), `state ${i}: ${text}`).toBe(true);
    expect(seen.at(-1)).toBe(story);
    // Two tokens in a step of 30 ms and more cannot be: the figures are of what happened.
    const rate = Number(await page.locator('[data-figure=rate]').textContent());
    expect(rate).toBeGreaterThan(3);
    expect(rate).toBeLessThan(34);
    const tokens = running.engine.tokenizer.encode(story, { addSpecialTokens: false });
    expect(await page.locator('[data-figure=tokens]').textContent()).toBe(String(tokens.length + 1));
    expect(await box(page).inputValue()).toBe('');
    await opened.keep('chat');

    // The conversation goes along with the next question.
    await box(page).fill('And then?');
    await page.keyboard.press('Enter');
    await watch(page);
    const sent = running.engine.tokenizer.decode(running.engine.requests.at(-1)!.prompt);
    expect(sent).toContain('Tell me of that night.');
    expect(sent).toContain(story.slice(0, 60));
    expect(sent).toContain('And then?');

    await page.reload();
    await page.getByRole('status').getByText('ready').waitFor();
    expect(await answers(page).count()).toBe(2);
    expect(await answerText(page)).toBe(story);
    expect(opened.complaints).toEqual([]);
  });

  test('a pointer or the arrow keys on a token show how probable it was', async () => {
    await using running = await runScript({ answer: () => story });
    await using opened = await visit(browser, running.url);
    const { page } = opened;
    await page.keyboard.type('Tell me of that night.\n');
    await ended(page);
    const card = page.getByRole('tooltip');
    const token = page.locator('.token').nth(4);
    await token.hover();
    const [id] = running.engine.tokenizer.encode(story, { addSpecialTokens: false }).slice(4);
    // The scripted engine's log-probability of a token.
    expect(await card.textContent()).toContain(`log ${(-id! / 1000).toFixed(3)}`);
    await opened.keep('logprobs');

    await page.mouse.move(5, 400);
    await card.waitFor({ state: 'detached' });
    await page.locator('.token').first().focus();
    await page.keyboard.press('ArrowRight');
    await card.waitFor();
    expect(await page.locator(':focus').getAttribute('data-index')).toBe('1');
    await page.keyboard.press('Escape');
    await card.waitFor({ state: 'detached' });
    expect(opened.complaints).toEqual([]);
  });

  test('keys: / goes to the prompt, Shift+Enter makes a line, Escape stops', async () => {
    await using running = await runScript({ answer: () => story.repeat(4), stepMs: 10 });
    await using opened = await visit(browser, running.url);
    const { page } = opened;
    await page.getByRole('button', { name: /^Theme/ }).focus();
    await page.keyboard.press('/');
    await page.keyboard.type('One');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('two / three');
    expect(await box(page).inputValue()).toBe('One\ntwo / three');
    await page.keyboard.press('Enter');
    await page.locator('.answer .token').nth(5).waitFor();
    await page.keyboard.press('Escape');
    await ended(page);
    expect(await page.getByText('stopped', { exact: true }).count()).toBe(1);
    await expect.poll(() => [running.engine.active, running.engine.aborted]).toEqual([0, 1]);
    const text = await answerText(page);
    expect(text.length).toBeGreaterThan(0);
    expect(story.startsWith(text)).toBe(true);

    // What was stopped can be asked for anew.
    await page.getByRole('button', { name: 'Anew' }).click();
    await expect.poll(() => running.engine.requests.length).toBe(2);
    await page.keyboard.press('Escape');
    await ended(page);
    expect(await answers(page).count()).toBe(1);
    expect(opened.complaints).toEqual([]);
  });

  test('a completion goes on where it ended, with the settings that were made', async () => {
    await using running = await runScript({ answer: (_, index) => ` the wind went round ${index}` });
    await using opened = await visit(browser, running.url);
    const { page } = opened;
    await page.getByText('Completion', { exact: true }).click();
    await page.getByLabel('Temperature', { exact: true }).fill('0.3');
    await page.getByLabel('Seed', { exact: true }).fill('7');
    await page.getByLabel('Stop at').fill('stone\nriver');
    await page.getByRole('textbox', { name: 'Text to continue' }).fill('It was a dark night, and');
    await page.keyboard.press('Enter');
    await ended(page);
    const [request] = running.engine.requests;
    expect(request).toMatchObject({ temperature: 0.3, seed: 7, maxTokens: 256, stop: ['stone', 'river'] });
    await opened.keep('completion');

    await page.getByRole('button', { name: 'Continue' }).click();
    await expect.poll(() => running.engine.requests.length).toBe(2);
    await ended(page);
    const prompt = running.engine.tokenizer.decode(running.engine.requests[1]!.prompt);
    expect(prompt).toContain('It was a dark night, and the wind went round 0');
    expect(opened.complaints).toEqual([]);
  });

  test('what goes wrong is said where it happened, and can be tried again', async () => {
    await using running = await runScript({ answer: () => story, failAt: 12 });
    await using opened = await visit(browser, running.url);
    const { page } = opened;
    await page.keyboard.type('Tell me of that night.\n');
    await page.getByRole('alert').waitFor();
    expect(story.startsWith(await answerText(page))).toBe(true);
    await opened.keep('failure');
    await page.getByRole('button', { name: 'Try again' }).waitFor();

    await running.server.close();
    await page.getByText('The server does not answer.').waitFor();
    expect(await page.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true);
    await opened.keep('server-gone');
    expect(opened.complaints).toEqual([]);
  });

  test('markup in questions and answers is text, on a phone all buttons are in sight', async () => {
    const markup =
      '<img src=x onerror="document.title=1"><script>document.title=2</script> [a](javascript:alert(1))';
    await using running = await runScript({ answer: () => markup });
    const viewport = { width: 360, height: 700 };
    await using opened = await visit(browser, running.url, { viewport, isMobile: true, hasTouch: true });
    const { page } = opened;
    await page.getByRole('textbox', { name: 'Message' }).fill(markup);
    await page.getByRole('button', { name: 'Send' }).click();
    await ended(page);
    expect(await answerText(page)).toBe(markup);
    expect(await page.locator('.log img, .log script, .log a').count()).toBe(0);
    expect(await page.title()).not.toMatch(/^\d$/);
    const ends = await page
      .locator('.conversation > .bar button, .composer button')
      .evaluateAll((buttons) => buttons.map((button) => button.getBoundingClientRect().right));
    expect(Math.max(...ends)).toBeLessThanOrEqual(viewport.width);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(viewport.width);
    // What readers of the page by ear begin with.
    expect(await page.getByRole('heading', { level: 1 }).allInnerTexts()).toEqual(['Atom']);
    await opened.keep('phone');
    expect(opened.complaints).toEqual([]);
  });

  test('a server with a key asks for it', async () => {
    await using running = await runScript({ answer: () => story }, { apiKey: ['open-sesame'] });
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(running.url);
    const key = page.getByRole('form', { name: 'API key' }).getByRole('textbox');
    await key.fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('The server does not know this API key.').waitFor();
    await key.fill('open-sesame');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('ready').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('Tell me of that night.\n');
    await ended(page);
    expect(await answerText(page)).toBe(story);
    await context.close();
  });
});
