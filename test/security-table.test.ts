// Each sentence of SECURITY.md about what somebody can do, or cannot, names tests that are there.

import { expect, test } from 'vitest';
import { expectThere, read } from './support/named-tests.js';

const WITHOUT = ['Reporting a vulnerability', 'Who is trusted', 'What no test shows'];
const items = read('SECURITY.md')
  .split(/^## /m)
  .slice(1)
  .map((section) => section.split(/^- /m))
  .filter(([title = '']) => !WITHOUT.includes(title.split('\n')[0] ?? ''))
  // An item ends where the next paragraph begins; its lines are one.
  .flatMap(([, ...all]) => all.map((item) => item.split('\n\n')[0]?.trim() ?? ''))
  .map((item) => item.replace(/\s+/g, ' '))
  .map((item) => ({ says: item.split(/: `[\w-]+\.test\.ts`: /)[0] ?? '', item }));

test('there are sentences', () => {
  expect(items.length).toBeGreaterThan(30);
  expect(new Set(items.map(({ says }) => says)).size).toBe(items.length);
});

test.each(items)('$says', ({ says, item }) => expectThere(item.slice(says.length + 2)));
