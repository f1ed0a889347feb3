// One segment in many processes: of Node, by fork() and spawn() with share(), in C and in Python, and in
// workers. Bad arguments and nonsense in the environment: bad-input-shared.test.ts; names:
// acceptance-shared-memory.test.ts.

import { type ChildProcess, fork, type StdioOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { SharedMemory, share } from 'memmap';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openFd } from './support/posix.js';
import { native, program, run } from './support/program.js';
import { tempDir } from './support/temp.js';
import { WATCHDOG_MS } from './support/until.js';

const SECRET = 1_000_000;
const SHARING = program('sharing');
const PYTHON = fileURLToPath(new URL('./programs/peer.py', import.meta.url));
const WELL = [0, null];

/** Memory whose cell 1 others are to find. */
function memory(secret = SECRET, make = () => SharedMemory.create(4096)) {
  const made = make();
  onTestFinished(() => made.unmap());
  const cells = made.view(Int32Array);
  cells[1] = secret;
  return { made, cells };
}

/** How a child ended, and what came out of its standard output where that is a pipe. */
async function ended(child: ChildProcess) {
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const watchdog = setTimeout(() => child.kill('SIGKILL'), WATCHDOG_MS);
  let stdout = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const streams = [child.stdout].filter((stream) => stream != null);
  const [how] = await Promise.all([once(child, 'exit'), ...streams.map((s) => once(s, 'close'))]);
  clearTimeout(watchdog);
  return { how, stdout };
}

const PRINTED = { code: 0, signal: null, stderr: '' };

describe.each(['an inherited descriptor', 'a name'])('one segment, by %s', (by) => {
  test('Node, workers, C and Python write and see the writes of all', async () => {
    const name = `memmap-test-${process.pid}-${randomBytes(6).toString('hex')}`;
    const named = by === 'a name';
    const { made, cells } = memory(SECRET, () =>
      named ? SharedMemory.createNamed(name, 4096) : SharedMemory.create(4096),
    );
    if (named) onTestFinished(() => SharedMemory.unlink(name));
    const where = named ? name : '3';
    const fds = named ? [] : [made.fd];
    const inC = (...args: number[]) =>
      run(native('sync_peer'), ['cells', where, ...args.map(String)], { fds });
    const inPython = (...args: number[]) =>
      run('python3', [PYTHON, where, ...args.map(String)], { fds });

    const mark = (at: number) => ['mark', 'memory', `${at}`, '1000'];
    const worker = new Worker(SHARING, {
      argv: ['', '18', '1000'],
      workerData: made.sharedBuffer,
    });
    const workerEnded = once(worker, 'exit');
    const nodes = [
      fork(SHARING, mark(10), share({ memory: made })),
      spawn(process.execPath, [SHARING, ...mark(14)], share({ memory: made }, { stdio: [] })),
    ].map(ended);
    const printed = [inC(22, 77, 1000, 4), inPython(23, 88, 4)];
    expect(await workerEnded).toEqual([0]);
    for (const { how } of await Promise.all(nodes)) expect(how).toEqual(WELL);
    for (const { stdout, ...how } of await Promise.all(printed)) {
      expect(how).toEqual(PRINTED);
      expect(JSON.parse(stdout)).toMatchObject({ 1: SECRET, length: 4 });
    }
    expect(cells[0]).toBe(4000);
    for (const at of [10, 14, 18]) expect(cells[at]).toBe(SECRET + at);
    expect([cells[22], cells[23]]).toEqual([77, 88]);

    // And now each of them sees all of that, and what is written meanwhile.
    cells[2] = 99;
    const { stdout } = await inC(24, 78, 0, 30);
    expect(JSON.parse(stdout)).toEqual([...cells.subarray(0, 30)]);
    const python = await inPython(25, 89, 30);
    expect(JSON.parse(python.stdout)).toEqual([...cells.subarray(0, 30)]);
    const child = fork(
      SHARING,
      ['print', 'memory', '30'],
      share({ memory: made }, { silent: true }),
    );
    expect(JSON.parse((await ended(child)).stdout)).toEqual([...cells.subarray(0, 30)]);
    expect([cells[24], cells[25]]).toEqual([78, 89]);
  });
});

