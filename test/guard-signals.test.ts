// Signals that are not the guard's go where they went before it; those that are stay its own, whatever
// process.on() does. And the guard turned off.

import { describe, expect, onTestFinished, test } from 'vitest';
import { program, run, start } from './support/program.js';
import { tempDir } from './support/temp.js';

const quiet = ['--no-warnings'];
// In a run under AddressSanitizer these signals are the system's all the same, and not its own.
const env = {
  ASAN_OPTIONS: `${process.env['ASAN_OPTIONS'] ?? ''}:handle_segv=0:handle_sigbus=0`,
};

async function steps(...list: string[]) {
  const cwd = tempDir();
  return run(program('guard-signals'), [JSON.stringify(list)], { cwd, node: quiet, env });
}

async function lives(...list: string[]): Promise<{ did: unknown[]; heard: object }> {
  const { code, signal, stdout, stderr } = await steps(...list);
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  return JSON.parse(stdout) as { did: unknown[]; heard: object };
}

const trapped = 'trapped,trapped,trapped 0';

describe('a fault that is none of ours ends the process as it does without us', () => {
  describe.each([
    ['without a mapping', []],
    ['with the guard at work', ['map', 'truncated', 'written']],
    [
      'after a listener has come and gone',
      ['map', 'on SIGBUS', 'off SIGBUS', 'on SIGSEGV', 'off SIGSEGV'],
    ],
  ])('%s', (_, before) => {
    test.each(['SIGBUS', 'SIGSEGV'] as const)('%s sent by another process', async (signal) => {
      const args = [JSON.stringify([...before, 'wait'])];
      const child = start(program('guard-signals'), args, { cwd: tempDir(), node: quiet, env });
      onTestFinished(() => child[Symbol.asyncDispose]());
      await child.line(/^waiting$/);
      expect(await child.kill(signal)).toMatchObject({ code: null, signal, stderr: '' });
    });

    test.each(['SIGBUS', 'SIGSEGV'])('%s sent to itself', async (signal) => {
      expect(await steps(...before, `send ${signal}`)).toMatchObject({
        code: null,
        signal,
        stdout: '',
      });
    });

    test('code of a library whose file was cut: SIGBUS', async () => {
      const ended = await steps(...before, 'library SIGBUS');
      expect(ended).toMatchObject({ code: null, signal: 'SIGBUS', stdout: '' });
    });

    test.skipIf(process.arch !== 'x64')('code that reads address 0: SIGSEGV', async () => {
      const ended = await steps(...before, 'library SIGSEGV');
      expect(ended).toMatchObject({ code: null, signal: 'SIGSEGV', stdout: '' });
    });
  });

  test.each([[[]], [['map', 'truncated']]])(
    'a stack that runs over, after %j: SIGSEGV',
    async (before) => {
      const args = [JSON.stringify([...before, 'overflow'])];
      const options = { cwd: tempDir(), node: [...quiet, '--stack-size=1000000'], env };
      const ended = await run(program('guard-signals'), args, options);
      expect(ended).toMatchObject({ code: null, signal: 'SIGSEGV', stdout: '' });
    },
  );
});

describe('WebAssembly traps throw', () => {
  test.each([
    [['trap']],
    [['map', 'trap']],
    [['trap', 'map', 'trap', 'truncated', 'trap', 'written', 'trap']],
    [['map', 'on SIGBUS', 'trap', 'truncated', 'trap', 'off SIGBUS', 'trap']],
    [['map', 'on SIGSEGV', 'off SIGSEGV', 'trap', 'written', 'trap']],
  ])('%j', async (list) => {
    const { did } = await lives(...list);
    const traps = did.filter((_, i) => list[i] === 'trap');
    expect(traps).toEqual(traps.map(() => trapped));
    expect(traps.length).toBeGreaterThan(0);
  });
});

