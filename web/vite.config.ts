// Builds the pages once, ahead of time: hashed files under dist/assets, nothing inline, so that the server's content
// security policy needs no exception.
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  build: {
    // From these on browsers know light-dark() and `using` is not needed.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    emptyOutDir: true,
  },
  // For work on the pages: `npx vite web` beside a running `atom serve`.
  server: { proxy: { '/v1': 'http://127.0.0.1:8000' } },
});
