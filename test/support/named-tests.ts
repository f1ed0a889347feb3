// Documents that name the tests of what they say: `file`: *name*; *name*; `file`: *name*

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

/** A file of the repository. */
export const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

/** Every test that is named, alone from here to the end of the text, is there by that name. */
export function expectThere(tests: string): void {
  const parts = [...tests.matchAll(/`([\w-]+\.test\.ts)`: ((?:\*[^*]+\*(?:; )?)+)/g)];
  expect(parts.map(([text]) => text).join('')).toBe(tests);
  expect(parts.length).toBeGreaterThan(0);
  for (const [, file = '', names = ''] of parts) {
    const text = read(`test/${file}`);
    for (const [, name = ''] of names.matchAll(/\*([^*]+)\*/g)) expect(text).toContain(name);
  }
}
