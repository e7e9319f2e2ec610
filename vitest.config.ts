import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes a minute or more, begun first: the last minutes then have short files to share. */
const longest = [
  'quantize/ladder',
  'model/packed',
  'e2e/start',
  'e2e/document-commands',
  'e2e/results',
  'e2e/package',
  'e2e/serve',
  'quantize/choose-precision',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = longest.findIndex((name) => moduleId.endsWith(`test/${name}.test.ts`));
      return found < 0 ? longest.length : found;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    // A crash in native code takes down one fork, not the runner.
    pool: 'forks',
    maxWorkers: 2,
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/one-kernel-thread.ts'],
    // Against what hangs, not what is slow: the same test takes twice as long where neighbours share the processor.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    sequence: { sequencer: LongestFirst },
  },
});
