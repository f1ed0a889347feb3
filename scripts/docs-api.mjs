// docs/api/: the API's pages, from the doc comments in src/. The generator has a manifest and a lock file of its
// own in scripts/api/, since it wants an older TypeScript.
//
//   npm run docs:api             writes the pages
//   npm run docs:api -- --check  fails where the pages are not what the comments say
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const tool = join(root, 'scripts/api');
const pages = join(root, 'docs/api');
const temp = mkdtempSync(join(tmpdir(), 'memmap-api-'));
process.on('exit', () => rmSync(temp, { recursive: true, force: true }));

/** What typedoc calls a page, what it is called here, and what stands above it. */
const PAGES = [
  ['index', 'memmap', 'files and memory as ArrayBuffers'],
  ['posix', 'posix', 'the calls of the man pages, under their own names'],
  ['sync', 'sync', 'waiting, waking and locking, across processes'],
  ['channel', 'channel', 'messages in shared memory'],
];
const ORIGIN = 'Written by `npm run docs:api` from the doc comments in `src/`: change those.';
const entry = (name) => (name === 'memmap' ? name : `memmap/${name}`);

function run(command, args) {
  const options = { cwd: tool, encoding: 'utf8' };
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (status === 0) return;
  console.error(`${stdout ?? ''}${stderr ?? error?.message ?? ''}`);
  console.error(`docs:api: ${command} ${args[0]} failed (${status})`);
  process.exit(1);
}

/** What concerns the whole process comes after the other functions, and they before the rest. */
const rank = (section) =>
  /^## (?:setGuard|stats)\(/.test(section) ? 1 : /^## [\w\\]+\(/.test(section) ? 0 : 2;

/** A page of typedoc, without what it says twice. */
function tidied(text) {
  const lines = [];
  let throws = '';
  for (const line of text.replaceAll('(index.md', '(memmap.md').split('\n')) {
    if (/^#+ Get Signature$/.test(line)) continue;
    // Several `@throws` stand under one heading.
    if (/^#+ Throws$/.test(line)) {
      if (line === throws) continue;
      throws = line;
    } else if (line.startsWith('#')) {
      throws = '';
    }
    lines.push(line.trimEnd());
  }
  return (
    lines
      .join('\n')
      // The signature has the type already.
      .replace(/^#+ Returns\n\n[^\n]+\n\n(?=#|\*\*\*|$)/gm, '')
      .replace(/^#+ (?:Implementation of|Extended by|Implements)\n\n(?:[^#\n].*\n+)+/gm, '')
      .replace(/^#+ Type Parameters\n\n(?:\|.*\n)+\n/gm, '')
      // The values of enums are the platform's.
      .replaceAll('Enumeration Members', 'Members')
      .replaceAll('| Enumeration Member | Value |', '| Member |')
      .replace(/^(\| Member \|.*)\n\| ------ \|/gm, '$1\n|')
      .replace(/^\| <a id="[^"]*"><\/a> (`\w+`) \| `number`/gm, '| $1')
      .replace(/<a id="[^"]*"><\/a> /g, '')
      .replace(/\n{3,}/g, '\n\n')
      .trim()
      .split('\n\n***\n\n')
      .sort((a, b) => rank(a) - rank(b))
      .join('\n\n')
  );
}

run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
run(process.execPath, ['generate.mjs', temp]);

const written = new Map(
  PAGES.map(([page, name, what]) => {
    const text = tidied(readFileSync(join(temp, `${page}.md`), 'utf8'));
    return [`${name}.md`, `# ${entry(name)}: ${what}\n\n${ORIGIN}\n\n${text}\n`];
  }),
);
const list = PAGES.map(([, name, what]) => `- [${entry(name)}](${name}.md): ${what}`).join('\n');
written.set('README.md', `# API\n\n${ORIGIN}\n\n${list}\n`);

mkdirSync(pages, { recursive: true });
const old = new Map(
  readdirSync(pages).map((name) => [name, readFileSync(join(pages, name), 'utf8')]),
);
const names = [...new Set([...written.keys(), ...old.keys()])].sort();
const changed = names.filter((name) => written.get(name) !== old.get(name));
if (process.argv.includes('--check')) {
  for (const name of changed) {
    const [is, should] = [old, written].map((texts) => (texts.get(name) ?? '').split('\n'));
    const at = should.findIndex((line, i) => line !== is[i]);
    console.error(`docs/api/${name}:${at + 1}: not what the comments say: run npm run docs:api`);
  }
  process.exit(changed.length > 0 ? 1 : 0);
}
for (const name of changed) {
  if (written.has(name)) writeFileSync(join(pages, name), written.get(name));
  else rmSync(join(pages, name));
}
console.log(`docs/api: ${changed.length} of ${names.length} pages changed`);
