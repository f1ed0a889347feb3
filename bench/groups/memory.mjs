// Reading a mapping beside reading memory of the heap, with the same functions, and beside C.
import { map } from '../../lib/index.js';
import { MIB, makeFile, sumAtRandom, sumDoubles, sumWords } from '../files.mjs';
import { figure, finish, nanoseconds, times } from '../harness.mjs';
import { mapBench } from '../in-c.mjs';

const c = mapBench();
let kept = 0;

for (const [size, bytes, repeats] of [
  ['64 MiB', 64 * MIB, 4],
  ['256 KiB', MIB / 4, 1000],
]) {
  const path = makeFile(`memory-${bytes}.bin`, bytes);
  const mapping = map(path, { populate: true });
  const heap = new ArrayBuffer(bytes);
  new Uint8Array(heap).set(mapping.view(Uint8Array));

  const sources = [
    ['heap', heap],
    ['mapping', mapping.buffer],
  ];
  const perByte = (runs, work) =>
    (nanoseconds(runs, (count) => {
      for (let i = 0; i < count; i++) kept += work();
    }) /
      bytes) *
    MIB;
  for (const [id, Type, sum, command, title] of [
    ['words', Int32Array, sumWords, 'scan', 'Add up 32-bit words'],
    ['doubles', Float64Array, sumDoubles, 'doubles', 'Add up doubles'],
  ]) {
    const runs = times(repeats);
    const cases = [
      {
        name: 'C',
        call: async () => (MIB * 1e9) / (await c.ask(command, path, runs)),
      },
    ];
    for (const [name, buffer] of sources) {
      const view = new Type(buffer);
      cases.push({
        name,
        than: name === 'mapping' ? ['heap', 'C'] : [],
        call: () => perByte(runs, () => sum(view)),
      });
    }
    await figure(
      `${id} ${size}`,
      { title: `${title} of ${size}`, unit: 'ns a MiB', rounds: 15 },
      cases,
    );
  }
  const reads = times(1_000_000, 1000);
  const cases = [{ name: 'C', call: () => c.ask('random', path, reads) }];
  for (const [name, buffer] of sources) {
    const view = new Int32Array(buffer);
    cases.push({
      name,
      than: name === 'mapping' ? ['heap', 'C'] : [],
      call: () =>
        nanoseconds(reads, (count) => {
          kept += sumAtRandom(view, count);
        }),
    });
  }
  await figure(
    `random ${size}`,
    { title: `Random reads of 32-bit words of ${size}`, unit: 'ns a read', rounds: 15 },
    cases,
  );
  mapping.unmap();
}
if (Number.isNaN(kept)) throw new Error('never: it keeps the loops');
c.end();
finish();
