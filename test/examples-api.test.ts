// The examples of the doc comments, as they stand in docs/api/: each is a function, and those of a page are one
// program, which finds two pieces of memory that its parent has handed over.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { IMPORTS, SETTINGS } from './support/api-examples.js';
import { blocksOf } from './support/markdown.js';
import { type Result, run } from './support/program.js';
import { compileProject, makeProject, root } from './support/typescript-project.js';

interface Example {
  /** Where it stands. */
  where: string;
  /** The heading above it. */
  of: string;
  code: string;
}

/** Whether a line is a heading of a higher level than that above a line; one that says whose example it is. */
function isAbove(lines: string[], line: number): (each: string) => boolean {
  const level = (each: string) => /^(#+) /.exec(each)?.[1]?.length ?? 0;
  const own = level(lines.slice(0, line).findLast((each) => level(each) > 0)!);
  return (each) => level(each) > 0 && level(each) < own && !each.endsWith(' Call Signature');
}

function examplesOf(page: string): Example[] {
  const text = readFileSync(join(root, `docs/api/${page}.md`), 'utf8');
  const lines = text.split('\n');
  return blocksOf(text).map(({ line, code }) => {
    const of = lines.slice(0, line).findLast(isAbove(lines, line))!;
    return { where: `docs/api/${page}.md:${line}`, of: of.replaceAll(/^#+ |\\/g, ''), code };
  });
}

const names = readdirSync(join(root, 'docs/api')).filter((name) => name !== 'README.md');
const pages = names.map((name) => name.replace('.md', ''));
const examples = new Map(pages.map((page) => [page, examplesOf(page)]));
const MARK = /^\/\/ worker\.js$/m;

let directory = '';
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A program that runs them all, and prints the places of those that came to their end. */
function programOf(page: string): string {
  const functions = examples.get(page)!.map(({ where, of, code }, i) => {
    const { before = '', after = '' } = SETTINGS[page]?.[of] ?? {};
    const [main = '', worker = ''] = code.split(MARK);
    writeFileSync(join(directory, `${page}-${i}.ts`), `${worker && IMPORTS}${worker}export {};\n`);
    // Names in /dev/shm are everybody's; a program that is started has its own file.
    const own = `${before}${main}${after}`
      .replaceAll(/'(\/?)(?:my-)?table'/g, `'$1memmap-api-${process.pid}'`)
      .replaceAll(/'\.\/(?:worker|child)\.js'/g, `'./${page}-${i}.js'`);
    return `await run('${where}', async () => {\n${own}});\n`;
  });
  // Before the first mapping of the process.
  const first = functions.filter((each) => each.includes('setGuard('));
  const rest = functions.filter((each) => !first.includes(each));
  return `${IMPORTS}
process.removeAllListeners('warning');
process.chdir(import.meta.dirname);
const done: string[] = [];
async function run(where: string, example: () => Promise<void>): Promise<void> {
  try {
    await example();
    done.push(where);
  } catch (error) {
    console.error(where, error);
  }
}
${first.join('')}${rest.join('')}
writeFileSync('${page}.done', done.join('\\n'));
`;
}

const PARENT = `
import { spawn } from 'node:child_process';
import { share } from 'memmap';
import { Channel } from 'memmap/channel';
import { SharedMemory } from 'memmap';

const memory = SharedMemory.create(4096);
const options = share({ counter: memory, results: Channel.create({ capacity: 1024 }).memory }, {
  stdio: ['ignore', 'ignore', 'inherit'],
});
const child = spawn(process.execPath, [process.argv[2]!], options as never);
child.on('exit', (code) => { process.exitCode = code ?? 1; });
`;

let compiled: Result;
beforeAll(async () => {
  directory = makeProject();
  for (const page of pages) writeFileSync(join(directory, `${page}.ts`), programOf(page));
  writeFileSync(join(directory, 'parent.ts'), PARENT);
  compiled = await compileProject(directory);
});

test('they compile', () => {
  expect(compiled).toMatchObject({ code: 0, stdout: '' });
});

test('what stands in the settings is an example', () => {
  for (const [page, settings] of Object.entries(SETTINGS)) {
    const known = examples.get(page)?.map(({ of }) => of);
    expect(Object.keys(settings).filter((name) => !known?.includes(name))).toEqual([]);
    expect(known?.filter((name) => !(name in settings))).toEqual([]);
  }
});

describe.each(pages)('%s', (page) => {
  test('every example runs to its end', async () => {
    const result = await run(join(directory, 'parent.js'), [`${page}.js`], { cwd: directory });
    expect(result).toEqual({ code: 0, signal: null, stdout: '', stderr: '' });
    const done = readFileSync(join(directory, `${page}.done`), 'utf8').split('\n');
    expect(done.sort()).toEqual(
      examples
        .get(page)!
        .map(({ where }) => where)
        .sort(),
    );
  });
});
