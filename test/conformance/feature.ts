// What the conformance collection is made of: features, each a plain function that throws when the runtime
// or the machine does not behave. No test framework: every runtime runs this with nothing else.
//
// A feature runs alone in a process, in an empty directory of its own. What it starts are `roles`: further
// processes and workers of the same program and the same runtime.

import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Options, type Program, start } from '../support/program.js';

export type Features = Record<string, () => unknown>;
export type Roles = Record<string, (...args: string[]) => unknown>;

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

/** A process of this runtime that plays a role. */
export function child(role: string, args: readonly string[] = [], options: Options = {}): Program {
  return start(MAIN, ['role', role, ...args], { node: process.execArgv, ...options });
}

/** What `share()` adds, for `child()`: there descriptors begin at 3. */
export function handed(shared: { stdio: unknown[]; env: NodeJS.ProcessEnv }): Options {
  return {
    fds: shared.stdio.slice(3) as number[],
    env: { MEMMAP_SHARED: shared.env['MEMMAP_SHARED'] },
  };
}

/** Memory goes to workers by its descriptor where a runtime has no SharedArrayBuffer for it. */
export interface WorkerData {
  role: string;
  args: string[];
  shared?: SharedArrayBuffer;
}

export class RoleWorker {
  readonly worker: Worker;
  readonly ended: Promise<number>;
  readonly #said: unknown[] = [];
  #look = (): void => {};

  constructor(role: string, args: readonly (string | number)[] = [], shared?: SharedArrayBuffer) {
    const workerData: WorkerData = {
      role,
      args: args.map(String),
      ...(shared === undefined ? {} : { shared }),
    };
    this.worker = new Worker(new URL('./main.js', import.meta.url), { workerData });
    this.worker.on('message', (message) => {
      this.#said.push(message);
      this.#look();
    });
    this.ended = new Promise((resolve, reject) => {
      this.worker.once('error', reject).once('exit', resolve);
    });
    this.ended.catch(() => {}); // told to those who wait
  }

  /** Its next message; an error of it instead, if there is one. */
  next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#look = () => {
        if (this.#said.length > 0) resolve(this.#said.shift());
      };
      this.#look();
      this.ended.then(
        (code) => reject(new Error(`the worker ended with ${code} and said nothing`)),
        reject,
      );
    });
  }
}

/** In /dev/shm. What is left of one is removed by who runs the features, who knows the process. */
export const segmentName = (what: string): string => `memmap-conformance-${process.pid}-${what}`;

/** The code of the error that a call ends with. */
export async function codeOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return 'no error';
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
}
