// What all benchmarks have in common. Each round runs all cases, one after the other, so that a change of the
// machine's pace meets all of them; what is told is the median of the rounds, and of each round's ratios, since
// neighbours in time have met the same machine.
import { writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

const sorted = (all) => [...all].sort((a, b) => a - b);
export const median = (all) => sorted(all)[Math.floor(all.length / 2)];

export const machine = () => ({
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memory: totalmem(),
  kernel: release(),
  node: process.version,
});

/**
 * @param cases `{ name, call, than? }`: a number from each call; `than` names the case it is compared with
 * @returns the same with `{ median, least, most, ratio? }`
 */
export async function inRounds(rounds, cases) {
  const values = new Map(cases.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, call } of cases) values.get(name).push(await call());
  }
  return cases.map(({ name, than }) => {
    const all = sorted(values.get(name));
    const numbers = { name, median: median(all), least: all[0], most: all.at(-1) };
    if (than === undefined) return numbers;
    const ratio = median(values.get(name).map((value, i) => value / values.get(than)[i]));
    return { ...numbers, than, ratio };
  });
}

export function print(title, unit, results) {
  const { cpu, cores, kernel, node } = machine();
  console.log(`\n${title}, ${unit}\n${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}`);
  for (const { name, median: mid, least, most, than, ratio } of results) {
    const [m, l, h] = [mid, least, most].map((n) => n.toPrecision(4));
    const beside = than === undefined ? '' : `   ${ratio.toFixed(2)} of ${than}`;
    console.log(`${name.padEnd(40)}${m.padStart(10)}   (${l} to ${h})${beside}`);
  }
}

export function save(file, report) {
  if (file) writeFileSync(file, `${JSON.stringify({ ...machine(), ...report }, null, 2)}\n`);
}
