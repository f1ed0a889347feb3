// The add-on in workers only, many at once, each in the midst of everything when it ends, by itself or not;
// and again after all have ended. The main thread has only memory that they posted, and loads the add-on last.
//
//   lifecycle-crowd COUNT ROUNDS PATH SEED        prints a line of JSON
//   lifecycle-crowd end HOW PATH SEED             the process ends by HOW meanwhile, with three workers
//
//   (node --expose-gc --no-warnings)
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { ENDINGS } from '../support/endings.js';
import { gc } from '../support/gc.js';
import { random } from '../support/orders.js';
import { until } from '../support/until.js';
import type { Task } from './lifecycle-worker.js';

const [count = '', rounds = '', path = '', seed = ''] = process.argv.slice(2);
const WORKER = fileURLToPath(new URL('lifecycle-worker.js', import.meta.url));
const CODES = { stay: 1, exit: 5, throw: 1, over: 0, nest: 5 };
const ENDS = Object.keys(CODES) as Task['end'][];
const chance = random(Number(seed));
const wrong: string[] = [];
/** Words of memory whose maker has gone. */
let orphans = 0;

async function one(index: number): Promise<void> {
  const end = ENDS[index % ENDS.length] ?? 'stay';
  const task: Task = { what: 'all', place: `${path}.${index}`, end, after: chance() * 20 };
  const worker = new Worker(WORKER, { workerData: task });
  const ended = new Promise<number>((resolve) => worker.once('exit', resolve));
  worker.on('error', (error) => {
    if (error.message !== 'on purpose') wrong.push(error.message);
  });
  const memory = await Promise.race([
    new Promise<SharedArrayBuffer>((resolve) => worker.once('message', resolve)),
    ended.then(() => undefined),
  ]);
  if (end === 'stay') setTimeout(() => worker.terminate(), task.after);
  const code = await ended;
  if (memory === undefined || code !== CODES[end]) wrong.push(`${end}: ${code}`);
  // The thread that mapped it has gone: touched all the same, by one that never had the add-on.
  const words = new Int32Array(memory ?? new SharedArrayBuffer(64));
  for (let i = 0; i < words.length; i++) words[i]!++;
  orphans += words.length;
}

interface Seen {
  regions: number;
}
async function look(): Promise<Seen> {
  const task: Task = { what: 'look', place: '', end: 'stay', after: 0 };
  const worker = new Worker(WORKER, { workerData: task });
  const [seen] = await Promise.all([
    new Promise<Seen>((resolve) => worker.once('message', resolve)),
    new Promise((resolve) => worker.once('exit', resolve)),
  ]);
  return seen;
}

/** When what was posted here has been collected. */
async function rested(): Promise<Seen> {
  let seen: Seen | undefined;
  const looks = async (): Promise<boolean> => {
    gc();
    seen = await look();
    return seen.regions === 0;
  };
  await until('the memory of those that have gone', looks).catch(() => {});
  return seen ?? look();
}

/** The workers are in the midst of everything when the process ends; or end by themselves, and it with them. */
async function end(how: string, at: string): Promise<void> {
  const after = chance() * 15;
  const task = { what: 'all', end: how === 'over' ? 'over' : 'stay', after } as const;
  const workers = ['a', 'b', 'c'].map((name) => {
    const place = `${at}.${name}`;
    return new Worker(WORKER, { workerData: { ...task, place } satisfies Task });
  });
  await Promise.all(
    workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))),
  );
  console.log('there');
  if (how !== 'over') setTimeout(() => ENDINGS[how]?.(), after);
  process.once('exit', (code) => {
    if (code === 0) console.log('over');
  });
}

const crowd = () => Promise.all(Array.from({ length: Number(count) }, (_, i) => one(i)));
async function crowds(): Promise<void> {
  await crowd();
  const before = await rested();
  for (let round = 0; round < Number(rounds); round++) await crowd();
  const after = await rested();
  const { survivesCut } = await import('../support/survives.js');
  console.log(JSON.stringify({ before, after, wrong, orphans, survived: survivesCut(path) }));
}

await (count === 'end' ? end(rounds, path) : crowds());
