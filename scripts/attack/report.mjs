// What the attacks on the promises have in common: a short and a long form, a seed, claims that hold or
// not, causes for what a machine does not permit, and a report that .ci/run adds up.
//
//   node scripts/attack/NAME.mjs [--short | --long] [--seed=N] [--NAME=VALUE ...]
//
//   const attack = begin('power-cuts');
//   attack.figure('cuts', 120);                        printed, and in the report
//   attack.claim('no flushed byte is lost', lost === 0, `${lost} of ${flushed}`);
//   attack.skip('xfs', 'mkfs.xfs is not installed');   counted as skipped
//   attack.end();                                      exit code 1 if a claim does not hold
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

export function begin(name, reportName = `attack-${name}`) {
  const args = process.argv.slice(2);
  const long = args.includes('--long');
  /** The value of --NAME=VALUE, as a number. */
  const option = (option, otherwise) => {
    const given = args.find((a) => a.startsWith(`--${option}=`));
    return given === undefined ? otherwise : Number(given.slice(option.length + 3));
  };
  const seed = option('seed', Math.floor(Math.random() * 2 ** 31));
  const started = performance.now();
  const results = [];
  const figures = { seed };
  const add = (status, title, detail) => {
    results.push({ status, title, failureMessages: status === 'failed' ? [detail] : [] });
    console.log(`  ${status.padEnd(7)} ${title}${detail ? `: ${detail}` : ''}`);
  };
  console.log(`${name}, ${long ? 'long' : 'short'} form, --seed=${seed}`);

  return {
    long,
    seed,
    option,
    figure(title, value) {
      figures[title] = value;
      console.log(`  ${title}: ${value}`);
    },
    claim(title, holds, detail = '') {
      add(holds ? 'passed' : 'failed', title, String(detail));
      return holds;
    },
    skip(title, cause) {
      add('skipped', title, cause);
    },
    end() {
      const count = (status) => results.filter((r) => r.status === status).length;
      // An attack without a claim has shown nothing.
      if (results.length === 0) add('failed', 'has claims', 'none was made');
      figures.seconds = Math.round((performance.now() - started) / 1000);
      const folder = join(root, 'out/reports');
      mkdirSync(folder, { recursive: true });
      const report = {
        numPassedTests: count('passed'),
        numFailedTests: count('failed'),
        numPendingTests: count('skipped'),
        testResults: [{ name, status: 'passed', assertionResults: results }],
        figures,
      };
      writeFileSync(join(folder, `${reportName}.json`), `${JSON.stringify(report, null, 2)}\n`);
      const failed = count('failed');
      console.log(`${name}: ${failed === 0 ? 'holds' : `FAILED, ${failed}`}, ${figures.seconds} s`);
      process.exitCode = failed === 0 ? 0 : 1;
    },
  };
}
