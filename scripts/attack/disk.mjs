// Disks for attacks: an image behind native/test/block_log.c, a loop device over that, a file system on
// it; and images looked at after a cut. Whatever is set up is taken down, however the script ends.
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { until, WATCHDOG_MS } from '../../out/test/support/until.js';
import { root } from './report.mjs';

const server = join(root, 'out/native-test/Release/block_log');
const MiB = 1 << 20;

/** Runs all of these, the last first, whatever becomes of each; then throws the first error. */
function takeDown(steps) {
  let first;
  while (steps.length > 0) {
    try {
      steps.pop()();
    } catch (error) {
      first ??= error;
    }
  }
  if (first) throw first;
}

/** What undoes what is set up now. */
const undo = [];
const later = (step) => {
  undo.push(step);
  return () => {
    const at = undo.lastIndexOf(step);
    if (at >= 0) undo.splice(at, 1);
    step();
  };
};
process.on('exit', () => {
  try {
    takeDown(undo);
  } catch (error) {
    console.error(`not taken down: ${error.message}`);
    process.exitCode = 1;
  }
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => process.exit(1)); // through the list above
}

function call(command, ...args) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' }).trim();
}

function umount(directory) {
  try {
    call('umount', directory);
  } catch (error) {
    // Nothing may stay mounted, but a test that left something open has to be seen.
    call('umount', '-l', directory);
    throw error;
  }
}

/** Whoever looks at a device at this moment keeps it attached until it is done. */
function detach(device, loop, file) {
  call('losetup', '-d', device);
  const attached = () => {
    try {
      return readFileSync(join(loop, 'backing_file'), 'utf8').trim() === file;
    } catch {
      return false;
    }
  };
  const end = performance.now() + WATCHDOG_MS;
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  while (attached()) {
    if (performance.now() > end) throw new Error(`${device} stays attached`);
    Atomics.wait(nobody, 0, 0, 2);
  }
}

const makers = {
  ext4: ['mkfs.ext4', '-q', '-F', '-b', '4096', '-m', '0'].concat(
    ['-J', 'size=4', '-E', 'nodiscard,lazy_itable_init=0,lazy_journal_init=0'], // biome-ignore format: one list
  ),
  // Without a journal there is none that could be aborted: a failed write stays one of that file alone.
  'ext4 without a journal': ['mkfs.ext4', '-q', '-F', '-b', '4096', '-m', '0'].concat(
    ['-O', '^has_journal', '-E', 'nodiscard,lazy_itable_init=0'], // biome-ignore format: one list
  ),
  xfs: ['mkfs.xfs', '-q', '-f', '-K'],
  btrfs: ['mkfs.btrfs', '-q', '-f', '-K'],
};
/** The smallest that its mkfs makes, or a little more. */
const sizes = {
  ext4: 48 * MiB,
  'ext4 without a journal': 24 * MiB,
  xfs: 320 * MiB,
  btrfs: 160 * MiB,
};
const typeOf = (kind) => kind.split(' ')[0];

/** Why no recorded disk can be had here, if so. */
export function cause() {
  if (!existsSync(server)) return 'block_log was not built (npm run build says why)';
  if (process.getuid() !== 0) return 'mounting needs root';
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  if (!existsSync('/dev/loop-control')) return 'there are no loop devices';
  const place = mkdtempSync(join(tmpdir(), 'memmap-attack-'));
  try {
    // A container may have the file and not the device.
    closeSync(openSync('/dev/fuse', 'r+'));
    closeSync(openSync('/dev/loop-control', 'r+'));
    call('losetup', '-f');
    call('mount', '-t', 'tmpfs', 'none', place);
    umount(place);
    return undefined;
  } catch (error) {
    return `not permitted here: ${error.message}`;
  } finally {
    rmdirSync(place);
  }
}

/** Why no file system of this kind can be had here, if so. */
export function causeOf(kind) {
  const [mkfs] = makers[kind];
  try {
    execFileSync(mkfs, ['-V'], { stdio: 'pipe' });
  } catch (error) {
    if (error.code === 'ENOENT') return `${mkfs} is not installed`;
  }
  const known = () => readFileSync('/proc/filesystems', 'utf8').split(/\s+/).includes(typeOf(kind));
  return known() ? undefined : `this kernel has no ${typeOf(kind)}`;
}

