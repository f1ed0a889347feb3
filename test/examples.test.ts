// The examples, run as the programs that they are, and beside the same programs in C.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { example, native, type Options, type Result, run, start } from './support/program.js';
import { tempDir } from './support/temp.js';

/** The lines of a program that ended well, having complained of nothing. */
function lines({ code, signal, stdout, stderr }: Result): string[] {
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  expect(stdout.endsWith('\n')).toBe(true);
  return stdout.slice(0, -1).split('\n');
}

async function runLines(path: string, args: string[] = [], options: Options = {}) {
  return lines(await run(path, args, options));
}

const inTypeScript = (name: string) => ({ language: 'TypeScript', path: example(name) });
const inC = (name: string) => ({ language: 'C', path: native(name) });

describe('example 1: writer and reader', () => {
  const pairs = [
    [inTypeScript('writer'), inTypeScript('reader')],
    [inTypeScript('writer'), inC('reader')],
    [inC('writer'), inTypeScript('reader')],
    [inC('writer'), inC('reader')],
  ] as const;

  test.each(pairs.map(([writer, reader]) => ({ writer, reader })))(
    'a writer in $writer.language, a reader in $reader.language',
    async ({ writer, reader }) => {
      const path = join(tempDir(), 'shared.dat');
      await using writing = start(writer.path, [path]);
      await writing.line(/^Writer wrote/);
      expect(readFileSync(path, 'latin1')).toBe('Hello from writer!'.padEnd(64, '\0'));

      expect(await runLines(reader.path, [path])).toEqual(['Reader sees: Hello from writer!']);
      expect(lines(await writing.ended)).toEqual([
        'Writer wrote: Hello from writer!',
        'Writer sees now: Reader replied!',
      ]);
      // The reply and its zero lie over the greeting: the same bytes in every language.
      expect(readFileSync(path, 'latin1')).toBe('Reader replied!\0r!'.padEnd(64, '\0'));
    },
  );

  test('the file is shared.dat of the current directory unless named', async () => {
    const cwd = tempDir();
    await using writing = start(example('writer'), [], { cwd });
    await writing.line(/^Writer wrote/);
    expect(await runLines(native('reader'), [], { cwd })).toHaveLength(1);
    expect(lines(await writing.ended)).toHaveLength(2);
    expect(existsSync(join(cwd, 'shared.dat'))).toBe(true);
  });

  test('a writer begins anew where an older file lies', async () => {
    const cwd = tempDir();
    for (const round of [1, 2]) {
      await using writing = start(example('writer'), [], { cwd });
      await writing.line(/^Writer wrote/);
      expect(await runLines(example('reader'), [], { cwd }), `round ${round}`).toEqual([
        'Reader sees: Hello from writer!',
      ]);
      expect(lines(await writing.ended)).toHaveLength(2);
    }
  });

  test('a reader without a writer says which file is missing', async () => {
    const cwd = tempDir();
    const ofTypeScript = await run(example('reader'), [], { cwd });
    expect(ofTypeScript).toMatchObject({ code: 1, signal: null, stdout: '' });
    expect(ofTypeScript.stderr).toMatch(/ENOENT.*shared\.dat/);
    const ofC = await run(native('reader'), [], { cwd });
    expect(ofC).toMatchObject({ code: 1, signal: null, stdout: '' });
    expect(ofC.stderr).toMatch(/^shared\.dat: /);
  });
});

test('example 2: private write', async () => {
  const path = join(tempDir(), 'private_test.txt');
  expect(await runLines(example('private-write'), [path])).toEqual([
    'Before: ORIGINAL CONTENT',
    'In memory after: MODIFIED CONTENT',
    'The file, read again: ORIGINAL CONTENT',
  ]);
  expect(readFileSync(path, 'latin1')).toBe('ORIGINAL CONTENT');
});

