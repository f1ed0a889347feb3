// Messages of random sizes from four processes, one of them in C, through small lanes.

import { expect, test } from 'vitest';
import { program, run } from './support/program.js';

// scripts/channel-messages.mjs runs a hundred million, for as many minutes as that takes.
const [count, watchdog] =
  process.env['MEMMAP_LONG'] === '1' ? [10_000_000, 280_000] : [600_000, 60_000];

test('all of them, once, in order and whole', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const args = [count, seed].map(String);
  const { stdout, ...ended } = await run(program('channel-messages'), args, { watchdog });
  console.log(`channel-messages ${args.join(' ')}: ${stdout.trim()}`);
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  const report = { messages: count, isAll: true, isOver: true, deaths: 0 };
  expect(JSON.parse(stdout)).toMatchObject(report);
}, 300_000);
