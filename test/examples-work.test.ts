// The examples for real work, as the programs that they are: on small data here, the full size is in each.

import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, test } from 'vitest';
import { smallExt4 } from './support/mount.js';
import { random } from './support/orders.js';
import { example, run, start } from './support/program.js';
import { tempDir } from './support/temp.js';
import { until } from './support/until.js';

const ended = { code: 0, signal: null };
const long = process.env['MEMMAP_LONG'] === '1';

describe('columns', () => {
  const WINDOW = 8 << 20;
  const SIZE = long ? 2 ** 30 : 36 << 20;
  const rows = Math.floor(SIZE / 16 / 1024) * 1024;
  const memory = (line: string | undefined) => Number(/: (\d+) bytes/.exec(line ?? '')?.[1]);

  test(`a table of ${SIZE >> 20} MiB, made and read by column, through 8 MiB`, async () => {
    const path = join(tempDir(), 'table.dat');
    const made = await run(example('columns'), ['make', path, String(SIZE)]);
    expect(made).toMatchObject(ended);
    expect(made.stderr.split('\n').filter((line) => line.endsWith(' 100%'))).toEqual([
      'time: 100%',
      'sensor: 100%',
      'value: 100%',
    ]);
    expect(made.stdout).toMatch(new RegExp(`^Rows: ${rows}\n`));
    expect(memory(made.stdout)).toBeLessThanOrEqual(WINDOW);
    expect(statSync(path).size).toBe(16 * rows);

    // Where the columns lie, and what is in them: read here without the example.
    const contents = {
      time: (row: number) => row / 2,
      sensor: (row: number) => row % 7,
      value: (row: number) => (row % 1000) / 4,
    };
    for (const [column, content] of Object.entries(contents)) {
      let sum = 0;
      let most = 0;
      for (let row = 0; row < rows; row++) {
        sum += content(row);
        most = Math.max(most, content(row));
      }
      const { stdout, stderr, ...result } = await run(example('columns'), ['read', path, column]);
      expect(result).toEqual(ended);
      const [first, numbers, held] = stdout.split('\n');
      expect(first).toBe(`Rows: ${rows}`);
      expect(numbers).toBe(`${column}: from 0 to ${most}, mean ${sum / rows}`);
      expect(memory(held)).toBeLessThanOrEqual(WINDOW);
      expect(stderr.trimEnd().split('\n').at(-1)).toBe(`${column}: 100%`);
    }
    if (!long) {
      const bytes = readFileSync(path);
      const last = rows - 1;
      expect(bytes.readDoubleLE(8 * last)).toBe(last / 2);
      expect(bytes.readUInt32LE(8 * rows + 4 * last)).toBe(last % 7);
      expect(bytes.readFloatLE(12 * rows + 4 * last)).toBe((last % 1000) / 4);
    }
  }, 300_000);

  test('a file that is no table, and a column that is none', async () => {
    const path = join(tempDir(), 'text');
    writeFileSync(path, 'text');
    const results = [
      await run(example('columns'), ['read', path, 'time']),
      await run(example('columns'), ['read', path, 'colour']),
      await run(example('columns'), ['make', `${path}2`, '100']),
    ];
    expect(results.map(({ code }) => code)).toEqual([1, 1, 1]);
    expect(results[0]?.stderr).toContain('is no such table');
    expect(results[1]?.stderr).toContain('usage: ');
    expect(results[2]?.stderr).toContain('16384 bytes at least');
  });
});

