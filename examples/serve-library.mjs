// The engine without HTTP: several answers at once, as they come. node examples/serve-library.mjs MODEL
import { Engine } from 'atom-llm';

const [model = 'models/tiny-classics'] = process.argv.slice(2);
const engine = await Engine.load(model, { kvMemory: 64 * 2 ** 20 });

async function answer(text, seed) {
  const prompt = engine.tokenizer.encode(text);
  let all = text;
  for await (const event of engine.generate({ prompt, maxTokens: 40, seed, continuesPrompt: true }))
    if (event.type !== 'prompt-logprobs') all += event.text;
  return all;
}

const beginnings = ['It was a dark night, and', 'The captain said that', 'My dear,'];
console.log((await Promise.all(beginnings.map(answer))).join('\n\n'));
console.log(engine.stats());
await engine.close();
