import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const lib = fileURLToPath(new URL('./lib/', import.meta.url));
// Name of a run whose results .ci/run adds up: a JSON report beside the usual output.
const report = process.env['MEMMAP_REPORT'];

// A run under the sanitizers, or under another Node, has the suite's core: all but what takes long and
// depends on neither. MEMMAP_ALL=1 has everything.
const core = process.env['MEMMAP_RUN'] !== undefined && process.env['MEMMAP_ALL'] === undefined;
const beyondCore = [
  'acceptance-table',
  'bad-input-shared',
  'channel-fuzz',
  'channel-kills',
  'channel-life',
  'channel-messages',
  'channel-peers',
  'channel-workers',
  'cli',
  'docs',
  'examples',
  'examples-api',
  'examples-work',
  'flush-load',
  'full-disk',
  'guard-signals',
  'kill-list',
  'left-behind',
  'load',
  'mutex-stress',
  'pool',
  'security',
  'security-peers',
  'security-table',
  'sharing',
  'slide-garbage',
  'truncation',
  'types',
  'wait-fallback',
  'wait-lifecycle',
  'wake-ups',
];
// The sanitizers make mlock(2) do nothing.
if (process.env['MEMMAP_RUN'] === 'asan')
  beyondCore.push('acceptance-ltp', 'acceptance-memmap2', 'bad-input-files');

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
    exclude: core ? beyondCore.map((name) => `test/${name}.test.ts`) : [],
    // lib/ is imported by Node itself, never transformed: one copy of it, one of the add-on.
    server: { deps: { external: [/\/lib\/[^/]+\.js$/] } },
    // Processes, not threads: the add-on installs signal handlers.
    pool: 'forks',
    // Many of them wait for other processes most of the time: two files at once also where there are two cores.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', 'json'] : ['default'],
    ...(report ? { outputFile: { json: `out/reports/${report}.json` } } : {}),
  },
});
