// A worker whose source stands in the test, with the package in it.

import { Worker } from 'node:worker_threads';

// From test/support and from out/test/support alike.
const root = import.meta.url.includes('/out/test/') ? '../../..' : '../..';
const lib = (name: string): string => new URL(`${root}/lib/${name}.js`, import.meta.url).href;

const HEAD = `
  import { parentPort, workerData } from 'node:worker_threads';
  const { data, main, sync, posix } = workerData;
  const { anonymous, map, Mapping, SharedMemory, stats } = await import(main);
  const { wait, waitAsync, notify, Mutex } = await import(sync);
  const post = (message) => parentPort.postMessage(message);
  /** Of an error what crosses threads. */
  const told = async (call) => {
    try {
      return await call();
    } catch (error) {
      return { code: error.code };
    }
  };
`;

/** Runs a module: with `data`, the package's functions, `post()` and `told()`. */
export class TestWorker {
  /** Its exit code; an uncaught error of it is this promise's, and that of whoever waits for a message. */
  readonly ended: Promise<number>;
  readonly worker: Worker;
  readonly #messages: unknown[] = [];
  #wanted: ((message: unknown) => void) | undefined;

  constructor(body: string, data?: unknown) {
    const url = new URL(`data:text/javascript,${encodeURIComponent(HEAD + body)}`);
    const workerData = { data, main: lib('index'), sync: lib('sync'), posix: lib('posix') };
    this.worker = new Worker(url, { workerData });
    this.worker.on('message', (message: unknown) => {
      if (this.#wanted === undefined) this.#messages.push(message);
      else this.#wanted(message);
      this.#wanted = undefined;
    });
    this.ended = new Promise((resolve, reject) => {
      this.worker.once('error', reject).once('exit', resolve);
    });
    this.ended.catch(() => {}); // told to those who wait
  }

  /** Its next message. */
  next<T>(): Promise<T> {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift() as T);
    return new Promise((resolve, reject) => {
      this.#wanted = resolve as (message: unknown) => void;
      this.ended.then(
        (code) => reject(new Error(`the worker ended with ${code}, and said nothing`)),
        reject,
      );
    });
  }

  send(message: unknown): void {
    this.worker.postMessage(message);
  }

  terminate(): Promise<number> {
    return this.worker.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminate();
  }
}
