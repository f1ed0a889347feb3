// What a new user writes first, in each kind of project there is: the README's first program in TypeScript and in plain
// JavaScript, require() and TypeScript in a CommonJS project; and what their compilers make of the package's types.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../attack/report.mjs';
import { lay } from './machine.mjs';

const COMPILER = join(root, 'node_modules/typescript/bin/tsc');
/** Fetched by `npm run fetch:runtimes`; and which line of the types' tests is no mistake to them. */
const OTHER_COMPILERS = [
  // Before 5.9 every typed array is an ArrayBuffer to TypeScript.
  { version: '5.8', allows: 'munmap(new Uint8Array(buffer));' },
  { version: '5.9' },
];
const OPTIONS = {
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  skipLibCheck: false,
};

/** The README's first program, and after it what must be true then. */
function firstProgram() {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [, first] = /```ts\n([\s\S]*?)```/.exec(readme);
  const [, after, code] = /<!-- test: after\n([\s\S]*?)-->\n+```ts\n([\s\S]*?)```/.exec(readme);
  if (first !== code) throw new Error('nothing says what is true after the first program');
  return `${code}${after}`;
}

/** The same where the language has no `using`. */
const withoutUsing = (program) => `${program.replace('await using', 'const')}\nmapping.unmap();\n`;

/** In a project where the package is installed, and by these Nodes: { name, env, major }. */
export function checkPrograms(attack, project, nodes) {
  mkdirSync(join(project, 'node_modules/@types'));
  for (const name of ['@types/node', 'undici-types']) {
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
  }
  const lays = (name, files) => {
    lay(join(project, name), files);
    return join(project, name);
  };
  const compiles = (title, folder, compiler = COMPILER, config = '.') => {
    const args = [compiler, '--pretty', 'false', '-p', config];
    const { status, stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    attack.claim(title, status === 0, stdout);
  };
  const runs = (title, folder, file, node, prints = '') => {
    // A directory for each: the program makes its file there.
    const cwd = mkdtempSync(join(folder, 'run-'));
    const options = { cwd, env: node.env, encoding: 'utf8' };
    const { status, signal, stdout, stderr } = spawnSync('node', [join(folder, file)], options);
    const holds = status === 0 && stdout === prints && stderr === '';
    const told = holds ? '' : `${signal ?? status} ${stdout}${stderr}`;
    attack.claim(`${title}, ${node.name}`, holds, told);
  };

  const program = firstProgram();
  const typed = lays('typescript', {
    'package.json': { type: 'module' },
    'tsconfig.json': { compilerOptions: OPTIONS },
    'first.ts': program,
  });
  compiles('the README in TypeScript compiles', typed);
  const plain = lays('javascript', {
    'package.json': { type: 'module' },
    'first.js': program,
    'without-using.js': withoutUsing(program),
  });
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const entries = Object.keys(exports).map((entry) => join('memmap', entry));
  const required = lays('commonjs', {
    'package.json': {},
    'required.js': `${entries
      .map((entry) => `if (Object.keys(require('${entry}')).length === 0) throw new Error();`)
      .join('\n')}
const { map } = require('memmap');
const mapping = map('made', { access: 'write', create: true, length: 8 });
mapping.bytes.write('required');
mapping.flush().then(() => mapping.unmap());
console.log(require('node:fs').readFileSync('made', 'latin1'), ${entries.length});
`,
    'tsconfig.json': { compilerOptions: OPTIONS, files: ['typed.ts'] },
    'typed.ts': `import { map } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { Mutex } from 'memmap/sync';
import { Channel } from 'memmap/channel';
const mapping = map('made', { access: 'write', create: true, length: PAGE_SIZE });
const word: Int32Array = mapping.view(Int32Array);
console.log(word.length * 4 === PAGE_SIZE, typeof require, typeof Mutex, typeof Channel);
mapping.unmap();
`,
  });
  compiles('TypeScript in a CommonJS project compiles', required);
  for (const node of nodes) {
    runs('the README in TypeScript', typed, 'first.js', node);
    const file = node.major < 24 ? 'without-using.js' : 'first.js';
    runs(`the README in JavaScript (${file})`, plain, file, node);
    runs('require() of every entry', required, 'required.js', node, `required ${entries.length}\n`);
    const prints = 'true function function function\n';
    runs('TypeScript in a CommonJS project', required, 'typed.js', node, prints);
  }

  const usage = readFileSync(join(root, 'test/types/usage.test-d.ts'), 'utf8');
  const types = (title, name, compiler, allows) => {
    const folder = lays(name, { 'package.json': { type: 'module' } });
    cpSync(join(root, 'test/types'), join(folder, 'test/types'), { recursive: true });
    cpSync(join(root, 'tsconfig.json'), join(folder, 'tsconfig.json'));
    const text = usage.replace(`// @ts-expect-error\n${allows}\n`, `${allows}\n`);
    lay(folder, { 'test/types/usage.test-d.ts': text });
    compiles(title, folder, compiler, 'test/types');
  };
  types('the types are as they are tested', 'types', COMPILER);
  for (const { version, allows } of OTHER_COMPILERS) {
    const compiler = join(root, '.runtimes/typescript', version, 'bin/tsc');
    const title = `the types under TypeScript ${version}`;
    if (existsSync(compiler)) types(title, `types-${version}`, compiler, allows);
    else attack.skip(title, `not fetched: npm run fetch:runtimes -- typescript/${version}`);
  }
}