interface Form {
  form: string;
  options: () => object | undefined;
  /** Default: fork(). Without a channel it is spawn()'s; some are tried with both. */
  by?: readonly ('fork' | 'spawn')[];
}

const stream = async () => {
  const out = createWriteStream(join(tempDir(), 'stream'));
  await once(out, 'open');
  return out;
};
const fd = () => openFd(join(tempDir(), 'descriptor'), 'a');
const BOTH = ['fork', 'spawn'] as const;
const SPAWN = ['spawn'] as const;
const stdio = (form: string, make: () => unknown, by?: Form['by']): Form => ({
  form: `stdio: ${form}`,
  options: () => ({ stdio: make() }),
  ...(by === undefined ? {} : { by }),
});
const holes = (...at: [number, unknown][]) => {
  const all: unknown[] = [];
  for (const [i, value] of at) all[i] = value;
  return all;
};

const FORMS: Form[] = [
  { form: 'none', options: () => undefined },
  { form: 'empty', options: () => ({}) },
  { form: 'silent', options: () => ({ silent: true }) },
  { form: 'not silent', options: () => ({ silent: false }) },
  { form: 'env', options: () => ({ env: { ...process.env, SHARING_TEST: '42' } }), by: BOTH },
  { form: 'env of nothing else', options: () => ({ env: { SHARING_TEST: '42' } }) },
  { form: 'env: undefined', options: () => ({ env: undefined, stdio: undefined }) },
  stdio("'pipe'", () => 'pipe', BOTH),
  stdio("'inherit'", () => 'inherit'),
  stdio("'ignore'", () => 'ignore', BOTH),
  stdio("'overlapped'", () => 'overlapped'),
  stdio('null', () => null),
  stdio('an array', () => ['ignore', 'pipe', 'inherit', 'ipc'], BOTH),
  stdio('the channel first', () => ['ipc', 'ignore', 'pipe']),
  stdio('the channel alone', () => ['ipc']),
  stdio('null and undefined', () => [null, undefined, 'inherit', 'ipc', null, undefined]),
  stdio('holes', () => holes([3, 'ipc'])),
  stdio('holes behind', () => holes([0, 'ignore'], [4, 'ipc'], [7, 'pipe']), BOTH),
  stdio('descriptors', () => ['ignore', fd(), fd(), 'ipc', fd(), fd()]),
  stdio('streams', () => ['ignore', process.stdout, process.stderr, 'ipc']),
  stdio('no channel', () => ['ignore', 'pipe', 'inherit'], SPAWN),
  stdio('an empty array', () => [], SPAWN),
  stdio('one of one', () => ['ignore'], SPAWN),
  stdio('a tail of holes', () => holes([9, 'pipe']), SPAWN),
];

const starts = {
  fork: (args: string[], options: object) => fork(SHARING, args, options),
  spawn: (args: string[], options: object) => spawn(process.execPath, [SHARING, ...args], options),
};

describe('share() around', () => {
  test.each(FORMS)('$form', async ({ options, by = ['fork'] }) => {
    const given = options();
    const before = inspect(given, { depth: 3 });
    const own = (given as { env?: object } | undefined)?.env === undefined ? 0 : 42;
    const each = by.map(async (call) => {
      const { made, cells } = memory();
      const shared = share({ memory: made }, given);
      const child = starts[call](['mark', 'memory', '10', '3'], shared);
      expect(await ended(child), call).toEqual({ how: WELL, stdout: '' });
      // What it saw, its own variable, and that the package's is taken out of its environment.
      expect([...cells.subarray(10, 14)], call).toEqual([SECRET + 10, own, 0, 6]);
      expect(cells[0], call).toBe(3);
    });
    await Promise.all(each);
    expect(inspect(given, { depth: 3 })).toBe(before);
  });

  test('a stream that is open', async () => {
    const { made, cells } = memory();
    const out = await stream();
    const stdio: StdioOptions = ['ignore', out, out, 'ipc'];
    const args = ['mark', 'memory', '10', '3'];
    const child = fork(SHARING, args, share({ memory: made }, { stdio }));
    expect((await ended(child)).how).toEqual(WELL);
    expect(cells[10]).toBe(SECRET + 10);
    out.destroy();
  });

  test('options that are neither of its own stay', () => {
    const { made } = memory();
    const options = { cwd: '/', detached: true, execArgv: ['--no-warnings'], uid: undefined };
    expect(share({ memory: made }, options)).toMatchObject(options);
  });
});

