// The code of README.md and docs/: every block is compiled and run, as a program in a directory of its own.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Block, blocksOf } from './support/markdown.js';
import { type Result, run } from './support/program.js';
import { tempDir } from './support/temp.js';
import { compileProject, makeProject, root } from './support/typescript-project.js';

const pages = [
  'README.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const texts = new Map(pages.map((page) => [page, readFileSync(join(root, page), 'utf8')]));
const scripts = Object.keys(
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object }).scripts,
);

interface Placed extends Block {
  where: string;
  /** The directory of its program, in that of all. */
  folder: string;
}
let last = '';
const blocks: Placed[] = [...texts].flatMap(([page, text]) =>
  // Those of docs/api/ are examples, which examples-api.test.ts runs.
  (page.startsWith('docs/api/') ? [] : blocksOf(text)).map((block) => {
    const where = `${page}:${block.line}`;
    if (!block.isBeside && block.language !== '') last = where.replaceAll(/\W+/g, '-');
    return { ...block, where, folder: last };
  }),
);
const written = (language: string) => blocks.filter((block) => block.language === language);
const programs = [...written('ts'), ...written('js')];
const besideInC = written('c').filter(({ isBeside }) => isBeside);
const IN_C = ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-pthread'];

/** Compiles `name.c` of a directory to `name` there. */
const compileC = (cwd: string, name: string): Promise<Result> => {
  const args = [...IN_C, '-I', join(root, 'native/include'), `${name}.c`, '-o', name];
  return run(process.env['CC'] ?? 'cc', args, { cwd });
};

let directory = '';
let compiled: Result;
afterAll(() => rmSync(directory, { recursive: true, force: true }));
beforeAll(async () => {
  directory = makeProject();
  for (const { folder, name, language, before, code, after } of programs) {
    mkdirSync(join(directory, folder), { recursive: true });
    const content = `${before}${code}${after}export {};\n`;
    writeFileSync(join(directory, folder, `${name}.${language}`), content);
  }
  for (const { folder, name, code } of besideInC) {
    writeFileSync(join(directory, folder, `${name}.c`), code);
    const { code: status, stderr } = await compileC(join(directory, folder), name);
    if (status !== 0) throw new Error(`${folder}/${name}.c\n${stderr}`);
  }
  for (const { folder } of written('sh').filter(({ isRun }) => isRun)) {
    mkdirSync(join(directory, folder), { recursive: true });
    if (!existsSync(join(directory, folder, 'out'))) {
      symlinkSync(join(root, 'out'), join(directory, folder, 'out'));
    }
  }
  compiled = await compileProject(directory);
});

test('there is no block that nothing runs', () => {
  const known = ['', 'ts', 'js', 'sh', 'c'];
  expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([]);
  for (const text of texts.values()) {
    const fences = text.split('\n').filter((line) => line.startsWith('```')).length;
    expect(fences).toBe(2 * blocksOf(text).length);
  }
  expect(programs.length).toBeGreaterThan(0);
});

test('what is TypeScript compiles', () => {
  const { code, stdout } = compiled;
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
});

test.each(programs.filter(({ isBeside }) => !isBeside))(
  '$where runs',
  async ({ folder, name, prints }) => {
    const cwd = join(directory, folder);
    const { stdout, ...ended } = await run(join(cwd, `${name}.js`), [], { cwd });
    expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
    expect(stdout).toBe(prints ?? '');
  },
);

test.each(written('sh').filter(({ isRun }) => isRun))(
  '$where runs',
  async ({ folder, code, prints }) => {
    const args = ['-euc', code];
    const result = await run('bash', args, { cwd: join(directory, folder) });
    expect(result).toMatchObject({ code: 0, signal: null, stdout: prints ?? '' });
  },
);

