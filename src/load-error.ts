// The add-on could not be loaded: what was looked for, where, what is there, and what to do.
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cLibrary } from './c-library.js';
import { stateError } from './errors.js';

/** Binaries under a folder of prebuilds, by their paths in it. */
function binariesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true }) as string[];
  return names.filter((name) => name.endsWith('.node')).sort();
}

/**
 * @param folder where node-gyp-build was told to look
 * @param binary what it found there, or undefined
 */
export function loadError(folder: string, binary: string | undefined, cause: unknown): Error {
  const machine = `${process.platform}-${process.arch}`;
  const reason = cause instanceof Error ? cause.message.trim() : String(cause);
  const library = cLibrary();
  const lines = [`memmap: the add-on for ${machine} with ${library} could not be loaded.`];
  if (binary !== undefined) {
    lines.push(`Found, and not accepted by the loader: ${binary}`, `The loader says: ${reason}`);
  } else {
    const prebuilds = join(folder, 'prebuilds');
    const there = binariesIn(prebuilds);
    lines.push(
      `Looked for: ${join(folder, 'build/Release')}/*.node`,
      `            ${join(prebuilds, machine)}/*.node`,
      `            ${join(dirname(process.execPath), 'prebuilds', machine)}/*.node`,
      `In ${prebuilds}: ${there.length === 0 ? 'nothing' : there.join(', ')}`,
    );
  }
  if (process.platform === 'linux') {
    lines.push(
      'To build it from source: install a C++17 compiler, make and python3, then run `npm rebuild memmap`.',
    );
    // Without its kernel headers the build fails there, and says so in many lines.
    if (library === 'musl') lines.push('On Alpine: apk add g++ make python3 linux-headers');
  } else {
    lines.push('This package is for Linux only.');
  }
  return stateError('ERR_FEATURE_UNAVAILABLE', lines.join('\n'), { cause });
}
