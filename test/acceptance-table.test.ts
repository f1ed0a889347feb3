// The tests that docs/acceptance.md names are there, by those names.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const read = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
const rows = read('docs/acceptance.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|')))
  .map(([, what = '', tests = '', differences]) => ({ what, tests, differences }))
  .filter(({ what }) => what !== 'case');

test('there are rows, each with three columns', () => {
  expect(rows.length).toBeGreaterThan(60);
  for (const { what, tests, differences } of rows) {
    expect([what, tests].every(Boolean), what).toBe(true);
    expect(differences, what).toBeDefined();
  }
});

test.each(rows)('$what', ({ tests }) => {
  // `file`: *name*; *name*; `file`: *name*
  const parts = [...tests.matchAll(/`([\w-]+\.test\.ts)`: ((?:\*[^*]+\*(?:; )?)+)/g)];
  expect(parts.map(([text]) => text).join('')).toBe(tests);
  expect(parts.length).toBeGreaterThan(0);
  for (const [, file = '', names = ''] of parts) {
    const text = read(`test/${file}`);
    for (const [, name = ''] of names.matchAll(/\*([^*]+)\*/g)) expect(text).toContain(name);
  }
});
