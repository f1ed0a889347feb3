// The package's declarations, as its users' compiler reads them: test/types/ must compile, and must not once
// the declarations are worse.

import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { copyPackage } from './support/package-copy.js';
import { run } from './support/program.js';
import { tempDir } from './support/temp.js';

const root = fileURLToPath(new URL('..', import.meta.url));

const tsc = join(root, 'node_modules/typescript/bin/tsc');

function compile(directory: string) {
  const args = [tsc, '--pretty', 'false', '-p', 'test/types/tsconfig.json'];
  return run(process.execPath, args, { cwd: directory });
}

test('what must compile does, what must not does not, and nothing of the contract is missing', async () => {
  const { code, signal, stdout, stderr } = await compile(root);
  expect({ code, signal, stdout, stderr }).toEqual({
    code: 0,
    signal: null,
    stdout: '',
    stderr: '',
  });
});

describe('it would be told if', () => {
  /** What is changed in a file, where it is told, and as what. */
  type Mutant = [what: string, file: string, from: string | RegExp, to: string, told: RegExp];
  const USAGE = /^test\/types\/usage\.test-d\.ts\(\d+,\d+\): error TS\d+/m;
  const SYNC = /^test\/types\/sync\.test-d\.ts\(\d+,\d+\): error TS\d+/m;
  const CHANNEL = /^test\/types\/channel\.test-d\.ts\(\d+,\d+\): error TS\d+/m;
  const CONTRACT = /^test\/types\/contract\.test-d\.ts\(\d+,\d+\): error TS\d+/m;
  const mutants: Mutant[] = [
    ['msync() took any number', 'posix.d.ts', /msync\(region: Region, flags: MS\)/, 'msync(region: Region, flags: number | MS)', USAGE], // biome-ignore format: a list
    ['msync() took flags of mmap()', 'posix.d.ts', /msync\(region: Region, flags: MS\)/, 'msync(region: Region, flags: MS | import("./posix-constants.js").MAP)', USAGE], // biome-ignore format: a list
    ['an access could be any word', 'map-options.d.ts', /access\?: 'read' \| 'write' \| 'copy'/, 'access?: string', USAGE], // biome-ignore format: a list
    ['an access of the contract were gone', 'map-options.d.ts', /access\?: 'read' \| 'write' \| 'copy'/, "access?: 'read' | 'write'", CONTRACT], // biome-ignore format: a list
    ['view() returned just a view', 'mapping.d.ts', /(view<T extends ViewClass>\([^)]*\)): InstanceType<T>/, '$1: ArrayBufferView', USAGE], // biome-ignore format: a list
    ['view() returned anything', 'mapping.d.ts', /(view<T extends ViewClass>\([^)]*\)): InstanceType<T>/, '$1: any', USAGE], // biome-ignore format: a list
    ['view() took any class', 'mapping.d.ts', /view<T extends ViewClass>/, 'view<T extends new (...args: never) => any>', USAGE], // biome-ignore format: a list
    ['a method were gone', 'mapping.d.ts', /\n {4}slide\([^)]*\): number;/, '', CONTRACT],
    ['a method returned something else', 'mapping.d.ts', /slide\(offset: number\): number/, 'slide(offset: number): void', CONTRACT], // biome-ignore format: a list
    ['a method wanted more', 'mapping.d.ts', /resize\(length: number\)/, 'resize(length: number, how: string)', CONTRACT], // biome-ignore format: a list
    ['a property had another type', 'mapping.d.ts', /get closed\(\): boolean/, 'get closed(): string', CONTRACT], // biome-ignore format: a list
    ['a property could be set', 'mapping.d.ts', /get length\(\): number;/, 'length: number;', USAGE], // biome-ignore format: a list
    ['a function were gone', 'posix.d.ts', /export declare function mincore\([^)]*\): [^;]*;/, '', CONTRACT], // biome-ignore format: a list
    ['a flag were gone', 'posix-constants.d.ts', /\n {4}NORESERVE = [^\n]*|\n {4}NORESERVE,?/, '', CONTRACT], // biome-ignore format: a list
    ['a flag had no flat name', 'posix-constants.d.ts', /export declare const MADV_COLD: [^;]*;/, '', CONTRACT], // biome-ignore format: a list
    ['a kind of fault were new', 'errors.d.ts', /'truncated' \|/, "'truncated' | 'lost' |", CONTRACT], // biome-ignore format: a list
    ['a static were gone', 'shared-memory.d.ts', /static unlink\([^)]*\): void;/, '', CONTRACT], // biome-ignore format: a list
    ['share() took any mapping', 'share.d.ts', /Record<string, SharedMemory>, options/, 'Record<string, object>, options', USAGE], // biome-ignore format: a list
    ['a cell could be of bytes', 'sync.d.ts', /Int32Array \| Uint32Array/, 'Int32Array | Uint32Array | Uint8Array', SYNC], // biome-ignore format: a list
    ['a lock always was to be had', 'mutex.d.ts', /tryLock\(\): Held \| undefined/, 'tryLock(): Held', SYNC], // biome-ignore format: a list
    ['a message could be any view', 'channel-types.d.ts', /trySend\(message: Uint8Array\)/, 'trySend(message: ArrayBufferView)', CHANNEL], // biome-ignore format: a list
    ['there always was a message', 'channel-types.d.ts', /tryReceive\(\): Buffer \| undefined/, 'tryReceive(): Buffer', CHANNEL], // biome-ignore format: a list
    ['a receiver was no iterable', 'channel-types.d.ts', /interface Receiver extends AsyncIterable<Buffer>, /, 'interface Receiver extends ', CONTRACT], // biome-ignore format: a list
  ];

  /** Compiles a copy of test/types/ in a copy of the package of which one declaration was changed. */
  async function compileCopy(file?: string, change = (text: string) => text) {
    const directory = tempDir();
    for (const part of ['package.json', 'tsconfig.json', 'lib', 'test/types']) {
      cpSync(join(root, part), join(directory, part), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
    if (file !== undefined) {
      const path = join(directory, 'lib', file);
      const before = readFileSync(path, 'utf8');
      const after = change(before);
      expect(after, `nothing was changed in ${file}`).not.toBe(before);
      writeFileSync(path, after);
    }
    return compile(directory);
  }

  test('(and not if nothing were)', async () => {
    expect(await compileCopy()).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
  });

  test.each(mutants)('%s', async (_, file, from, to, told) => {
    const { code, signal, stdout } = await compileCopy(file, (text) => text.replace(from, to));
    expect(signal).toBeNull();
    expect(code, stdout).not.toBe(0);
    expect(stdout).toMatch(told);
  });
});

describe('for CommonJS', () => {
  const TYPED = `
    import { map, type Mapping } from 'memmap';
    import posix = require('memmap/posix');
    import { Mutex } from 'memmap/sync';
    import { Channel } from 'memmap/channel';
    const mapping: Mapping = map('file');
    export const pages: number = mapping.length / posix.PAGE_SIZE;
    export const classes: readonly object[] = [Mutex, Channel];
  `;

  test.each([
    ['node20', 0, /^$/],
    ['nodenext', 0, /^$/],
    // It stands for a Node that could not require() an ES module.
    ['node16', 1, /^typed\.cts\(2,\d+\): error TS1479: /],
  ])('with "module": "%s"', async (module, code, told) => {
    const directory = tempDir();
    copyPackage(join(directory, 'node_modules/memmap'));
    writeFileSync(join(directory, 'typed.cts'), TYPED);
    const target = ['--module', module, '--target', 'es2022', '--lib', 'es2023,esnext.disposable'];
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
    const args = [tsc, '--strict', '--noEmit', '--pretty', 'false', ...target, ...types];
    const result = await run(process.execPath, [...args, 'typed.cts'], { cwd: directory });
    expect(result).toMatchObject({ code, stdout: expect.stringMatching(told) });
  });
});
