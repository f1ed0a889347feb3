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

/**
 * An ext4 of `size` bytes without a journal, on a device of its own; with less `room` than that, one whose
 * device fails when that much has been written to it. Until the test is done, or skipped with the reason.
 */
export function smallExt4(context: TestContext, size: number, room = 2 * size): string {
  const device = failingDevice(context, size, room);
  const directory = tempDir();
  try {
    const options = ['-q', '-F', '-b', '4096', '-O', '^has_journal', '-m', '0'];
    execFileSync('mkfs.ext4', [...options, device], { stdio: 'pipe' });
    execFileSync('mount', ['-t', 'ext4', device, directory], { stdio: 'pipe' });
  } catch (error) {
    context.skip(`an ext4 cannot be made and mounted here: ${(error as Error).message}`);
  }
  onTestFinished(() => {
    execFileSync('umount', [directory], { stdio: 'pipe' });
  });
  return directory;
}