const inC = written('c').filter(({ isBeside }) => !isBeside);
test.each(inC)('$where, in C, compiles and runs', async ({ code, before, after }) => {
  const cwd = tempDir();
  // Directives of the preprocessor first, and the rest as the body of a program.
  const isDirective = (line: string) => line.startsWith('#');
  const directives = [code, before].flatMap((part) => part.split('\n').filter(isDirective));
  const body = [before, code, after].flatMap((part) =>
    part.split('\n').filter((line) => !isDirective(line)),
  );
  const content = [...directives, 'int main(void) {', ...body, 'return 0;', '}', ''];
  writeFileSync(join(cwd, 'block.c'), content.join('\n'));
  const silent = { code: 0, signal: null, stdout: '', stderr: '' };
  expect(await compileC(cwd, 'block')).toEqual(silent);
  expect(await run(join(cwd, 'block'), [], { cwd })).toEqual(silent);
});

test('every npm command in a page is one of package.json, and every program there is', () => {
  const names = [...texts.values()].flatMap((text) =>
    [...text.matchAll(/\bnpm (?:run )?([a-z]+[a-z:-]*)/g)].map(([, name]) => name!),
  );
  expect(names).toContain('demo');
  const ofNpm = ['ci', 'install', 'pack', 'publish', 'rebuild', 'version'];
  expect(names.filter((name) => !scripts.includes(name) && !ofNpm.includes(name))).toEqual([]);

  const paths = [...texts.values()].flatMap((text) =>
    [...text.matchAll(/\bnode ((?:out|scripts|bench)\/[\w/.-]+)/g)].map(([, path]) => path!),
  );
  expect(paths).toContain('out/examples/writer.js');
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

/** Of each heading, as GitHub makes it. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of text
    .replaceAll(/^```[\s\S]*?^```$/gm, '')
    .matchAll(/^#+ (.*)$/gm)) {
    const plain = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '');
    const anchor = plain.replaceAll(' ', '-');
    for (let i = 0; ; i++) {
      const own = i === 0 ? anchor : `${anchor}-${i}`;
      if (anchors.has(own)) continue;
      anchors.add(own);
      break;
    }
  }
  return anchors;
}

test.each(pages)('%s: its links lead somewhere', (page) => {
  const text = texts.get(page)!.replaceAll(/^```[\s\S]*?^```$|`[^`\n]*`/gm, '');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  const broken = targets.filter((target) => {
    if (/^https?:/.test(target)) return false;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(root, file))) return true;
    return anchor !== undefined && !anchorsOf(readFileSync(join(root, file), 'utf8')).has(anchor);
  });
  expect(broken).toEqual([]);
});

test('a block is told from the text, with what it needs, and a wrong comment is told', () => {
  const page = [
    'text',
    '<!-- not for the tests -->',
    '<!-- test: before',
    'const a = 1;',
    '-->',
    '<!-- test: prints',
    '1',
    '-->',
    '',
    '```ts',
    '// some-name.ts',
    'console.log(a);',
    '```',
    '```',
    'a drawing',
    '```',
    '<!-- test: beside -->',
    '```js',
    'x();',
    '```',
    '<!-- test: run -->',
    '```sh',
    'echo 2',
    '```',
    '<!-- test: output -->',
    '```',
    '2',
    '```',
  ].join('\n');
  const not = { isBeside: false, isRun: false };
  const none = { before: '', after: '', prints: undefined, name: 'block', ...not };
  expect(blocksOf(page)).toEqual([
    {
      ...none,
      line: 10,
      language: 'ts',
      name: 'some-name',
      code: '// some-name.ts\nconsole.log(a);\n',
      before: 'const a = 1;\n',
      prints: '1\n',
    },
    { ...none, line: 14, language: '', code: 'a drawing\n' },
    { ...none, line: 18, language: 'js', code: 'x();\n', isBeside: true },
    { ...none, line: 22, language: 'sh', code: 'echo 2\n', isRun: true, prints: '2\n' },
    { ...none, line: 26, language: '', code: '2\n' },
  ]);
  expect(() => blocksOf('<!-- test: output -->\n```\n```')).toThrow('no program');
  expect(() => blocksOf('<!-- test: befor\n-->\n```ts\n```')).toThrow('not for a block');
});
