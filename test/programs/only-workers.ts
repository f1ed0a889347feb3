// A process that has the package in workers only, one after the other, which all ask for what the
// process was handed.
//
//   only-workers CELL...       each worker adds 1 to its cell; the environment of every other is shared
import { once } from 'node:events';
import { SHARE_ENV, Worker } from 'node:worker_threads';

for (const [i, cell] of process.argv.slice(2).entries()) {
  const source = `
    const { inherited } = await import(${JSON.stringify(import.meta.resolve('memmap'))});
    Atomics.add(inherited('memory').view(Int32Array), ${cell}, 1);`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  const [code] = await once(new Worker(url, i % 2 === 0 ? { env: SHARE_ENV } : {}), 'exit');
  if (code !== 0) throw new Error(`worker ${i} ended with ${code}`);
}
