import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // A crash in native code takes down one fork, not the runner.
    pool: 'forks',
    maxWorkers: 2,
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
  },
});
