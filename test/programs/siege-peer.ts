// What somebody else may do, again and again, until he is killed; see siege.ts.
//
//   siege-peer resize PATH SEED    sets the length of a file
//   siege-peer swap DIRECTORY      puts something else under the name `at`: a file, a FIFO, a directory, links
//   siege-peer notify              wakes who waits on the first words of the memory that is descriptor 3
//   siege-peer scribble SEED       overwrites its first two words
//   siege-peer flip                changes its first word between 0 and 1
import { execFileSync } from 'node:child_process';
import {
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { SharedMemory } from 'memmap';
import { notify } from 'memmap/sync';
import { random } from '../support/orders.js';

const [what = '', first = '', seed = ''] = process.argv.slice(2);
const cells = () => SharedMemory.adopt(3).view(Int32Array, 0, 16);
const SIZES = [0, 1, 4096, 5000, 1 << 16, (1 << 20) + 7];

function swaps(directory: string): () => void {
  const made = join(directory, 'next');
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const kinds: (() => void)[] = [
    () => writeFileSync(made, new Uint8Array(8192)),
    () => linkSync(fifo, made),
    () => mkdirSync(made),
    () => symlinkSync(join(directory, 'at'), made),
    () => symlinkSync('/dev/zero', made),
    () => symlinkSync(join(directory, 'nowhere'), made),
  ];
  return () => {
    for (const make of kinds) {
      rmSync(made, { force: true, recursive: true });
      make();
      // A directory takes the place of nothing; not even then, if a file has just been made there.
      rmSync(join(directory, 'at'), { force: true, recursive: true });
      try {
        renameSync(made, join(directory, 'at'));
      } catch {}
    }
  };
}

const attacks: Record<string, () => () => void> = {
  resize() {
    const fd = openSync(first, 'r+');
    const chance = random(Number(seed));
    return () => ftruncateSync(fd, SIZES[Math.floor(chance() * SIZES.length)]);
  },
  swap: () => swaps(first),
  notify() {
    const words = cells();
    return () => {
      for (let index = 0; index < 16; index++) notify(words, index);
    };
  },
  scribble() {
    const words = cells();
    const chance = random(Number(first));
    return () => {
      for (let i = 0; i < 100; i++) {
        words[0] = [0, -(2 ** 31), 2 ** 30, chance() * 2 ** 32][i % 4] as number;
        words[1] = chance() * 2 ** 32;
      }
    };
  },
  flip() {
    const words = cells();
    return () => {
      for (let i = 0; i < 1000; i++) Atomics.xor(words, 0, 1);
    };
  },
};

const attack = attacks[what]?.();
console.log('there');
for (;;) attack?.();
