// Under Bun: a mapping beside Bun.mmap(), in one process. Bun has no way to end a mapping: its collector does.
import { map } from '../../lib/index.js';
import { MIB, makeFile, sumAtRandom, sumWords } from '../files.mjs';
import { figure, finish, nanoseconds, times } from '../harness.mjs';

const BYTES = 64 * MIB;
const path = makeFile('bun.bin', BYTES);
let kept = 0;
const THEIRS = 'Bun.mmap';
const OURS = 'memmap';

const count = times(500, 10);
const again = (work) => ({
  call: async () => {
    const took = nanoseconds(count, (n) => {
      for (let i = 0; i < n; i++) work();
    });
    Bun.gc(true);
    return took;
  },
});
await figure('bun map', { title: 'Bun: map a file of 64 MiB, read a byte', unit: 'ns' }, [
  {
    name: OURS,
    ...again(() => {
      const mapping = map(path);
      kept += mapping.view(Uint8Array, 0, 1)[0];
      mapping.unmap();
    }),
  },
  {
    name: THEIRS,
    than: OURS,
    ...again(() => {
      kept += Bun.mmap(path)[0];
    }),
  },
]);

const mapping = map(path, { populate: true });
const ours = mapping.view(Int32Array);
const theirs = new Int32Array(Bun.mmap(path).buffer);
for (const [id, title, unit, work] of [
  [
    'bun scan',
    'Bun: add up 32-bit words of 64 MiB',
    'ns a MiB',
    (words) =>
      nanoseconds(times(2), (n) => {
        for (let i = 0; i < n; i++) kept += sumWords(words);
      }) / 64,
  ],
  [
    'bun random',
    'Bun: random reads of 32-bit words of 64 MiB',
    'ns a read',
    (words) =>
      nanoseconds(times(500_000, 1000), (n) => {
        kept += sumAtRandom(words, n);
      }),
  ],
]) {
  await figure(id, { title, unit }, [
    { name: OURS, call: () => work(ours) },
    { name: THEIRS, than: OURS, call: () => work(theirs) },
  ]);
}
if (Number.isNaN(kept)) throw new Error('never: it keeps the loops');
finish();
