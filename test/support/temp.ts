import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A directory of the running test's own, removed when that test is done. Call it inside a test. */
export function tempDir(): string {
  // The real path, since that is what /proc/self/maps shows.
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'memmap-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A file with these bytes (or that many zeros) in a temporary directory of its own. */
export function tempFile(content: string | Uint8Array | number, name = 'file.dat'): string {
  const path = join(tempDir(), name);
  writeFileSync(path, typeof content === 'number' ? new Uint8Array(content) : content);
  return path;
}
