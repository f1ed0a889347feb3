// Power cuts: a file system on a recorded disk is written to through mappings, and of each recording many
// disks are built as a power cut at some entry might have left them. Each is mounted and looked through.
//
//   node scripts/attack/power-cuts.mjs [--short | --long] [--seed=N] [--recordings=N] [--cuts=N]
//
// --cuts is of each recording of ext4. Needs root, block_log (libfuse3-dev), mkfs.ext4; mkfs.xfs and
// mkfs.btrfs for the runs on those.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { random } from '../../out/test/support/orders.js';
import { Promises } from '../../out/test/support/power-cut.js';
import { program, start } from '../../out/test/support/program.js';
import { until } from '../../out/test/support/until.js';
import { CutDisk, MarkCount, readLog } from './cuts.mjs';
import { cause, causeOf, lookAt, RecordedDisk, workspace } from './disk.mjs';
import { begin } from './report.mjs';

const attack = begin('power-cuts');
const chance = random(attack.seed);
const WATCHDOG_MS = 300_000;
const BLOCK = 4096;

/** What is done: on which file system, by which writer, how often, with how many cuts of each recording. */
const recordings = attack.option('recordings', attack.long ? 20 : 1);
const cuts = attack.option('cuts', attack.long ? 60 : 50);
const runs = [
  { title: 'ext4', kind: 'ext4', recordings, cuts },
  { title: 'xfs', kind: 'xfs', recordings: 1, cuts: attack.long ? 60 : 8, torn: [BLOCK] },
  { title: 'btrfs', kind: 'btrfs', recordings: 1, cuts: attack.long ? 60 : 8, torn: [BLOCK] },
  // What must be seen to lose, or the cuts are no cuts.
  { title: 'without a flush', kind: 'ext4', mode: 'no-flush', recordings: 1, cuts: 10 },
  { title: 'disk not told to flush', kind: 'ext4', mount: 'nobarrier', recordings: 1, cuts: 10 },
  {
    title: 'without a barrier',
    kind: 'ext4',
    mode: 'no-barrier',
    recordings: 1,
    cuts: 40,
    kept: [0.5],
    before: 1,
  },
];

/** Writes to a recorded disk until the writer is killed, somewhere in what it would do. */
async function record(directory, { kind, mode = 'sound', mount = '' }) {
  const disk = await RecordedDisk.start(directory, kind, { mount });
  const marks = Math.floor(150 + 800 * chance());
  const seed = Math.floor(chance() * 2 ** 31);
  const writer = start(program('power-cut-writer'), [disk.mount, disk.marks, String(seed), mode], {
    node: ['--no-warnings'],
    watchdog: WATCHDOG_MS,
  });
  let ended;
  writer.ended.then((result) => {
    ended = result;
  });
  const count = new MarkCount(disk.log);
  await until('enough is recorded', () => ended || count.look() >= marks, WATCHDOG_MS);
  count.close();
  const { code, signal, stderr } = await writer.kill();
  if (signal !== 'SIGKILL' && code !== 0) throw new Error(`the writer failed: ${stderr}`);
  disk.umount();
  const { size } = disk;
  const entries = readLog(disk.log);
  await disk.stop();
  return { entries, size };
}

/** Where the power is cut: anywhere; and so often before a flush, by how much is left to chance there. */
function places(entries, count, before) {
  const first = entries.findIndex(({ mark }) => mark?.ready);
  if (first < 0) throw new Error('the writer was not recorded');
  const writes = [];
  for (let i = first; i < entries.length; i++) if (entries[i].bytes) writes.push(i);
  const at = [];
  while (at.length < count) {
    let cut = first + 1 + Math.floor(chance() * (entries.length - first));
    if (chance() < before && writes.length > 0) {
      cut = writes[Math.floor(chance() * writes.length)];
      while (cut < entries.length && !entries[cut].flush) cut++;
    }
    at.push(cut);
  }
  return at.sort((a, b) => a - b);
}

const work = workspace();
const mount = join(work, 'cut');
mkdirSync(mount);

async function run({ title, recordings: times, cuts: each, torn, kept, before = 0.5, ...how }) {
  const sum = {
    cuts: 0,
    writes: 0,
    flushes: 0,
    open: 0,
    undecided: 0,
    promised: 0,
    files: 0,
    valid: 0,
  };
  const broken = { lost: [], torn: [], unmountable: [] };
  for (let i = 0; i < times; i++) {
    const { entries, size } = await record(work, how);
    sum.writes += entries.filter(({ bytes }) => bytes).length;
    sum.flushes += entries.filter(({ flush }) => flush).length;
    const disk = new CutDisk(entries, size, chance, torn, kept);
    const promises = new Promises();
    let noted = 0;
    for (const cut of places(entries, each, before)) {
      for (; noted < cut; noted++) {
        const { mark } = entries[noted];
        if (mark) promises.note(mark);
      }
      const image = join(work, 'cut.image');
      const undecided = disk.build(cut, image);
      sum.undecided += undecided;
      if (undecided > 0) sum.open++;
      sum.cuts++;
      const seen = lookAt(image, mount, how.kind, (directory) => promises.check(directory));
      rmSync(image);
      const where = `recording ${i}, entry ${cut}: `;
      if (seen.unmountable) {
        broken.unmountable.push(where + seen.unmountable);
        continue;
      }
      for (const what of ['promised', 'files', 'valid']) sum[what] += seen[what];
      if (seen.lost.length > 0) broken.lost.push(`${where}${seen.lost.length}: ${seen.lost[0]}`);
      if (seen.torn.length > 0) broken.torn.push(`${where}${seen.torn.length}: ${seen.torn[0]}`);
    }
  }
  attack.figure(
    title,
    `${sum.cuts} cuts of ${times} recordings with ${sum.writes} writes, ${sum.flushes} flushes; ` +
      `${sum.undecided} writes left to chance, in ${sum.open} of the cuts; looked for ${sum.promised} promised bytes ` +
      `in ${sum.files} files, saw ${sum.valid} valid records`,
  );
  return { sum, broken };
}

const shown = (list) => `${list.length}${list.length > 0 ? `, first ${list[0]}` : ''}`;

const missing = cause();
for (const how of runs) {
  const why = missing ?? causeOf(how.kind);
  if (why) {
    attack.skip(how.title, why);
    continue;
  }
  const { sum, broken } = await run(how);
  const { title } = how;
  if (how.mode === 'no-barrier') {
    attack.claim(
      `${title}: a torn valid record is seen`,
      broken.torn.length > 0,
      shown(broken.torn),
    );
  } else if (how.mode === 'no-flush' || how.mount) {
    const lost = [...broken.lost, ...broken.unmountable];
    attack.claim(`${title}: loss is seen`, lost.length > 0, shown(lost));
  } else {
    const { lost, torn, unmountable } = broken;
    attack.claim(
      `${title}: every cut disk can be mounted`,
      unmountable.length === 0,
      shown(unmountable),
    );
    attack.claim(
      `${title}: what a flush resolved is there`,
      lost.length === 0 && sum.promised > 0,
      shown(lost),
    );
    attack.claim(
      `${title}: no valid record is torn`,
      torn.length === 0 && sum.valid > 0,
      shown(torn),
    );
  }
}
attack.end();
