// `npx memmap`, as the process that it is.

import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { constants, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PAGE_SIZE } from 'memmap/posix';
import { describe, expect, test } from 'vitest';
import { smallTmpfs } from './support/mount.js';
import { native, type Options, run } from './support/program.js';
import { tempDir } from './support/temp.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = join(root, 'lib/cli.js');
const memmap = (args: string[], options?: Options) => run(cli, args, options);
const quiet = { code: 0, signal: null, stderr: '' };

describe('the command itself', () => {
  const { version, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
    bin: Record<string, string>;
  };

  test('is what package.json says, and a program', () => {
    expect(join(root, bin['memmap']!)).toBe(cli);
    expect(readFileSync(cli, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  test.each([['--version'], ['-v']])('%s', async (option) => {
    expect(await memmap([option])).toEqual({ ...quiet, stdout: `${version}\n` });
  });

  test.each([[['--help']], [['-h']], [['doctor', '--help']]])('%j', async (args) => {
    const { stdout, ...ended } = await memmap(args);
    expect(ended).toEqual(quiet);
    for (const command of ['demo', 'doctor', 'residency']) {
      expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
    }
  });

  test.each([
    [[], 'a command is missing'],
    [['frobnicate'], 'no such command: frobnicate'],
    [['toString'], 'no such command: toString'],
    [['doctor', 'more'], 'doctor takes no more'],
    [['demo', '--json'], 'demo takes no --json'],
    [['residency'], 'residency: a file is missing'],
    [['doctor', '--frobnicate'], "Unknown option '--frobnicate'"],
  ])('%j is misuse', async (args, why) => {
    const { stderr, ...ended } = await memmap(args);
    expect(ended).toEqual({ code: 2, signal: null, stdout: '' });
    expect(stderr).toContain(`memmap: ${why}`);
    expect(stderr).toContain('usage: memmap COMMAND');
  });
});

test('demo: the examples, and everything as it should be', async () => {
  const { stdout, ...ended } = await memmap(['demo'], { cwd: tempDir(), watchdog: 55_000 });
  expect(ended).toEqual(quiet);
  expect(stdout).toMatch(/\nEverything is as it should be\.\n$/);
});

describe('doctor', () => {
  interface Line {
    name: string;
    status: string;
    found: string;
    needed: boolean;
    values?: Record<string, number>;
  }
  interface Report {
    ok: boolean;
    checks: Line[];
  }

  /** Its report, by the names of the checks. */
  async function doctor(
    expected: number,
    command = process.execPath,
    before: string[] = [],
    env = {},
  ) {
    const args = [...before, cli, 'doctor', '--json'];
    const { code, signal, stdout, stderr } = await run(command, args, { env });
    expect({ code, signal, stderr }).toEqual({ code: expected, signal: null, stderr: '' });
    const { ok, checks } = JSON.parse(stdout) as Report;
    expect(ok).toBe(expected === 0);
    return new Map(checks.map((line) => [line.name, line]));
  }

  /** Under a kernel that does not have a system call. */
  const without = (expected: number, number: number, error: 'ENOSYS' | 'EPERM') =>
    doctor(expected, native('without_syscall'), [
      String(number),
      String(constants.errno[error]),
      process.execPath,
    ]);
  const FUTEX_WAITV = 449;
  const MEMFD_CREATE = process.arch === 'arm64' ? 279 : 319;

  test('says of this machine what it is', async () => {
    const report = await doctor(0);
    expect(report.get('runtime')).toMatchObject({ status: 'ok', found: `Node ${process.version}` });
    expect(report.get('kernel')?.found).toBe(`linux ${release()}`);
    expect(report.get('page size')?.values).toEqual({ bytes: PAGE_SIZE });
    expect(report.get('add-on')?.found).toMatch(/^\/.*\.node$/);
    expect(statSync(report.get('add-on')!.found).isFile()).toBe(true);
    expect(report.get('vm.max_map_count')?.found).toBe(
      readFileSync('/proc/sys/vm/max_map_count', 'utf8').trim(),
    );
    const needed = [...report.values()].filter((line) => line.needed);
    expect(needed.map(({ name }) => name)).toEqual([
      'runtime',
      'kernel',
      'add-on',
      'memfd_create, seals',
      'guard',
      'futex',
      'OFD locks',
    ]);
    expect(needed.map(({ status }) => status)).toEqual(needed.map(() => 'ok'));
    for (const name of ['largest ArrayBuffer', 'huge pages', '/dev/shm', 'futex_waitv']) {
      expect(report.has(name), name).toBe(true);
    }
  });

  test('says the same as text', async () => {
    const { stdout, ...ended } = await memmap(['doctor']);
    expect(ended).toEqual(quiet);
    expect(stdout).toContain(`ok      runtime: Node ${process.version}\n`);
    expect(stdout).toMatch(/^ok {6}guard: yes$/m);
    expect(stdout).toMatch(/\nAll that the package needs is here\.\n$/);
  });

  test('sees limits of the process', async () => {
    const limits = 'ulimit -Sl 64 && ulimit -n 512 && exec "$0" "$@"';
    const report = await doctor(0, 'sh', ['-c', limits, process.execPath]);
    expect(report.get('RLIMIT_MEMLOCK')).toMatchObject({
      status: 'limited',
      values: { bytes: 65_536 },
    });
    expect(report.get('RLIMIT_NOFILE')).toMatchObject({ status: 'limited', found: '512' });
  });

  test.each(['ENOSYS', 'EPERM'] as const)('without futex_waitv (%s): limited', async (error) => {
    const report = await without(0, FUTEX_WAITV, error);
    expect(report.get('futex_waitv')).toMatchObject({ status: 'limited', found: 'no' });
    expect(report.get('futex')?.status).toBe('ok');
  });

  test('without memfd_create: something needed is missing', async () => {
    const report = await without(1, MEMFD_CREATE, 'ENOSYS');
    expect(report.get('memfd_create, seals')).toMatchObject({ status: 'no', needed: true });
    expect(report.get('memfd_create, seals')?.found).toContain('ENOSYS');
    expect(report.get('futex')?.status).toBe('ok');
  });

  test('without the add-on: says so, and all that can be said without it', async () => {
    const folder = tempDir();
    const report = await doctor(1, process.execPath, [], { MEMMAP_PREBUILD: folder });
    expect(report.get('add-on')).toMatchObject({ status: 'no', needed: true });
    expect(report.get('add-on')?.found).toContain(`${folder}/build/Release/*.node`);
    expect(report.get('runtime')?.status).toBe('ok');
    expect(report.has('guard')).toBe(false);
  });
});

describe('residency', () => {
  const QUARTER = 16;
  const bar = (full: number) => `[${'#'.repeat(full)}${'.'.repeat(32 - full)}]`;

  /** In a tmpfs a page is resident from when it was written, and a hole never is. */
  function quarterFile(directory: string): string {
    const path = join(directory, 'quarter');
    writeFileSync(path, Buffer.alloc(QUARTER * PAGE_SIZE));
    truncateSync(path, 4 * QUARTER * PAGE_SIZE);
    return path;
  }

  test('is drawn, with bytes and percent', async (context) => {
    const directory = smallTmpfs(context, 1 << 20);
    const [none, empty] = [join(directory, 'none'), join(directory, 'empty')];
    for (const path of [none, empty]) writeFileSync(path, '');
    truncateSync(none, 3 * PAGE_SIZE + 1);
    const quarter = quarterFile(directory);
    const { stdout, ...ended } = await memmap(['residency', quarter, none, empty]);
    expect(ended).toEqual(quiet);
    expect(stdout.split('\n')).toEqual([
      `${bar(8)}  25.0%  64.0 KiB of 256.0 KiB  ${quarter}`,
      `${bar(0)}   0.0%  0 B of 12.0 KiB  ${none}`,
      `[${' '.repeat(32)}] 100.0%  0 B of 0 B  ${empty}`,
      '',
    ]);
  });

  test('as JSON, of a last page that is not whole, and of fewer pages than the bar has places', async (context) => {
    const path = join(smallTmpfs(context, 1 << 20), 'odd');
    writeFileSync(path, 'x');
    truncateSync(path, 2 * PAGE_SIZE);
    writeFileSync(path, 'end', { flag: 'a' });
    const { stdout, ...ended } = await memmap(['residency', '--json', path]);
    expect(ended).toEqual(quiet);
    const bytes = 2 * PAGE_SIZE + 3;
    const [{ parts, percent, ...found }] = JSON.parse(stdout);
    expect(found).toEqual({
      file: path,
      bytes,
      residentBytes: PAGE_SIZE + 3,
      pages: 3,
      residentPages: 2,
    });
    expect(percent).toBeCloseTo((100 * (PAGE_SIZE + 3)) / bytes);
    expect([parts[0], parts[15], parts[31]]).toEqual([1, 0, 1]);
  });

  test('of a file larger than memory, which is not read', async (context) => {
    const path = join(smallTmpfs(context, 1 << 20), 'large');
    const bytes = 2 * totalmem();
    writeFileSync(path, 'x');
    truncateSync(path, bytes);
    const { stdout, ...ended } = await memmap(['residency', '--json', path]);
    expect(ended).toEqual(quiet);
    expect(JSON.parse(stdout)).toMatchObject([{ bytes, residentPages: 1 }]);
    expect(statSync(path).blocks * 512).toBe(PAGE_SIZE);
  });

  test('of files that cannot be mapped: an error each, and the others all the same', async (context) => {
    const quarter = quarterFile(smallTmpfs(context, 1 << 20));
    const missing = join(tempDir(), 'missing');
    const directory = tempDir();
    const { code, stdout, stderr } = await memmap(['residency', missing, quarter, directory]);
    expect({ code, lines: stdout.split('\n').length }).toEqual({ code: 1, lines: 2 });
    expect(stderr).toMatch(/^memmap: ENOENT: .*missing'\nmemmap: ENODEV: .*\n$/);
    const json = await memmap(['residency', '--json', missing, quarter]);
    expect(json).toMatchObject({ code: 1, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject([
      { file: missing, error: { code: 'ENOENT' } },
      { file: quarter, residentPages: QUARTER },
    ]);
  });

  test("of another user's file that may not be written: the kernel does not tell", async (context) => {
    if (process.getuid?.() !== 0) context.skip('to become another user needs root');
    // Loads the command as root, since the other user may not be able to read it.
    const program = `
      const { residency } = await import(${JSON.stringify(join(root, 'lib/cli/residency.js'))});
      process.setuid(65534);
      console.log(residency(['/proc/self/exe'], true));`;
    const args = ['--input-type=module', '-e', program];
    const { stdout, stderr } = await run(process.execPath, args);
    expect(stderr).toBe('');
    expect(stdout).toContain('"code": "EACCES"');
    expect(stdout).toMatch(/false\n$/);
  });
});
