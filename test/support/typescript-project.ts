// TypeScript that the tests write, compiled as that of somebody who uses the package.

import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Result, run } from './program.js';

export const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** A directory in which the package is installed. The caller removes it. */
export function makeProject(): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'memmap-docs-'));
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(root, join(directory, 'node_modules/memmap'));
  symlinkSync(join(root, 'node_modules/@types'), join(directory, 'node_modules/@types'));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
  const { target, lib, module } = compilerOptions;
  const options = { target, lib, module, strict: true, types: ['node'], rootDir: '.' };
  writeFileSync(
    join(directory, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, exclude: ['node_modules'] }),
  );
  return directory;
}

/** Each .js beside its .ts. */
export function compileProject(directory: string): Promise<Result> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '--pretty', 'false', '-p', '.'];
  return run(process.execPath, args, { cwd: directory });
}
