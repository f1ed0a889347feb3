// The prebuild for 64-bit ARM, cross-compiled; prebuildify makes the one for this machine. A release without it
// would have every user on such a machine compile, so a compiler that is missing is an error.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ARM64, buildArm64, run, there } from './cross-build.mjs';

for (const command of Object.values(ARM64)) {
  if (there(command)) continue;
  console.error(
    `prebuild-arm64: no ${command}, and without prebuilds/linux-arm64 there is no release.\n` +
      'Install a cross compiler (Debian: g++-aarch64-linux-gnu).',
  );
  process.exit(1);
}
const folder = resolve(import.meta.dirname, '../prebuilds/linux-arm64');
mkdirSync(folder, { recursive: true });
const { binary } = await buildArm64();
run(ARM64.strip, ['--strip-all', binary, '-o', join(folder, 'memmap.glibc.node')]);