describe('follow-log', () => {
  /** A follower of a log, with what it has noticed so far. */
  function follow(path: string, ...args: string[]) {
    const follower = start(example('follow-log'), [path, ...args]);
    let notices = '';
    follower.child.stderr?.on('data', (text: string) => {
      notices += text;
    });
    const noticed = (text: string) => until(text, () => notices.includes(text));
    return { follower, noticed };
  }

  const numbered = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `line ${from + i} ${'x'.repeat((from + i) % 90)}`);
  const asText = (lines: string[]) => lines.map((line) => `${line}\n`).join('');

  test('a log that is there and one that comes, lines that are whole later', async () => {
    for (const early of [true, false]) {
      const path = join(tempDir(), 'app.log');
      if (early) writeFileSync(path, 'first\nsec');
      const { follower } = follow(path);
      await using _ = follower;
      if (!early) writeFileSync(path, 'first\nsec');
      await follower.line(/^first$/);
      for (const part of ['o', 'nd\n', 'thi', 'rd\nnot whole']) appendFileSync(path, part);
      await follower.line(/^third$/);
      expect((await follower.kill()).stdout).toBe('first\nsecond\nthird\n');
    }
  });

  test('a log that grows through many mappings, and begins empty', async () => {
    const path = join(tempDir(), 'app.log');
    writeFileSync(path, '');
    const { follower } = follow(path, String(2 * PAGE_SIZE));
    await using _ = follower;
    const lines = numbered(0, 1500);
    for (let at = 0; at < lines.length; at += 100) {
      appendFileSync(path, asText(lines.slice(at, at + 100)));
      await follower.line(new RegExp(`^${lines[at + 99]}$`));
    }
    expect(statSync(path).size).toBeGreaterThan(10 * PAGE_SIZE);
    const result = await follower.kill();
    expect(result.stdout).toBe(asText(lines));
    expect(result.stderr).toBe('');
  });

  test('a log that is truncated in place begins anew', async () => {
    const path = join(tempDir(), 'app.log');
    const lines = numbered(0, 1000);
    writeFileSync(path, `${asText(lines)}half a li`);
    const { follower, noticed } = follow(path, String(4 * PAGE_SIZE));
    await using _ = follower;
    await follower.line(/^line 999 /);
    truncateSync(path, 0);
    await noticed('(truncated)');
    appendFileSync(path, 'after\n');
    await follower.line(/^after$/);
    expect(await follower.kill()).toMatchObject({
      signal: 'SIGKILL',
      stdout: `${asText(lines)}after\n`,
    });
  });

  test.each(['renamed', 'removed'])(
    'a log that is %s, with a new one in its place',
    async (how) => {
      const directory = tempDir();
      const path = join(directory, 'app.log');
      const old = join(directory, 'app.log.1');
      writeFileSync(path, 'one\n');
      const { follower, noticed } = follow(path);
      await using _ = follower;
      await follower.line(/^one$/);
      if (how === 'renamed') {
        renameSync(path, old);
        appendFileSync(old, 'two\n'); // its writer has not noticed yet
        await follower.line(/^two$/);
        appendFileSync(old, 'never ended');
      } else {
        rmSync(path);
      }
      writeFileSync(`${path}.new`, 'three\n');
      renameSync(`${path}.new`, path);
      await follower.line(/^three$/);
      await noticed('(rotated)');
      const between = how === 'renamed' ? 'two\nnever ended\n' : '';
      expect((await follower.kill()).stdout).toBe(`one\n${between}three\n`);
    },
  );
});

