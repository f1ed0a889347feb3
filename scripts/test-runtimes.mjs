// Runs the suite with the binary in build/Release under every Node in .runtimes/ (see
// fetch-runtimes.mjs). Further arguments go to vitest, a file name for example.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const folder = join(root, '.runtimes');
const names = existsSync(folder)
  ? readdirSync(folder).filter((n) => existsSync(join(folder, n, 'bin/node')))
  : [];
if (names.length === 0) {
  console.error('test-runtimes: no Node in .runtimes/: run `npm run fetch:runtimes` first');
  process.exit(1);
}

const addon = join(root, 'build/Release/memmap.node');
const sum = () => createHash('sha256').update(readFileSync(addon)).digest('hex');
const before = sum();
console.log(`memmap.node: sha256 ${before}`);

const failed = [];
for (const name of names.sort()) {
  const bin = join(folder, name, 'bin');
  const node = join(bin, 'node');
  console.log(
    `\n== ${name}: ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`,
  );
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const { status } = spawnSync(node, [vitest, 'run', ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      // A test that starts `node` by its name gets this one as well.
      PATH: `${bin}:${process.env.PATH}`,
      MEMMAP_RUN: name,
      MEMMAP_REPORT: name,
    },
  });
  if (status !== 0) failed.push(name);
}
if (sum() !== before) failed.push('the binary changed meanwhile');
if (failed.length) console.error(`test-runtimes: failed: ${failed.join(', ')}`);
process.exit(failed.length ? 1 : 0);
