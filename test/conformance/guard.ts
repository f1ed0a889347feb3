// The guard: touching what cannot be touched any more is recorded, and nothing else happens.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { anonymous, map, stats } from 'memmap';
import { PAGE_SIZE } from 'memmap/posix';
import { program, run } from '../support/program.js';
import { until } from '../support/until.js';
import { child, codeOf, type Features, type Roles, RoleWorker } from './feature.js';
import { pages } from './files.js';

const P = PAGE_SIZE;

function readCut(): unknown {
  const mapping = map(pages());
  const { bytes } = mapping;
  truncateSync('pages', P);
  const values = [bytes[0], bytes[P], bytes[4 * P - 1]];
  const kinds = [...new Set(mapping.faults.map(({ kind }) => kind))];
  mapping.unmap();
  return { values, kinds };
}
const CUT = { values: [1, 0, 0], kinds: ['truncated'] };

/** What the program did when it took those steps; or the signal that ended it. */
async function signals(...steps: string[]): Promise<unknown> {
  const ended = await run(program('guard-signals'), [JSON.stringify(steps)], {
    node: process.execArgv,
  });
  if (ended.code !== 0) return ended.signal ?? `code ${ended.code}: ${ended.stderr.slice(0, 200)}`;
  return (JSON.parse(ended.stdout) as { did: unknown[] }).did;
}
const TRAPPED = 'trapped,trapped,trapped 0';

export const features: Features = {
  'a file that is cut, read'() {
    assert.deepEqual(readCut(), CUT);
  },
  async 'a file that is cut, written: flush rejects, refresh heals'() {
    const mapping = map(pages(), { access: 'write' });
    const { bytes } = mapping;
    truncateSync('pages', P);
    bytes[3 * P] = 9;
    assert.equal(bytes[3 * P], 9);
    assert.equal(await codeOf(() => mapping.flush()), 'ERR_MAPPING_FAULT');
    truncateSync('pages', 4 * P);
    assert.equal(await codeOf(() => mapping.flushSync()), 'ERR_MAPPING_FAULT');
    mapping.refresh();
    assert.equal(bytes[3 * P], 0);
    bytes[3 * P] = 1;
    await mapping.flush();
    mapping.unmap();
  },
  'a write to pages that may only be read'() {
    const mapping = map(pages());
    const { bytes } = mapping;
    bytes[P] = 9;
    assert.equal(bytes[P], 9);
    assert.equal(map('pages').bytes[P], 2);
    assert.deepEqual(
      mapping.faults.map(({ kind }) => kind),
      ['read-only'],
    );
  },
  'a write to anonymous pages that may only be read'() {
    const mapping = anonymous(2 * P);
    const { bytes } = mapping;
    bytes.fill(5);
    mapping.protect('read');
    bytes[P] = 9;
    assert.deepEqual([bytes[P], bytes[P + 1], bytes[0]], [9, 5, 5]);
    assert.deepEqual(
      mapping.faults.map(({ kind }) => kind),
      ['read-only'],
    );
  },
  'a sharedBuffer after unmap'() {
    const mapping = map(pages(), { access: 'write' });
    const bytes = new Uint8Array(mapping.sharedBuffer);
    assert.equal(bytes[P], 2);
    mapping.unmap();
    assert.equal(bytes[P], 0);
    bytes[P] = 1;
  },
  'in a loop that has been compiled'() {
    const { bytes } = map(pages());
    const sum = () => {
      let all = 0;
      for (let i = 0; i < bytes.length; i++) all += bytes[i] as number;
      return all;
    };
    for (let i = 0; i < 2000; i++) assert.equal(sum(), 10 * P);
    truncateSync('pages', P);
    assert.equal(sum(), P);
  },
  async 'in a worker'() {
    const worker = new RoleWorker('guard/cut');
    assert.deepEqual(await worker.next(), CUT);
    assert.equal(await worker.ended, 0);
    assert(stats().faults > 0);
  },
  async 'a warning of the process'() {
    const warnings: string[] = [];
    process.on('warning', (warning) =>
      warnings.push((warning as NodeJS.ErrnoException).code ?? ''),
    );
    const mapping = map(pages());
    const { bytes } = mapping;
    truncateSync('pages', 0);
    assert.equal(bytes[0], 0);
    await until('the warning', () => warnings.length > 0);
    assert.deepEqual(warnings, ['MEMMAP_FAULT']);
  },
  async 'beside WebAssembly traps'() {
    const steps = ['trap', 'map', 'trap', 'truncated', 'trap', 'written', 'trap'];
    const did = await signals(...steps);
    assert.deepEqual(did, [TRAPPED, 'c'.charCodeAt(0), TRAPPED, 0, TRAPPED, 1, TRAPPED]);
  },
  async 'beside a listener for SIGBUS that comes and goes'() {
    const steps = ['map', 'on SIGBUS', 'truncated', 'off SIGBUS', 'truncated'];
    assert.deepEqual(await signals(...steps), [99, null, 0, null, 0]);
  },
  async 'a listener for SIGBUS hears what is sent'() {
    const listener = child('guard/listens');
    await listener.line(/^listens$/);
    process.kill(listener.pid, 'SIGBUS');
    assert.equal((await listener.ended).code, 9);
  },
  async 'a signal that is sent ends the process, or leaves the guard'() {
    for (const signal of ['SIGBUS', 'SIGSEGV']) {
      const ended = await child('guard/sent', [signal]).ended;
      assert.deepEqual([ended.signal, ended.code], [signal, null], ended.stderr);
    }
  },
  async 'a fault that is not ours ends the process as before'() {
    assert.equal(await signals('map', 'truncated', 'library SIGBUS'), 'SIGBUS');
  },
  async 'many workers at once, and the add-on in workers only'() {
    writeFileSync('shared', Buffer.alloc(P, 1));
    // This process has not loaded the add-on; the worker has, and is gone when the signal comes.
    const alone = child('only/inWorker');
    const { code, signal } = await alone.ended;
    assert.deepEqual({ code, signal }, { code: null, signal: 'SIGBUS' });
    const workers = Array.from({ length: 8 }, () => new RoleWorker('guard/adds', ['shared']));
    await Promise.all(workers.map((worker) => worker.next()));
  },
};

/** By another process: what a runtime does before it sends itself a signal is not looked at here. */
const send = (signal: string) => execFileSync('kill', [`-${signal.slice(3)}`, String(process.pid)]);

export const roles: Roles = {
  listens() {
    assert.deepEqual(readCut(), CUT);
    process.on('SIGBUS', () => process.exit(9));
    // The guard may take its place again after this turn.
    setTimeout(() => console.log('listens'), 1);
    setInterval(() => {}, 1 << 20);
  },
  /** Some runtimes survive the first one; the guard has to be there then, and the second one ends them. */
  sent(signal = '') {
    assert.deepEqual(readCut(), CUT);
    for (let times = 0; times < 2; times++) {
      send(signal);
      assert.deepEqual(readCut(), CUT);
    }
  },
  cut: () => parentPort?.postMessage(readCut()),
  adds(file = '') {
    const mapping = map(file, { access: 'write' });
    Atomics.add(mapping.view(Int32Array, 0, 1), 0, 1);
    mapping.unmap();
    parentPort?.postMessage('well');
  },
};