describe('listeners', () => {
  const survived = ['truncated', 'written'];

  test.each([
    [['on SIGBUS', 'map', ...survived]],
    [['on SIGBUS', 'off SIGBUS', 'map', ...survived]],
    [['on SIGBUS', 'map', 'off SIGBUS', ...survived]],
    [['map', 'on SIGBUS', ...survived]],
    [['map', 'on SIGBUS', 'off SIGBUS', ...survived]],
    [['map', 'on SIGBUS', 'off SIGBUS', 'on SIGBUS', ...survived, 'off SIGBUS', ...survived]],
    [['on SIGSEGV', 'map', ...survived]],
    [['on SIGSEGV', 'map', 'off SIGSEGV', ...survived]],
    [['map', 'on SIGSEGV', ...survived]],
    [['map', 'on SIGSEGV', 'off SIGSEGV', ...survived]],
    [['on SIGBUS', 'on SIGSEGV', 'map', ...survived, 'off SIGBUS', 'off SIGSEGV', ...survived]],
  ])('%j: the guard survives its own, and they hear nothing of it', async (list) => {
    const { did, heard } = await lives(...list);
    expect(did.filter((_, i) => list[i] === 'truncated')).toEqual(
      list.filter((step) => step === 'truncated').map(() => 0),
    );
    expect(did.filter((_, i) => list[i] === 'written')).toEqual(
      list.filter((step) => step === 'written').map(() => 1),
    );
    expect(heard).toEqual({ SIGBUS: 0, SIGSEGV: 0 });
  });

  test.each(['SIGBUS', 'SIGSEGV'])(
    '%s that is sent reaches them, however often',
    async (signal) => {
      for (const list of [
        [`on ${signal}`, 'map', `send ${signal}`, ...survived, `send ${signal}`],
        ['map', `on ${signal}`, `send ${signal}`, ...survived, `send ${signal}`],
        [
          'map',
          `on ${signal}`,
          `off ${signal}`,
          `on ${signal}`,
          `send ${signal}`,
          `send ${signal}`,
        ],
      ]) {
        const { heard } = await lives(...list);
        expect(heard).toEqual({ SIGBUS: 0, SIGSEGV: 0, [signal]: 2 });
      }
      // And when they have gone it is deadly again.
      const ended = await steps(
        `on ${signal}`,
        'map',
        `send ${signal}`,
        `off ${signal}`,
        `send ${signal}`,
      );
      expect(ended).toMatchObject({ code: null, signal, stdout: '' });
    },
  );
});

describe('handlers of others', () => {
  test.each(['SIGBUS', 'SIGSEGV'])('%s: taken away and put back by signal(2)', async (signal) => {
    const { did } = await lives('map', `roundTrip ${signal}`, 'truncated', 'written');
    expect(did.slice(2)).toEqual([0, 1]);
    // With a listener as well: libuv's handler is known to the guard, and its own is not another's.
    const again = ['map', `roundTrip ${signal}`, `on ${signal}`, 'truncated', `send ${signal}`];
    expect((await lives(...again)).did.slice(3)).toEqual([0, 1]);
  });

  test.each(['SIGBUS', 'SIGSEGV'])(
    '%s: one before the guard that gives up when it is called, as the library of Rust has it',
    async (signal) => {
      const before = [`surrender ${signal}`, 'map', `kill ${signal}`];
      const { did } = await lives(...before, 'truncated', 'written');
      expect(did.slice(3)).toEqual([0, 1]);
      // It has done its work: the next one is deadly, and a fault of others' memory is at once.
      expect(await steps(...before, `kill ${signal}`)).toMatchObject({ code: null, signal });
      expect(await steps(`surrender SIGBUS`, 'map', 'library SIGBUS')).toMatchObject({
        code: null,
        signal: 'SIGBUS',
      });
    },
  );
});

describe('setGuard()', () => {
  const off = (what: string) =>
    run(program('guard-off'), [what], { cwd: tempDir(), node: quiet, env });

  test.each([
    ['truncated', 'SIGBUS'],
    ['listened', 'SIGBUS'],
    ['written', 'SIGSEGV'],
  ])('off: what is %s ends the process with %s', async (what, signal) => {
    expect(await off(what)).toMatchObject({ code: null, signal, stdout: '', stderr: '' });
  });

  test.each([
    ['retired', [0, 7, 7, 0]],
    ['again', 0],
    ['late', ['set', 'ERR_INVALID_STATE', 'set']],
    ['lateOff', ['set', 'ERR_INVALID_STATE', 'set']],
    ['failed', ['set', 'set']],
    ['worker', ['ERR_INVALID_STATE', 'set']],
  ])('%s', async (what, result) => {
    const { code, signal, stdout, stderr } = await off(what);
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(result);
  });
});
