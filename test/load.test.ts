// The add-on that is not there, or is for another machine: the error says what was looked for and what to do.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { run } from './support/program.js';
import { tempDir } from './support/temp.js';

const machine = `${process.platform}-${process.arch}`;
const library = new URL('../lib/', import.meta.url);
const PROGRAM = `
  for (const part of ['index', 'posix', 'sync', 'channel']) {
    await import(${JSON.stringify(String(library))} + part + '.js').then(
      () => console.log(JSON.stringify('loaded')),
      ({ name, message, code, cause }) =>
        console.log(JSON.stringify({ name, message, code, cause: cause.code ?? cause.message })),
    );
  }`;

interface Failure {
  name: string;
  message: string;
  code: string;
  cause: string;
}

/** What every part of the package says when the add-on is looked for in a folder with these files. */
async function load(...files: string[]): Promise<{ folder: string; failure: Failure }> {
  const folder = tempDir();
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), 'not for this machine');
  }
  const args = ['--input-type=module', '-e', PROGRAM];
  const env = { MEMMAP_PREBUILD: folder };
  const { stdout, ...ended } = await run(process.execPath, args, { env });
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  const [first, ...others] = stdout.trimEnd().split('\n');
  expect(others).toEqual([first, first, first]);
  return { folder, failure: JSON.parse(first!) as Failure };
}

const ADVICE = 'C++17 compiler, make and python3, then run `npm rebuild memmap`';

test('no binary at all', async () => {
  const { folder, failure } = await load();
  expect(failure).toMatchObject({ name: 'Error', code: 'ERR_FEATURE_UNAVAILABLE' });
  expect(failure.cause).toContain('No native build was found');
  for (const part of [
    `memmap: the add-on for ${machine} with `,
    `${folder}/build/Release/*.node`,
    `${folder}/prebuilds/${machine}/*.node`,
    `In ${folder}/prebuilds: nothing`,
    ADVICE,
  ]) {
    expect(failure.message).toContain(part);
  }
});

test('binaries for other machines only', async () => {
  const other = process.arch === 'arm64' ? 'linux-x64' : 'linux-arm64';
  const { folder, failure } = await load(
    `prebuilds/${other}/memmap.node`,
    // For a runtime that is not this one.
    `prebuilds/${machine}/memmap.abi1.node`,
  );
  expect(failure.code).toBe('ERR_FEATURE_UNAVAILABLE');
  expect(failure.message).toContain(`In ${folder}/prebuilds: `);
  expect(failure.message).toContain(`${other}/memmap.node`);
  expect(failure.message).toContain(`${machine}/memmap.abi1.node`);
  expect(failure.message).toContain(ADVICE);
});

test.each(['build/Release/memmap.node', `prebuilds/${machine}/memmap.node`])(
  'a binary that the loader refuses: %s',
  async (file) => {
    const { folder, failure } = await load(file);
    expect(failure).toMatchObject({ code: 'ERR_FEATURE_UNAVAILABLE', cause: 'ERR_DLOPEN_FAILED' });
    expect(failure.message).toContain(`not accepted by the loader: ${join(folder, file)}\n`);
    expect(failure.message).toMatch(/^The loader says: .*memmap\.node/m);
    expect(failure.message).toContain(ADVICE);
  },
);

test('the one that is there is loaded', async () => {
  const args = ['--input-type=module', '-e', PROGRAM];
  const result = await run(process.execPath, args, { cwd: fileURLToPath(library) });
  expect(result).toMatchObject({ code: 0, stdout: '"loaded"\n'.repeat(4) });
});

// Most of what an import takes is to find, read and link files, and to load modules of Node's.
test('it is two files, and all that they need of Node is there already', async () => {
  const imports = (file: string): string[] => {
    const text = readFileSync(new URL(file, library), 'utf8');
    return [...text.matchAll(/^(?:import|export)\b.* from "(.*)";$/gm)].map(
      ([, from = '']) => from,
    );
  };
  expect(imports('index.js')).toEqual(['./core.js']);
  expect(imports('posix.js')).toEqual(['./core.js']);
  expect(imports('core.js')).toEqual([]);

  const program = join(tempDir(), 'program.mjs');
  writeFileSync(
    program,
    `import.meta.dirname;
    const { length } = process.moduleLoadList;
    await import(${JSON.stringify(String(new URL('index.js', library)))});
    console.error(process.moduleLoadList.slice(length).filter((name) => !name.includes(' internal/')).join());`,
  );
  expect(await run(process.execPath, [program])).toMatchObject({ code: 0, stderr: '\n' });
});
