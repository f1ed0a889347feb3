// A pool of processes that compares queries with every row of a matrix. The workers have the matrix as
// shared memory that is sealed against writing, and return their results, a long row of numbers for each
// query, through a channel. Then the same pool over process.send: the matrix is sent to each worker, and
// the results are messages. Prints what each takes, from when its workers are there to the last result.
//
//   node out/examples/pool.js [ROWS COLUMNS QUERIES WORKERS]

import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { SharedMemory, share } from 'memmap';
import { Channel } from 'memmap/channel';
import type { Work } from './pool-worker.js';

const given = process.argv.slice(2).map(Number);
const [rows = 50_000, columns = 16, queries = 200, workers = 2] = given;
const ROUNDS = 2;
const QUERIES_A_TASK = 4;
const header = 8; // bytes

const matrix = SharedMemory.create(rows * columns * Float32Array.BYTES_PER_ELEMENT);
const numbers = matrix.view(Float32Array);
for (let i = 0, x = 1; i < numbers.length; i++) {
  x = Math.imul(x, 1_664_525) + 1_013_904_223;
  numbers[i] = (x >> 8) / 2 ** 24;
}
matrix.seal('write'); // nobody else can map it for writing, or get write access from a descriptor

const program = fileURLToPath(new URL('./pool-worker.js', import.meta.url));

/** Workers that are given a task each time they have done one: the same in both pools. */
class Pool {
  readonly results = new Float32Array(rows * queries);
  readonly children: ChildProcess[];
  #begun = 0;
  #left = queries;

  constructor(how: Work['how'], options: ForkOptions) {
    this.children = Array.from({ length: workers }, (_, worker) => {
      const work: Work = { how, worker, rows, columns, header };
      const child = fork(program, [JSON.stringify(work)], options);
      child.once('exit', (code) => {
        if (code !== 0) throw new Error(`a worker ended with ${code}`);
      });
      return child;
    });
  }

  async ready(): Promise<void> {
    await Promise.all(this.children.map((child) => once(child, 'message')));
  }

  start(): void {
    // One more than it works at, so that it does not wait for the next.
    for (const child of [...this.children, ...this.children]) this.#give(child);
  }

  #give(child: ChildProcess): void {
    if (this.#begun >= queries) return;
    child.send({ from: this.#begun, to: Math.min(this.#begun + QUERIES_A_TASK, queries) });
    this.#begun += QUERIES_A_TASK;
  }

  /** One result: numbers, after the number of its query and that of the worker. */
  take({ buffer, byteOffset }: Uint8Array | Float32Array): void {
    const [query = 0, worker = 0] = new Uint32Array(buffer, byteOffset, 2);
    this.results.set(new Float32Array(buffer, byteOffset + header, rows), query * rows);
    this.#left--;
    const isTaskDone = query % QUERIES_A_TASK === QUERIES_A_TASK - 1;
    if (isTaskDone) this.#give(this.children[worker]!);
  }

  get isDone(): boolean {
    return this.#left === 0;
  }

  async end(): Promise<void> {
    for (const child of this.children) child.disconnect();
    await Promise.all(this.children.map((child) => once(child, 'exit')));
  }
}

interface Run {
  milliseconds: number;
  results: Float32Array;
}

async function throughChannel(): Promise<Run> {
  const channel = Channel.create({
    capacity: 8 * (header + 4 * rows),
    producers: workers,
  });
  const pool = new Pool('channel', share({ matrix, results: channel.memory }));
  const receiver = channel.receiver();
  await pool.ready();
  const began = performance.now();
  pool.start();
  while (!pool.isDone) {
    // Waits for one, and takes what has come with it where it lies.
    const message = await receiver.receive();
    if (message !== undefined) pool.take(message);
    receiver.drain((more) => pool.take(more));
  }
  const milliseconds = performance.now() - began;
  await pool.end();
  channel.memory.unmap();
  return { milliseconds, results: pool.results };
}

async function throughMessages(): Promise<Run> {
  const pool = new Pool('messages', { serialization: 'advanced' });
  await pool.ready();
  const began = performance.now();
  const done = new Promise<void>((resolve) => {
    for (const child of pool.children) {
      child.send(numbers);
      child.on('message', (message) => {
        pool.take(message as unknown as Float32Array);
        if (pool.isDone) resolve();
      });
    }
  });
  pool.start();
  await done;
  const milliseconds = performance.now() - began;
  await pool.end();
  return { milliseconds, results: pool.results };
}

const best = { channel: Number.POSITIVE_INFINITY, messages: Number.POSITIVE_INFINITY };
for (let round = 0; round < ROUNDS; round++) {
  const [messages, channel] = [await throughMessages(), await throughChannel()];
  best.messages = Math.min(best.messages, messages.milliseconds);
  best.channel = Math.min(best.channel, channel.milliseconds);
  if (Buffer.compare(Buffer.from(messages.results.buffer), Buffer.from(channel.results.buffer))) {
    throw new Error('the results differ');
  }
}

const MB = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
console.log(
  `${queries} queries, ${rows} rows of ${columns} numbers: a matrix of ${MB(matrix.length)}, results of ${MB(4 * rows * queries)}`,
);
console.log(`Through process.send: ${best.messages.toFixed(0)} ms`);
console.log(`Through the channel: ${best.channel.toFixed(0)} ms`);
console.log(`Ratio: ${(best.messages / best.channel).toFixed(2)}`);
console.log('The results are equal.');
matrix.unmap();