/** A directory of the script's own, in memory where that is possible. */
export function workspace() {
  const parent = existsSync('/dev/shm') ? '/dev/shm' : realpathSync(tmpdir());
  const directory = mkdtempSync(join(parent, 'memmap-attack-'));
  later(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A recorded disk with a file system on it. */
export class RecordedDisk {
  #name;
  #room;
  #server;
  #ended;
  #options;
  #mounted = false;
  #down;

  /**
   * Set up under `directory`; `kind` as in makers, undefined for the bare disk. `mount`: options of that;
   * `room`: only so many bytes of it can be written to.
   */
  static async start(directory, kind, { mount = '', room } = {}) {
    const disk = new RecordedDisk();
    await disk.#start(join(directory, 'recorded'), kind, mount, room);
    return disk;
  }

  async #start(place, kind, options, room) {
    this.#name = place;
    this.#room = room;
    const steps = [];
    this.#down = later(() => takeDown(steps));
    const folders = [place, `${place}.mount`, this.#backing];
    for (const folder of folders) mkdirSync(folder);
    steps.push(() => {
      for (const file of [this.image, this.log]) rmSync(file, { force: true });
      for (const folder of folders) rmdirSync(folder); // empty, or something is wrong
    });
    if (room !== undefined) {
      call('mount', '-t', 'tmpfs', '-o', `size=${room}`, 'none', this.#backing);
      // The server may not have ended yet, though nothing is asked of it any more.
      steps.push(() => call('umount', '-l', this.#backing));
    }
    this.size = kind === undefined ? MiB : sizes[kind];
    writeFileSync(this.image, '');
    truncateSync(this.image, this.size);
    this.#server = spawn(server, [place, this.image, this.log], {
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true, // a Ctrl-C is not for it: the file system on top has to be unmounted first
    });
    this.#ended = new Promise((resolve) => this.#server.once('exit', resolve));
    let ended = false;
    this.#ended.then(() => {
      ended = true;
    });
    steps.push(() => this.#server.kill('SIGKILL'));
    await until('the disk is served', () => {
      if (ended) throw new Error('block_log did not start');
      return existsSync(this.disk);
    });
    steps.push(() => umount(place));
    if (kind === undefined) return;
    this.device = call('losetup', '--direct-io=on', '-f', '--show', this.disk);
    const loop = `/sys/block/${basename(this.device)}/loop`;
    steps.push(() => detach(this.device, loop, this.disk));
    const direct = join(loop, 'dio');
    // Through the page cache writes would be merged, and would arrive in an order of its own.
    if (readFileSync(direct, 'utf8').trim() !== '1')
      throw new Error('no direct I/O on a loop device');
    call(...makers[kind], this.device);
    this.#options = ['-t', typeOf(kind), ...(options ? ['-o', options] : [])];
    this.remount();
    steps.push(() => {
      if (this.#mounted) umount(this.mount);
    });
  }

  get log() {
    return `${this.#name}.log`;
  }
  /** Where block_log serves its files. */
  get served() {
    return this.#name;
  }
  get disk() {
    return join(this.#name, 'disk');
  }
  get mount() {
    return `${this.#name}.mount`;
  }
  get marks() {
    return join(this.#name, 'marks');
  }
  get control() {
    return join(this.#name, 'control');
  }
  get #backing() {
    return `${this.#name}.backing`;
  }
  get image() {
    return join(this.#backing, 'image');
  }
  /** What makes it work again, for a shell. */
  get heal() {
    const enlarge = `mount -o remount,size=100% '${this.#backing}'`;
    return this.#room === undefined ? `echo work > '${this.control}'` : enlarge;
  }

  umount() {
    this.#mounted = false;
    umount(this.mount);
  }

  /** Nothing of it is in the page cache afterwards. */
  remount() {
    if (this.#mounted) this.umount();
    call('mount', ...this.#options, this.device, this.mount);
    this.#mounted = true;
  }

  /** Takes everything down. */
  async stop() {
    this.#down();
    await this.#ended;
  }
}

/** Looks at an image through a mount of its own: `look` gets the directory. Its result, or how it cannot be mounted. */
export function lookAt(image, directory, kind, look) {
  try {
    call('mount', '-t', typeOf(kind), '-o', 'loop', image, directory);
  } catch (error) {
    return { unmountable: error.message };
  }
  const down = later(() => umount(directory));
  try {
    return look(directory);
  } finally {
    down();
  }
}
