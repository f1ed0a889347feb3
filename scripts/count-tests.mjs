// Adds up the JSON reports in out/reports and prints one line: N passed, N failed, N skipped.
//   --each    a line for each run first, after what failed in it: a log may be kept from its end only
//   --failed  the whole failed: if no test did, what failed counts as one
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

// A file that could not even be loaded has no test in it, but it is a failure.
const unloaded = ({ status, assertionResults }) =>
  status === 'failed' && assertionResults.every((a) => a.status !== 'failed');

// `message`: vitest's, of why a file could not be loaded.
function failures(report) {
  return (report.testResults ?? []).flatMap((file) => {
    if (unloaded(file)) return [firstLines(file.name, file.message ?? '')];
    const failed = file.assertionResults.filter((a) => a.status === 'failed');
    return failed.map((a) => firstLines(a.fullName ?? a.title, a.failureMessages.join('\n')));
  });
}

const firstLines = (title, text) => [title, ...text.split('\n').slice(0, 8)].join('\n    ');

const folder = resolve(import.meta.dirname, '../out/reports');
const sum = { passed: 0, failed: 0, skipped: 0 };
for (const file of existsSync(folder) ? readdirSync(folder).sort() : []) {
  const r = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const skipped = (r.numPendingTests ?? 0) + (r.numTodoTests ?? 0);
  const broken = (r.testResults ?? []).filter(unloaded).length;
  sum.passed += r.numPassedTests;
  sum.failed += r.numFailedTests + broken;
  sum.skipped += skipped;
  if (process.argv.includes('--each')) {
    for (const failure of failures(r)) console.log(`  FAILED ${failure}`);
    console.log(
      `  ${file.replace('.json', '')}: ${r.numPassedTests} passed, ${r.numFailedTests + broken} failed, ${skipped} skipped`,
    );
  }
}
if (process.argv.includes('--failed') && sum.failed === 0) sum.failed = 1;
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
