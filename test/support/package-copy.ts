// The package as it stands, in another place.

import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// From test/support and from out/test/support alike.
const root = import.meta.url.includes('/out/test/') ? '../../..' : '../..';

/** All that a program needs of it: with the binary, without what it was built from. */
export function copyPackage(to: string): void {
  for (const part of ['lib', 'package.json', 'build/Release/memmap.node']) {
    const from = fileURLToPath(new URL(`${root}/${part}`, import.meta.url));
    cpSync(from, join(to, part), { recursive: true });
  }
}
