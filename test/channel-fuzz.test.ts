// A channel whose memory somebody spoils while it is used: messages, or errors with a code, and nothing else.
import { expect, test } from 'vitest';
import type { Report } from './programs/channel-fuzz.js';
import { program, run } from './support/program.js';

const long = process.env['MEMMAP_LONG'] === '1';
const [STEPS, ROUNDS] = long ? [3_000_000, 500] : [30_000, 20];

async function fuzz(
  mode: string,
  amount: number,
  seed?: number,
): Promise<{ seed: number; report: Report }> {
  const args = [mode, String(amount), ...(seed === undefined ? [] : [String(seed)])];
  const options = { node: ['--no-warnings'], watchdog: 280_000 };
  const { code, signal, stdout, stderr } = await run(program('channel-fuzz'), args, options);
  const lines = stdout.trim().split('\n');
  // What is shown when it fails says how to see it again.
  const again = `again with: channel-fuzz ${args[0]} ${args[1]} ${lines[0]?.replace('seed ', '')}`;
  expect({ code, signal, stderr }, again).toEqual({ code: 0, signal: null, stderr: '' });
  const report = JSON.parse(lines.at(-1) ?? '') as Report;
  expect(report.left, again).toMatchObject({
    regions: 0,
    mappedBytes: 0,
    retiredBytes: 0,
    descriptors: 0,
  });
  return { seed: Number(lines[0]?.replace('seed ', '')), report };
}

function expectMuch({ errors, messages, spoilt }: Report): void {
  expect(messages).toBeGreaterThan(100);
  expect(spoilt).toBeGreaterThan(100);
  expect(errors['ERR_CHANNEL_CORRUPT']).toBeGreaterThan(10);
}

test('step by step; a seed makes the same again', async () => {
  const first = await fuzz('steps', STEPS);
  console.log(`channel fuzz, steps: ${JSON.stringify(first)}`);
  expectMuch(first.report);
  const small = await fuzz('steps', 2000, 1);
  expect((await fuzz('steps', 2000, 1)).report.digest).toBe(small.report.digest);
  expect((await fuzz('steps', 2000, 2)).report.digest).not.toBe(small.report.digest);
}, 300_000);

test('beside a process that spoils it at any time', async () => {
  const { seed, report } = await fuzz('beside', ROUNDS);
  console.log(`channel fuzz, beside: ${JSON.stringify({ seed, report })}`);
  expectMuch(report);
}, 300_000);