describe('example 3: database record', () => {
  const records = [
    { id: 42, name: 'temperature', value: 37 },
    { id: -1, name: '', value: -2_147_483_648 },
    { id: 2_147_483_647, name: 'a name of thirty-one characters', value: 0 },
    { id: 7, name: 'größe', value: 180 },
  ];

  /** The struct as the x86-64 and arm64 ABIs lay it out. */
  function bytesOf({ id, name, value }: (typeof records)[number]): Buffer {
    const bytes = Buffer.alloc(40);
    bytes.writeInt32LE(id, 0);
    bytes.write(name, 4);
    bytes.writeInt32LE(value, 36);
    return bytes;
  }

  describe.each(records)('id=$id name=$name value=$value', (record) => {
    const { id, name, value } = record;
    const text = `id=${id} name=${name} value=${value}`;
    const args = (path: string) => ['write', path, String(id), name, String(value)];

    test.each([
      [inTypeScript('record'), inC('record')],
      [inC('record'), inTypeScript('record')],
    ])('written by $language and read by both', async (writer, other) => {
      const path = join(tempDir(), 'database.dat');
      expect(await runLines(writer.path, args(path))).toEqual([`Record flushed to disk: ${text}`]);
      expect(readFileSync(path).equals(bytesOf(record))).toBe(true);
      for (const reader of [other, writer]) {
        expect(await runLines(reader.path, ['read', path])).toEqual([`Record read: ${text}`]);
      }
    });

    test.each([
      [inTypeScript('record'), inC('record')],
      [inC('record'), inTypeScript('record')],
    ])('written by $language over a record of the other', async (writer, other) => {
      const path = join(tempDir(), 'database.dat');
      await runLines(other.path, ['write', path, '1', 'x'.repeat(31), '2']);
      await runLines(writer.path, args(path));
      expect(readFileSync(path).equals(bytesOf(record))).toBe(true);
    });
  });

  test('without arguments it is the record of the document, in database.dat', async () => {
    const cwd = tempDir();
    expect(await runLines(example('record'), [], { cwd })).toEqual([
      'Record flushed to disk: id=42 name=temperature value=37',
    ]);
    expect(await runLines(native('record'), ['read', 'database.dat'], { cwd })).toEqual([
      'Record read: id=42 name=temperature value=37',
    ]);
  });

  test('a name that does not fit is refused before anything is written', async () => {
    const cwd = tempDir();
    for (const path of [example('record'), native('record')]) {
      const result = await run(path, ['write', 'long.dat', '1', 'x'.repeat(32), '2'], { cwd });
      expect(result.code).toBeGreaterThan(0);
      expect(result.stderr).toContain('31 bytes');
      expect(existsSync(join(cwd, 'long.dat'))).toBe(false);
    }
  });
});

describe('example 4: parent and child counter', () => {
  const count = (line: string | undefined) => Number(line?.slice(line.lastIndexOf(':') + 1));

  /** Additions may be lost, and none is made up. */
  function expectNear2000(total: number): void {
    expect(total).toBeLessThanOrEqual(2000);
    expect(total).toBeGreaterThanOrEqual(1000);
  }

  test('through child_process.fork', async () => {
    const [plain, ...rest] = await runLines(example('counter'));
    expect(plain).toMatch(/^With \+\+: \d+$/);
    expectNear2000(count(plain));
    expect(rest).toEqual(['With Atomics.add: 2000']);
  });

  test('through a real fork(2)', async () => {
    const [plain, ...rest] = await runLines(example('counter-fork'));
    expect(plain).toMatch(/^Shared, with \+\+: \d+$/);
    expectNear2000(count(plain));
    expect(rest).toEqual(['Shared, with Atomics.add: 2000', 'Private, with Atomics.add: 1000']);
  });
});

test("shared library: the add-on's text segment is private, its pages shared", async () => {
  const [segment, clean, ...rest] = await runLines(example('shared-library'));
  expect(segment).toMatch(/^[0-9a-f]+-[0-9a-f]+ r-xp .*\/memmap[^/]*\.node$/);
  expect(clean).toMatch(/^Shared_Clean: [1-9]\d* kB$/);
  expect(rest).toEqual([]);
});

test('the demo runs them all and finds everything as it should be', async () => {
  const result = await run(example('demo'), [], { watchdog: 55_000 });
  const report = lines(result);
  expect(report.at(-1)).toBe('Everything is as it should be.');
  expect(report.filter((line) => line.startsWith('  ok  ')).length).toBeGreaterThanOrEqual(16);
  expect(report.filter((line) => /^ {2}(FAIL|--) /.test(line))).toEqual([]);
});