describe('record-store', () => {
  const append = (path: string, count: number, batch: number) =>
    run(example('record-store'), ['append', path, String(count), String(batch)]);
  const check = async (...paths: string[]) => {
    const { stdout, ...result } = await run(example('record-store'), ['check', ...paths]);
    return { ...result, lines: stdout.trimEnd().split('\n') };
  };
  const whole = (count: number) => `${count} records, all whole`;

  test('keeps what was committed, through growth', async () => {
    const path = join(tempDir(), 'store');
    expect(await append(path, 250, 100)).toEqual({
      ...ended,
      stderr: '',
      stdout: 'committed 100\ncommitted 200\ncommitted 250\n',
    });
    expect(await append(path, 50, 50)).toMatchObject({ ...ended, stdout: 'committed 300\n' });
    expect(await check(path)).toEqual({ ...ended, stderr: '', lines: [whole(300)] });
    expect(statSync(path).size).toBeGreaterThan(300 * 64);
  });

  test('killed at random, again and again: nothing committed is lost, nothing is torn', async () => {
    const path = join(tempDir(), 'store');
    const seed = Number(process.env['MEMMAP_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`record-store: MEMMAP_SEED=${seed}`);
    const next = random(seed);
    let count = 0;
    for (let round = 0; round < (long ? 200 : 10); round++) {
      const batch = 1 + Math.floor(next() * 80);
      const args = ['append', path, '1000000', String(batch)];
      await using writer = start(example('record-store'), args);
      const seen = Math.floor(next() * 20);
      // Without any it is killed while it starts, makes the store, or recovers it.
      if (seen > 0) await writer.line(new RegExp(`^committed ${count + seen * batch}$`));
      const turns = Math.floor(next() * 5);
      for (let i = 0; i < turns; i++) await new Promise(setImmediate);
      const { signal, stdout, stderr } = await writer.kill();
      expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
      const told = Number(/committed (\d+)\n$/.exec(stdout)?.[1] ?? count);

      const { lines, code } = await check(path);
      const found = Number.parseInt(lines[0] ?? '', 10);
      expect({ code, lines }, `round ${round}`).toEqual({ code: 0, lines: [whole(found)] });
      // Batches may have been on the disk of which nobody was told any more: its output may lag behind.
      expect(found, `round ${round}`).toBeGreaterThanOrEqual(told);
      expect((found - count) % batch, `round ${round}`).toBe(0);
      count = found;
    }
    expect(count).toBeGreaterThan(0);
  }, 600_000);

  test('where the flush of records fails, their commit is not written', async (context) => {
    const MiB = 1 << 20;
    const path = join(smallExt4(context, 16 * MiB, 3 * MiB), 'store');
    const { code, stdout, stderr } = await append(path, 1_000_000, 1000);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: (EIO|ENOSPC): .*, msync$/m);
    const told = Number(/committed (\d+)\n$/.exec(stdout)?.[1]);
    expect(told).toBeGreaterThan(1000);
    const bytes = readFileSync(path);
    const commits = [512, 1024].map((at) => Number(bytes.readBigUInt64BE(at + 8)));
    expect(commits.sort((a, b) => a - b)).toEqual([told - 1000, told]);
  });

  /** Two moments of a store: with 100 records, and with 30 more. */
  async function twoMoments() {
    const directory = tempDir();
    const path = join(directory, 'store');
    await append(path, 100, 100);
    const before = readFileSync(path);
    await append(path, 30, 30);
    const after = readFileSync(path);
    expect(after.length).toBe(before.length);
    let images = 0;
    const image = (bytes: Buffer) => {
      const name = join(directory, `image-${images++}`);
      writeFileSync(name, bytes);
      return name;
    };
    return { path, before, after, image };
  }

  test('after a power cut: any pages of the records, none of the commit', async () => {
    const { before, after, image } = await twoMoments();
    const pages = [2, 3].map((page) => page * 4096);
    for (const at of pages) expect(after.compare(before, at, at + 4096, at, at + 4096)).not.toBe(0);
    const images = [[], [0], [1], [0, 1]].map((written) => {
      const bytes = Buffer.from(before);
      for (const i of written) after.copy(bytes, pages[i]!, pages[i]!, pages[i]! + 4096);
      return image(bytes);
    });
    expect(await check(...images)).toMatchObject({ code: 0, lines: images.map(() => whole(100)) });
  });

  test('after a power cut: all of the records, and the commit up to any byte', async () => {
    const { before, after, image } = await twoMoments();
    const changed = [...after.subarray(0, 4096).keys()].filter((i) => before[i] !== after[i]);
    const images = [changed[0]!, ...changed.map((i) => i + 1)].map((cut) => {
      const bytes = Buffer.from(after);
      before.copy(bytes, cut, cut, 4096);
      return image(bytes);
    });
    expect(images.length).toBeGreaterThan(4);
    const wanted = images.map((_, i) => whole(i === images.length - 1 ? 130 : 100));
    expect(await check(...images)).toMatchObject({ code: 0, lines: wanted });
  });

  test('one whose maker was cut off before anything was committed is empty', async () => {
    const { before, path, image } = await twoMoments();
    const bytes = Buffer.alloc(8192);
    before.copy(bytes, 512, 512, 1024); // the commit of nothing, but not the magic
    expect(await check(image(bytes), image(Buffer.alloc(0)), path)).toMatchObject({
      code: 0,
      lines: [whole(0), whole(0), whole(130)],
    });
  });

  test('what was spoilt is told, not read', async () => {
    const { path, after, image } = await twoMoments();
    const flipped = (...places: number[]) => {
      const bytes = Buffer.from(after);
      for (const at of places) bytes[at]! ^= 1;
      return image(bytes);
    };
    const short = `${path}-short`;
    copyFileSync(path, short);
    truncateSync(short, 8192);
    const images = [flipped(4096 + 5 * 64 + 20), flipped(520, 1032), flipped(0), short];
    const { code, lines } = await check(...images);
    expect(code).toBe(1);
    expect(lines).toEqual([
      'record 5 was spoilt',
      ...images.slice(1).map((name) => `${name} is no store, or it was spoilt`),
    ]);
  });
});
