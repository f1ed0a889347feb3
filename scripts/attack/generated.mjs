// Parts of a document that a script writes: between <!-- begin NAME --> and <!-- end NAME -->.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './report.mjs';

export const RUNTIMES_MD = join(root, 'docs/runtimes.md');

export const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** With `--write` among the arguments. */
export const wanted = () => process.argv.includes('--write');

export function write(file, name, text) {
  const begin = `<!-- begin ${name} -->`;
  const end = `<!-- end ${name} -->`;
  const before = readFileSync(file, 'utf8');
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no part ${name}`);
  const after = `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`;
  writeFileSync(file, after);
  console.log(`  ${relative(root, file)}: ${name} written`);
}
