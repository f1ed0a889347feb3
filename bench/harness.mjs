// What all groups of benchmarks have in common. A figure is a number of cases that are measured in rounds: each
// round runs all of them, one after the other, so that a change of the machine's pace meets all. What is told of a
// case is the median of its rounds, and how it compares with another: the median of each round's ratio, since
// neighbours in time have met the same machine.
import { writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';

const sorted = (all) => [...all].sort((a, b) => a - b);
const at = (all, part) => sorted(all)[Math.floor((all.length - 1) * part)];
export const median = (all) => at(all, 0.5);
const spread = (all) => ({ median: median(all), low: at(all, 0.25), high: at(all, 0.75) });

export const machine = () => ({
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memory: totalmem(),
  kernel: release(),
  runtime: process.versions.bun ? `Bun ${process.versions.bun}` : `Node ${process.versions.node}`,
});

const text = (number) => (number >= 1000 ? number.toFixed(0) : number.toPrecision(3));

function print({ title, unit, results }) {
  console.log(`\n${title}, ${unit}`);
  for (const { name, median: mid, low, high, ratios = {} } of results) {
    const beside = Object.entries(ratios).map(
      ([than, ratio]) =>
        `${text(ratio.median)} of ${than} (${text(ratio.low)} to ${text(ratio.high)})`,
    );
    console.log(
      `  ${name.padEnd(40)}${text(mid).padStart(9)}  (${text(low)} to ${text(high)})  ${beside.join('; ')}`,
    );
  }
}

const DEFAULT_ROUNDS = 9;
/** Counts and rounds can be scaled down to see that everything runs: `--rounds 1 --scale 0.01`. */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: `${DEFAULT_ROUNDS}` },
    scale: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
  strict: false,
});
const scale = Number(values.scale);
const rounds = Number(values.rounds);
/** So many, scaled, and at least `least`. */
export const times = (count, least = 1) => Math.max(least, Math.round(count * scale));

const figures = [];

/**
 * @param id of the figure, in results and targets
 * @param options `title`; `unit`; `better`: 'less' or 'more' of it; `x`: of a family of figures, where along its
 *   axis; `rounds` where more or fewer than nine are wanted
 * @param cases `{ name, call, than? }`: `call` returns a number, `than` names the cases it is compared with. A
 *   ratio is one of cost: 2 takes twice as long as the other, or gets half as far, whatever the unit.
 */
export async function figure(id, options, cases) {
  const { better = 'less', title, unit, x } = options;
  const wanted = Math.max(
    1,
    Math.round(((options.rounds ?? DEFAULT_ROUNDS) / DEFAULT_ROUNDS) * rounds),
  );
  const known = new Map(cases.map(({ name }) => [name, []]));
  // One round that does not count: the code is compiled, files and tables come into memory.
  for (let round = -1; round < wanted; round++) {
    for (const { name, call } of cases) {
      const value = await call();
      if (round >= 0) known.get(name).push(value);
    }
  }
  const results = cases.map(({ name, than = [] }) => {
    const all = known.get(name);
    const ratios = {};
    for (const other of [than].flat()) {
      const others = known.get(other);
      ratios[other] = {
        ...spread(
          all.map((value, i) => (better === 'less' ? value / others[i] : others[i] / value)),
        ),
        more: median(all.map((value, i) => value - others[i])),
      };
    }
    return { name, ...spread(all), ...(Object.keys(ratios).length ? { ratios } : {}) };
  });
  const done = {
    id,
    title,
    unit,
    better,
    rounds: wanted,
    ...(x === undefined ? {} : { x }),
    results,
  };
  figures.push(done);
  print(done);
  return done;
}

/** At the end of each group's script. */
export function finish() {
  if (values.json) writeFileSync(values.json, JSON.stringify({ machine: machine(), figures }));
}

const since = (begin, count) => Number(process.hrtime.bigint() - begin) / count;

/** Nanoseconds that each of the `count` things took that `work` does. */
export function nanoseconds(count, work) {
  const begin = process.hrtime.bigint();
  work(count);
  return since(begin, count);
}

/** The same of work that returns a promise. */
export async function nanosecondsOf(count, work) {
  const begin = process.hrtime.bigint();
  await work(count);
  return since(begin, count);
}
