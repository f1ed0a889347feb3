// Senders and receivers that are killed while they send, receive and wait, in processes, in C and in workers.

import { expect, test } from 'vitest';
import { program, run } from './support/program.js';

// scripts/channel-kills.mjs kills a thousand.
const [kills, watchdog] = process.env['MEMMAP_LONG'] === '1' ? [200, 280_000] : [20, 60_000];

test('no message torn, repeated or reordered, none lost; each death told once; the place used again', async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const args = [kills, seed].map(String);
  const { stdout, ...ended } = await run(program('channel-kills'), args, { watchdog });
  console.log(`channel-kills ${args.join(' ')}: ${stdout.trim()}`);
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  const { senders, receivers } = JSON.parse(stdout);
  expect(senders.kills + receivers.kills).toBe(kills);
  // There was something to survive.
  expect(senders.deaths).toBeGreaterThan(0);
  expect(receivers.kills).toBeGreaterThan(0);
}, 300_000);
