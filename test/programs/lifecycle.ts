// Processes and workers that end in the midst of a call of the package.
//
//   lifecycle names                               prints the calls, as JSON
//   lifecycle end WHERE CALL HOW PATH SEED        in its midst, in the 'main' thread or a 'worker', the process
//                                                 ends by HOW, at some moment of the seed's
//   lifecycle workers CALL ROUNDS PATH SEED       workers in its midst end in every way; then nothing is left,
//                                                 and the guard works. Prints a line of JSON.
//
//   (with node --expose-gc --no-warnings)
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { stats } from 'memmap';
import { ENDINGS } from '../support/endings.js';
import { collected } from '../support/gc.js';
import { random } from '../support/orders.js';
import { BLOCKING, handed, Keeper, PENDING } from '../support/pending.js';
import { descriptors, steadyAreas, threads } from '../support/proc.js';
import { survivesCut } from '../support/survives.js';
import type { Task } from './lifecycle-worker.js';

const [what = '', ...rest] = process.argv.slice(2);
const WORKER = fileURLToPath(new URL('lifecycle-worker.js', import.meta.url));

/** One that says that it is there. */
async function worker(task: Task): Promise<{ worker: Worker; ended: Promise<number> }> {
  const made = new Worker(WORKER, { workerData: task });
  const ended = new Promise<number>((resolve) => made.once('exit', resolve));
  made.on('error', (error) => {
    if (error.message !== 'on purpose') throw error;
  });
  await Promise.race([
    new Promise((resolve) => made.once('message', resolve)),
    ended.then((code) => {
      throw new Error(`it ended with ${code} before it was there`);
    }),
  ]);
  return { worker: made, ended };
}

const HOW: Record<string, (keeper: Keeper) => void> = {
  over: (keeper) => keeper.letGo(),
  ...ENDINGS,
};

async function end([where = '', call = '', how = '', path = '', seed = '']: string[]) {
  const keeper = new Keeper(path);
  const after = random(Number(seed))() * 12;
  if (call === 'Receiver.drain') keeper.say();
  if (where === 'main') {
    console.log('there');
    // Nothing here runs once the thread is blocked: then it is the parent that ends the process.
    if (call in PENDING) setTimeout(() => HOW[how]?.(keeper), after);
    await (PENDING[call] ?? BLOCKING[call])?.(keeper.place);
    console.log('over');
    return;
  }
  const { ended } = await worker({
    what: call,
    place: handed(keeper.place),
    end: 'stay',
    after: 0,
  });
  console.log('there');
  setTimeout(() => HOW[how]?.(keeper), after);
  ended.then(() => console.log('over'));
}

/** The codes of the workers' ends. */
const CODES = { stay: 1, exit: 5, throw: 1, over: 0 };
type End = keyof typeof CODES;

async function workers([call = '', rounds = '', path = '', seed = '']: string[]) {
  const chance = random(Number(seed));
  const ways: End[] = call in BLOCKING ? ['stay', 'over'] : ['stay', 'exit', 'throw', 'over'];
  const wrong: string[] = [];
  const round = async (end: End): Promise<void> => {
    const keeper = new Keeper(path);
    if (call === 'Receiver.drain') keeper.say();
    const after = chance() * 8;
    const { worker: one, ended } = await worker({ what: call, place: handed(keeper.place), end, after }); // biome-ignore format: one line
    if (chance() < 0.5) await pause(after);
    else for (let turns = 4 * after; turns > 0; turns--) await turn();
    if (end === 'stay') await one.terminate();
    if (end === 'over') keeper.letGo();
    const code = await ended;
    if (code !== CODES[end]) wrong.push(`${end}: ${code}`);
    keeper.close();
  };
  const all = async (count: number): Promise<object> => {
    for (let i = 0; i < count; i++) await round(ways[i % ways.length] ?? 'stay');
    await collected('what the workers had', () => stats().regions === 0).catch(() => {});
    return { ...stats(), faults: 0, open: descriptors().size };
  };
  // The runtime makes some things at first use.
  const before = await all(4);
  const areas = steadyAreas();
  const after = await all(Number(rounds));
  const moreAreas = steadyAreas() - areas;
  const waiters = threads('memmap-wait');
  console.log(JSON.stringify({ before, after, moreAreas, wrong, waiters, survived: survivesCut(`${path}.cut`) })); // biome-ignore format: one line
}

if (what === 'names') {
  console.log(JSON.stringify({ pending: Object.keys(PENDING), blocking: Object.keys(BLOCKING) }));
} else if (what === 'end') await end(rest);
else await workers(rest);
