// File systems of a test's own.

import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished, type TestContext } from 'vitest';
import { tempDir } from './temp.js';

/**
 * A tmpfs of so many bytes, until the test is done; or the test is skipped, with the reason.
 */
export function smallTmpfs(context: TestContext, bytes: number): string {
  const directory = tempDir();
  if (process.getuid?.() !== 0) context.skip('mounting a tmpfs needs root');
  try {
    const options = `size=${bytes},mode=0755`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'none', directory], { stdio: 'pipe' });
  } catch (error) {
    context.skip(`a tmpfs cannot be mounted here: ${(error as Error).message}`);
  }
  // Runs before the directory is removed: the last that was registered is the first to run.
  onTestFinished(() => {
    execFileSync('umount', [directory], { stdio: 'pipe' });
  });
  return directory;
}

/**
 * A block device of `size` bytes of which only `room` can be written: what goes beyond is an error of the
 * device, on write-back. Until the test is done; or the test is skipped, with the reason.
 */
export function failingDevice(context: TestContext, size: number, room: number): string {
  const backing = join(smallTmpfs(context, room), 'backing');
  writeFileSync(backing, '');
  truncateSync(backing, size);
  let device = '';
  try {
    device = execFileSync('losetup', ['-f', '--show', backing], {
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  } catch (error) {
    context.skip(`no loop device can be had here: ${(error as Error).message}`);
  }
  onTestFinished(() => {
    execFileSync('losetup', ['-d', device], { stdio: 'pipe' });
  });
  return device;
}
