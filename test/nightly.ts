// What takes long and says little beside the tests of every day: `.ci/run nightly` asks for it, or NIGHTLY=1.
import { test } from 'vitest';

export const nightly = Boolean(process.env.NIGHTLY);

export const nightlyTest = test.skipIf(!nightly);
