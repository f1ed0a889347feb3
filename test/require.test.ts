// The package in node_modules, as CommonJS has it: require() of it, and of each of its parts.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { copyPackage } from './support/package-copy.js';
import { type Options, type Result, run } from './support/program.js';
import { tempDir } from './support/temp.js';

const PARTS = ['memmap', 'memmap/posix', 'memmap/sync', 'memmap/channel'];
let project: string;

beforeEach(() => {
  project = tempDir();
  copyPackage(join(project, 'node_modules/memmap'));
});

/** Runs a program there, without a look at NODE_OPTIONS, which might hide a warning or be one's cause. */
function runThere(name: string, text: string, options: Options = {}): Promise<Result> {
  writeFileSync(join(project, name), text);
  const env = { NODE_OPTIONS: undefined, NODE_NO_WARNINGS: undefined, ...options.env };
  return run(process.execPath, [name], { cwd: project, ...options, env });
}

/** What a program prints that does well: nothing else, and no warning. */
async function printed(name: string, text: string, options?: Options): Promise<string> {
  const { stdout, ...ended } = await runThere(name, text, options);
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  return stdout;
}

test('what it exports can be taken apart, and works', async () => {
  const program = `
    const { map } = require('memmap');
    const { mmap, munmap, MAP, PAGE_SIZE, PROT } = require('memmap/posix');
    const { Mutex, notify } = require('memmap/sync');
    const { Channel } = require('memmap/channel');
    using_(map(__filename), (mapping) => console.log(mapping.bytes.toString('latin1', 5, 10)));
    const buffer = mmap(PAGE_SIZE, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS);
    console.log(buffer.byteLength === PAGE_SIZE, notify(new Int32Array(buffer), 0));
    munmap(buffer);
    const channel = Channel.create({ capacity: 4096 });
    channel.sender().trySend(Buffer.from('message'));
    console.log(String(channel.receiver().tryReceive()), typeof Mutex);
    function using_(mapping, use) {
      use(mapping);
      mapping.unmap();
    }`;
  expect(await printed('works.cjs', program)).toBe('const\ntrue 0\nmessage function\n');
});

test.each([
  ['import() first', 'await import(part), require(part)'],
  ['require() first', 'require(part), await import(part)'],
])('%s: the same classes, and the same state', async (_, both) => {
  const program = `
    (async () => {
      for (const part of ${JSON.stringify(PARTS)}) {
        const [one, other] = [${both}];
        const names = Object.keys(one);
        const same = names.every((name) => one[name] === other[name]);
        console.log(part, names.length > 0 && same && names.join() === Object.keys(other).join());
      }
      const mapping = require('memmap').anonymous(1);
      const { Mapping, stats } = await import('memmap');
      console.log(mapping instanceof Mapping, stats().regions);
    })();`;
  const same = PARTS.map((part) => `${part} true\n`).join('');
  expect(await printed('same.cjs', program)).toBe(`${same}true 1\n`);
});

test('in a worker, as the main thread has it', async () => {
  const program = `
    const { isMainThread, parentPort, Worker, workerData } = require('node:worker_threads');
    const { anonymous, Mapping } = require('memmap');
    if (isMainThread) {
      const mapping = anonymous(4096);
      new Worker(__filename, { workerData: mapping.sharedBuffer }).once('message', () =>
        console.log(mapping.bytes[7]),
      );
    } else {
      Mapping.from(workerData).bytes[7] = 42;
      parentPort.postMessage('done');
    }`;
  expect(await printed('worker.cjs', program)).toBe('42\n');
});

test('an add-on that cannot be loaded is the error of require(), each time', async () => {
  const program = `
    for (const part of ${JSON.stringify([...PARTS, 'memmap'])}) {
      try {
        require(part);
      } catch ({ code, message }) {
        console.log(code, message.includes(process.env.MEMMAP_PREBUILD));
      }
    }`;
  const env = { MEMMAP_PREBUILD: tempDir() };
  const stdout = await printed('missing.cjs', program, { env });
  expect(stdout).toBe('ERR_FEATURE_UNAVAILABLE true\n'.repeat(5));
});

test('to be found by those who look for its version', async () => {
  const program = "console.log(require('memmap/package.json').name, require.resolve('memmap'));";
  const found = join(project, 'node_modules/memmap/lib/index.js');
  expect(await printed('version.cjs', program)).toBe(`memmap ${found}\n`);
});