/** What a child finds that was started with these options. */
async function found(options: object) {
  const { how, stdout } = await ended(fork(SHARING, ['all'], { ...options }));
  expect(how).toEqual(WELL);
  return JSON.parse(stdout) as unknown;
}

describe('several segments', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => [`segment ${i}`, memory(i).made] as const);
  const secrets = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`segment ${i}`, i]));

  test('twenty at once', async () => {
    const all = Object.fromEntries(many(20));
    expect(await found(share(all, { silent: true }))).toEqual({
      all: secrets(20),
      descriptors: 40,
    });
  });

  test('one after the other: share(share())', async () => {
    let options: object = { silent: true };
    for (const [name, made] of many(5)) options = share({ [name]: made }, options);
    expect(await found(options)).toEqual({ all: secrets(5), descriptors: 10 });
  });

  test('under one name, the last', async () => {
    const [first, second] = [memory(1).made, memory(2).made];
    const options = share({ it: second }, share({ it: first }, { silent: true }));
    expect(await found(options)).toEqual({ all: { it: 2 }, descriptors: 2 });
  });

  test('one under two names, and names of all kinds', async () => {
    const { made } = memory(7);
    const names = ['', ' ', '__proto__', 'constructor', 'a"b', 'ü€', '\n', '0'];
    const all = Object.fromEntries(names.map((name) => [name, made]));
    expect(await found(share(all, { silent: true }))).toEqual({
      all: Object.fromEntries(names.map((name) => [name, 7])),
      descriptors: 2 * names.length,
    });
  });

  test('an environment that was saved takes no place of the caller’s own', async () => {
    const [first, second] = [memory(1).made, memory(2).made];
    const other = fd();
    const env = { MEMMAP_SHARED: (share({ it: first }) as { env: typeof process.env }).env['MEMMAP_SHARED'] }; // biome-ignore format: one idea
    const stdio = ['ignore', 'pipe', 'inherit', 'ipc', other];
    const options = share({ it: second }, { stdio, env });
    expect((options as { stdio: unknown[] }).stdio).toEqual([...stdio, second.fd]);
    expect(await found(options)).toEqual({ all: { it: 2 }, descriptors: 2 });
  });

  test('none', async () => {
    expect(await found(share({}, { silent: true }))).toEqual({ all: {}, descriptors: 0 });
  });
});

describe('a grandchild', () => {
  async function grandchild(how: string) {
    const { made } = memory();
    const options = share({ memory: made }, { silent: true, env: { ...process.env } });
    Object.assign(options.env, { SAVED: (options.env as NodeJS.ProcessEnv)['MEMMAP_SHARED'] });
    const outcome = await ended(fork(SHARING, ['onward', how], options));
    expect(outcome.how).toEqual(WELL);
    return outcome.stdout;
  }

  test.each(['nothing', 'a file', 'old variable', 'old variable and other memory', 'another name'])(
    'that was handed %s has no memory',
    async (how) => {
      expect(await grandchild(how)).toBe('ERR_INVALID_STATE\n');
    },
  );

  test('that was handed it has it', async () => {
    expect(JSON.parse(await grandchild('it'))).toEqual([0, SECRET, 0, 0]);
  });
});

test('inherited() again after unmap(), and in workers of the child', async () => {
  const { made, cells } = memory();
  const child = fork(SHARING, ['again', 'memory', '10'], share({ memory: made }));
  expect((await ended(child)).how).toEqual(WELL);
  for (const at of [10, 14, 18, 22]) expect(cells[at]).toBe(SECRET + at);
  expect(cells[0]).toBe(4);
});

test('in workers of a child whose main thread does not have the package', async () => {
  const { made, cells } = memory();
  const args = ['10', '11', '12', '13'];
  const child = fork(program('only-workers'), args, share({ memory: made }));
  expect((await ended(child)).how).toEqual(WELL);
  expect([...cells.subarray(10, 14)]).toEqual([1, 1, 1, 1]);
});
