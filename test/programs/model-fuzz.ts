// Random sequences of every public call, compared with a plain model: after each call what it returned or how it
// failed, at random moments all bytes, in the end what is left.
//
//   model-fuzz CALLS SEED [DIRECTORY]     node --expose-gc --no-warnings; DIRECTORY: for its files
//
// scripts/attack/fuzz.mjs starts it, and hands over memory for `inherited()`. Prints a line of JSON last; on a
// difference the seed, the step, the last calls, what was expected and what came.

import { mkdtempSync, readdirSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { stats } from 'memmap';
import { collected, minorGc } from '../support/gc.js';
import { P } from './model-fuzz/memory.js';
import { ChannelModel } from './model-fuzz/operations-channel.js';
import * as files from './model-fuzz/operations-map.js';
import * as mappings from './model-fuzz/operations-mapping.js';
import * as pages from './model-fuzz/operations-pages.js';
import * as raws from './model-fuzz/operations-posix.js';
import * as memory from './model-fuzz/operations-shared.js';
import { Locks, waits } from './model-fuzz/operations-sync.js';
import { type Mapped, type Raw, State } from './model-fuzz/state.js';
import { publicNames } from './model-fuzz/surface.js';
import { World } from './model-fuzz/world.js';
import { wrongCall, wrongMake } from './model-fuzz/wrong.js';

export interface Report {
  calls: number;
  steps: number;
  faults: number;
  looks: number;
  /** By name: how often with success, and with an error. */
  counts: Record<string, [number, number]>;
  /** Public names that were never called. */
  never: string[];
  left: object;
}

const [amount = '20000', given = '1', at = '/dev/shm'] = process.argv.slice(2);
const CALLS = Number(amount);
const seed = Number(given);
const MOST = { files: 7, mapped: 14, raw: 8 };

const world = new World(seed);
const { draw } = world;
const directory = mkdtempSync(`${at === 'disk' ? tmpdir() : at}/memmap-model-`);
const state = new State(world, directory);
let looks = 0;

process.on('exit', () => {
  rmSync(directory, { recursive: true, force: true });
  for (const name of readdirSync('/dev/shm')) {
    if (name.startsWith(raws.PREFIX)) unlinkSync(`/dev/shm/${name}`);
  }
});

const handed = memory.findHanded(state);
const lockFile = state.addFile(4 * P);
const locks = new Locks(state, lockFile);
let channel: ChannelModel | undefined;

type Step = () => unknown;
const onMapped = (act: (state: State, mapped: Mapped) => unknown) => () =>
  state.mapped.length === 0 ? undefined : act(state, draw.of(state.mapped));
const onRaw = (act: (state: State, raw: Raw) => unknown) => () =>
  state.raw.length === 0 ? undefined : act(state, draw.of(state.raw));
const onState = (act: (state: State) => unknown) => () => act(state);

function dropFile(): void {
  const used = (file: (typeof state.files)[number]) =>
    file === handed ||
    file === lockFile ||
    file.model.regions.size > 0 ||
    state.mapped.some(({ core }) => core.open === file);
  const free = state.files.filter((file) => !used(file));
  if (free.length > 0) state.dropFile(draw.of(free));
}
const newFile = (): void => {
  state.addFile(files.bytes(state, 10 * P));
};

/** How often each is chosen, of all. */
const steps: [number, Step][] = [
  [10, onState(files.mapFile)],
  [2, onState(files.mapMissing)],
  [4, onState(files.mapAnonymous)],
  [3, onMapped(files.unmap)],
  [1, onMapped(files.disposeAsync)],
  [14, onMapped(mappings.buffer)],
  [2, onMapped(mappings.transfer)],
  [12, onMapped(mappings.view)],
  [3, onMapped(mappings.windows)],
  [4, onMapped(mappings.sharedBuffer)],
  [3, onMapped(mappings.from)],
  [40, onMapped((s, { core }) => mappings.touch(s, core.windows))],
  [10, onRaw((s, { windows }) => mappings.touch(s, windows))],
  [2, onState((s) => mappings.touch(s, s.stray))],
  [8, onMapped(mappings.flush)],
  [4, onMapped(mappings.prefetch)],
  [10, onMapped(mappings.resize)],
  [10, onMapped(mappings.slide)],
  [10, onMapped(mappings.refresh)],
  [1, onState(mappings.setGuard)],
  [8, onMapped(pages.advise)],
  [8, onMapped(pages.protect)],
  [4, onMapped(pages.lock)],
  [4, onMapped(pages.unlock)],
  [4, onMapped(pages.residency)],
  [1, onMapped(pages.usage)],
  [8, onState(raws.mmap)],
  [2, onRaw(raws.munmap)],
  [1, onMapped(raws.munmapMapping)],
  [20, onState(raws.onPages)],
  [4, onRaw(raws.mremap)],
  [8, onState(raws.truncate)],
  [2, onState(raws.memfd)],
  [2, onState(raws.seals)],
  [1, onState(raws.shm)],
  [1, onState(raws.shmUnlink)],
  [1, onState(raws.constantsAgree)],
  [2, onState(memory.create)],
  [2, () => memory.inherit(state, handed)],
  [3, onState(memory.adopt)],
  [2, onState(memory.named)],
  [3, onState(memory.openNamed)],
  [6, onMapped(memory.seal)],
  [4, onMapped(memory.share)],
  [6, onMapped((_, mapped) => locks.open(mapped))],
  [16, () => locks.use()],
  [8, onMapped(waits)],
  [40, () => channel?.run()],
  [130, onState(wrongCall)],
  [1, onState(wrongMake)],
  [2, newFile],
  [3, dropFile],
  [6, onMapped((s, mapped) => s.lookAtMapping(mapped))],
];
const total = steps.reduce((sum, [weight]) => sum + weight, 0);

function choose(): Step {
  let place = draw.below(total);
  for (const [weight, step] of steps) {
    place -= weight;
    if (place < 0) return step;
  }
  throw new Error('no step');
}

async function makeRoom(): Promise<void> {
  while (state.mapped.length > MOST.mapped) files.unmap(state, draw.of(state.mapped));
  while (state.raw.length > MOST.raw) raws.munmap(state, draw.of(state.raw));
  if (state.files.length > MOST.files) dropFile();
  if (channel === undefined || channel.closed) channel = new ChannelModel(world);
  // What was let go of is given back on the event loop.
  if (world.step % 200 === 0) await turn();
  if (world.step % 1000 === 0 && stats().regions > 500) minorGc();
}

async function run(): Promise<void> {
  newFile();
  newFile();
  for (; world.calls < CALLS; world.step++) {
    await makeRoom();
    const doing = choose()();
    if (doing instanceof Promise) await doing;
    world.told();
    if (draw.once(60)) {
      looks++;
      state.lookAtAll();
    }
    if (draw.once(100)) await world.settled();
  }
  await world.settled();
  state.lookAtAll();
  for (const mapped of [...state.mapped]) files.unmap(state, mapped);
  for (const raw of [...state.raw]) raws.munmap(state, raw);
  channel?.end();
  for (const file of [...state.files]) state.dropFile(file);
  state.mapped = [];
  state.stray = [];
  channel = undefined;
  locks.forget();
  world.forget();
}

try {
  await run();
  const isEmpty = () => stats().regions === 0 && stats().descriptors === 0;
  await collected('all that was mapped', isEmpty).catch(() => {
    throw new Error(`left behind: ${JSON.stringify(stats())}`);
  });
  const { faults, ...left } = stats();
  const report: Report = {
    ...{ calls: world.calls, steps: world.step, faults, looks },
    counts: Object.fromEntries([...world.counts].sort()),
    never: publicNames().filter((name) => !world.counts.has(name)),
    left,
  };
  console.log(JSON.stringify(report));
} catch (error) {
  const { name, message, stack = '' } = error as Error;
  const told = name === 'Difference' ? message : stack;
  writeSync(
    2,
    `seed ${seed}, step ${world.step}, after ${world.calls} calls\n${world.story()}\n${told}\n`,
  );
  process.exit(1);
}
