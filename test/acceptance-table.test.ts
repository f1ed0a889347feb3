// The tests that docs/acceptance.md names are there, by those names.

import { expect, test } from 'vitest';
import { expectThere, read } from './support/named-tests.js';

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

test.each(rows)('$what', ({ tests }) => expectThere(tests));
