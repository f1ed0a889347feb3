import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const lib = fileURLToPath(new URL('./lib/', import.meta.url));
// Name of a run whose results .ci/run adds up: a JSON report beside the usual output.
const report = process.env['MEMMAP_REPORT'];

export default defineConfig({
  resolve: {
    // The package by its own name, as its users see it. Vite does not follow self-references.
    alias: [
      { find: /^memmap$/, replacement: `${lib}index.js` },
      { find: /^memmap\/([a-z-]+)$/, replacement: `${lib}$1.js` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    // lib/ is imported by Node itself, never transformed: one copy of it, one of the add-on.
    server: { deps: { external: [/\/lib\/[^/]+\.js$/] } },
    // Processes, not threads: the add-on installs signal handlers.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', 'json'] : ['default'],
    ...(report ? { outputFile: { json: `out/reports/${report}.json` } } : {}),
  },
});
