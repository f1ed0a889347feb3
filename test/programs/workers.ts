// The add-on in many threads.
//
//   workers together COUNT DIR    all at once: each maps, writes, flushes
//   workers alone PATH            in a worker only, which ends; then a second one survives a fault
//   workers busy ROUNDS DIR       each is terminated while a flush and a read into its mapping are pending
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

const [scenario = '', first = '', dir = ''] = process.argv.slice(2);
const entry = import.meta.resolve('memmap');

const BODY: Record<string, string> = {
  together: `
    const m = map(path, { access: 'write', create: true, length: 65536 });
    m.bytes.fill(round + 1);
    await m.flush();
    m.flushSync(0, 4096);
    if (m.bytes[65535] !== round + 1) throw new Error('not what was written');
    m.unmap();`,
  alone: `
    const m = map(path);
    const bytes = m.bytes;
    truncateSync(path, 0);
    if (bytes[5000] !== 0 || m.faults.length !== 1) throw new Error('no fault');
    truncateSync(path, 8192);`,
  busy: `
    const m = map(path, { access: 'write', create: true, length: 4 << 20 });
    m.bytes.fill(round);
    m.flush().catch(() => {});
    m.prefetch().catch(() => {});
    const fd = openSync('/dev/zero', 'r');
    read(fd, m.bytes, 0, 4 << 20, null, () => {});
    parentPort.postMessage('busy');`,
};

function worker(round: number, path: string): Worker {
  const source = `
    import { openSync, read, truncateSync } from 'node:fs';
    import { parentPort, workerData } from 'node:worker_threads';
    const { round, path } = workerData;
    const { map } = await import(workerData.entry);
    ${BODY[scenario]}`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  return new Worker(url, { workerData: { entry, round, path } });
}

const ended = (one: Worker) =>
  new Promise<void>((resolve, reject) => {
    one.once('error', reject).once('exit', () => resolve());
  });

if (scenario === 'together') {
  mkdirSync(dir, { recursive: true });
  const all = Array.from({ length: Number(first) }, (_, i) => worker(i, join(dir, `${i}`)));
  await Promise.all(all.map(ended));
} else if (scenario === 'alone') {
  writeFileSync(first, Buffer.alloc(8192, 1));
  process.on('warning', () => {});
  await ended(worker(0, first));
  await ended(worker(1, first));
} else {
  mkdirSync(dir, { recursive: true });
  for (let round = 0; round < Number(first); round++) {
    const one = worker(round, join(dir, 'busy'));
    await new Promise((resolve) => one.once('message', resolve));
    await one.terminate();
  }
}
console.log('well');
// The add-on's handler outlives the workers: a signal that is sent ends the process as it always would.
if (scenario === 'alone') process.kill(process.pid, 'SIGBUS');
