// Disks that fail, and work again: what flushes tell of it, and whether anything they resolved is lost.
//
//   node scripts/attack/failing-disks.mjs [--short | --long] [--seed=N] [--rounds=N]
//
// Each round is a disk of its own. Needs root, block_log (libfuse3-dev) and mkfs.ext4.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { random } from '../../out/test/support/orders.js';
import { Promises } from '../../out/test/support/power-cut.js';
import { program, run } from '../../out/test/support/program.js';
import { CutDisk, readLog } from './cuts.mjs';
import { cause, causeOf, lookAt, RecordedDisk, workspace } from './disk.mjs';
import { begin } from './report.mjs';

const attack = begin('failing-disks');
const chance = random(attack.seed);
const rounds = attack.option('rounds', attack.long ? 40 : 3);
const few = Math.ceil(rounds / 4);
const NO_JOURNAL = 'ext4 without a journal';
const MiB = 1 << 20;

const room = () => Math.floor((2.5 + 2.5 * chance()) * MiB);
// Of blocks that were never written before ext4 with a failing disk promises less than the rest, whoever
// writes. One whose write has failed, written to again while its page is in the page cache, reads as zeros
// after the next mount, though that fsync(2) succeeded: not done here on ext4. And an fsync(2) that runs
// while the journal is given up may return 0 for blocks that will read as zeros: counted here, beside what
// becomes of write(2) and fdatasync(2).
const runs = [
  { title: 'written blocks, ext4', kind: 'ext4', name: 'written', rounds, cuts: 3 },
  { title: 'fresh blocks, ext4', kind: 'ext4', name: 'fresh, once', rounds, counted: true },
  { title: 'fresh blocks, ext4, fdatasync(2)', kind: 'ext4', name: 'plain', rounds, counted: true },
  { title: 'fresh blocks, xfs', kind: 'xfs', name: 'fresh', rounds },
  { title: `written blocks, ${NO_JOURNAL}`, kind: NO_JOURNAL, name: 'written', rounds },
  // A disk in a tmpfs that fills up, and is made larger: a device that fails with ENOSPC.
  { title: 'full', kind: NO_JOURNAL, name: 'fresh, once', rounds, room },
  { title: 'each description', kind: NO_JOURNAL, name: 'each', rounds: few },
  { title: 'each description, a file of FUSE', name: 'direct', rounds: few },
  { title: 'not to be read', kind: 'ext4', name: 'read', rounds: few },
  { title: 'not to be read, a file of FUSE', name: 'read directly', rounds: few },
  // What must be seen to lose, or nothing is looked for.
  { title: 'rejections not heard', kind: 'ext4', name: 'deaf', rounds: 1 },
];

const work = workspace();
const mount = join(work, 'look');
mkdirSync(mount);

/** Runs the program on the disk; what it saw. */
async function watch(disk, name, directory) {
  const seed = String(Math.floor(chance() * 2 ** 31));
  const args = [name, directory, seed, disk.control, disk.heal, disk.marks];
  const { code, signal, stdout, stderr } = await run(program('failing-disk'), args, {
    node: ['--no-warnings'],
  });
  if (code !== 0) throw new Error(`${name}: ${signal ?? `code ${code}`}: ${stderr}`);
  return JSON.parse(stdout);
}

/** What of that which a flush resolved is not on the disk: by now, and after a power cut at `cuts` moments. */
function* losses(disk, kind, size, cuts) {
  const entries = readLog(disk.log);
  const promises = new Promises();
  const from = entries.findIndex(({ mark }) => mark);
  if (from < 0) return;
  const at = Array.from(
    { length: cuts },
    () => from + Math.floor(chance() * (entries.length - from)),
  );
  const cut = new CutDisk(entries, size, chance);
  let noted = 0;
  const note = (end) => {
    for (; noted < end; noted++) if (entries[noted].mark) promises.note(entries[noted].mark);
  };
  for (const end of at.sort((a, b) => a - b)) {
    const image = join(work, 'cut.image');
    note(end);
    cut.build(end, image);
    yield lookAt(image, mount, kind, (directory) => promises.check(directory));
    rmSync(image);
  }
  note(entries.length);
  yield lookAt(disk.image, mount, kind, (directory) => promises.check(directory));
}

const shown = (list) => `${list.length}${list.length > 0 ? `, first ${list[0]}` : ''}`;

async function attempt({ title, kind, name, rounds: times, room, counted, cuts = 0 }) {
  const total = {
    rounds: times,
    'faults of the disk': 0,
    'bytes looked for': 0,
    'rounds with a loss': 0,
  };
  const wrong = [];
  const lost = [];
  for (let i = 0; i < times; i++) {
    const disk = await RecordedDisk.start(work, kind, { room: room?.() });
    if (name === 'read') {
      await watch(disk, 'fill', disk.mount);
      disk.remount();
    }
    const seen = await watch(disk, name, kind ? disk.mount : disk.served);
    for (const what of seen.wrong) wrong.push(`round ${i}, ${what}`);
    for (const [what, count] of Object.entries(seen.counts))
      total[what] = (total[what] ?? 0) + count;
    total['faults of the disk'] += readLog(disk.log).filter(({ failed }) => failed).length;
    if (kind) {
      const before = lost.length;
      disk.umount();
      for (const there of losses(disk, kind, disk.size, cuts)) {
        if (there.unmountable) lost.push(`round ${i}, ${there.unmountable}`);
        else for (const what of there.lost) lost.push(`round ${i}, ${what}`);
        total['bytes looked for'] += there.promised ?? 0;
      }
      if (lost.length > before) total['rounds with a loss']++;
    }
    await disk.stop();
  }
  const figures = Object.entries(total).filter(([, count]) => count > 0);
  attack.figure(title, figures.map(([what, count]) => `${what} ${count}`).join(', '));
  if (name === 'deaf') {
    attack.claim(`${title}: loss is seen`, lost.length > 0, shown(lost));
    return;
  }
  if (name === 'plain') return;
  const told = total.failed + total.faulted > 0;
  attack.claim(
    `${title}: each is told once, and then never of success`,
    wrong.length === 0 && told,
    shown(wrong),
  );
  if (kind && !counted)
    attack.claim(`${title}: what a flush resolved is there`, lost.length === 0, shown(lost));
}

const missing = cause();
for (const how of runs) {
  const why = missing ?? (how.kind && causeOf(how.kind));
  if (why) attack.skip(how.title, why);
  else await attempt(how);
}
attack.end();
