// Runs every example as real processes, in a directory of their own, and prints what each of them
// showed next to what was to be seen. Ends with 1 if anything differs.
//
//   npm run demo

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WATCHDOG_MS = 90_000;
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'memmap-demo-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

// --- Processes -----------------------------------------------------------------------------------

interface Started {
  /** Resolves with its first output, or with its end. */
  speaks: Promise<unknown>;
  /** All lines that it printed; one more if it did not end well. */
  lines: Promise<string[]>;
}

function start(command: string, args: string[]): Started {
  const child = spawn(command, args, {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: WATCHDOG_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const closed = once(child, 'close');
  return {
    speaks: Promise.race([once(child.stdout, 'data'), closed]),
    lines: closed.then(([code, signal]) => {
      const lines = output.split('\n').slice(0, -1);
      return code === 0 ? lines : [...lines, `(ended with ${signal ?? `code ${code}`})`];
    }),
  };
}

const example = (name: string, ...args: string[]) =>
  start(process.execPath, [here(`./${name}.js`), ...args]);
const inC = (name: string, ...args: string[]) =>
  start(here(`../native-test/Release/${name}`), args);
const haveNative = ['record', 'fork_helper.node'].every((name) =>
  existsSync(here(`../native-test/Release/${name}`)),
);

// --- The report ----------------------------------------------------------------------------------

/** A line as it stands, or the words for it and a look at what came. */
type Expected = string | { says: string; holds: (line: string) => boolean };

const number = (prefix: string, least: number, most: number, says: string): Expected => ({
  says: `${prefix}: ${says}`,
  holds: (line) => {
    const count = line.startsWith(`${prefix}: `)
      ? Number.parseInt(line.slice(prefix.length + 2), 10)
      : NaN;
    return count >= least && count <= most;
  },
});

const COLUMN = 57;
let differences = 0;

function title(text: string): void {
  console.log(`\n${text}\n\n        ${'to be seen'.padEnd(COLUMN)}seen`);
}

function compare(expected: Expected[], seen: string[]): void {
  for (let i = 0; i < Math.max(expected.length, seen.length); i++) {
    const wanted = expected[i] ?? '(nothing)';
    const line = seen[i] ?? '(nothing)';
    const ok = typeof wanted === 'string' ? line === wanted : wanted.holds(line);
    if (!ok) differences++;
    const says = typeof wanted === 'string' ? wanted : wanted.says;
    console.log(`  ${ok ? 'ok  ' : 'FAIL'}  ${says.padEnd(COLUMN)}${line.replace(/ {2,}/g, '  ')}`);
  }
}

function skipped(what: string): void {
  console.log(`  --    ${what}: not run, the native test programs have not been built`);
}

// --- The examples --------------------------------------------------------------------------------

title('1. Writer and reader: two processes, one shared file, no msync');
const writer = example('writer');
await writer.speaks;
const reader = example('reader');
const [wrote, read] = await Promise.all([writer.lines, reader.lines]);
compare(['Writer wrote: Hello from writer!'], wrote.slice(0, 1));
compare(['Reader sees: Hello from writer!'], read);
compare(['Writer sees now: Reader replied!'], wrote.slice(1));

title('2. Private write: the file keeps its bytes');
compare(
  [
    'Before: ORIGINAL CONTENT',
    'In memory after: MODIFIED CONTENT',
    'The file, read again: ORIGINAL CONTENT',
  ],
  await example('private-write').lines,
);

title('3. Database record: one struct of C, synced to the disk');
const record = 'id=42 name=temperature value=37';
compare([`Record flushed to disk: ${record}`], await example('record').lines);
compare([`Record read: ${record}`], await example('record', 'read').lines);
if (haveNative) {
  const other = 'id=-7 name=pressure value=1013';
  compare([`Record read: ${record}`], await inC('record', 'read', 'database.dat').lines);
  await inC('record', 'write', 'database.dat', '-7', 'pressure', '1013').lines;
  compare([`Record read: ${other}`], await example('record', 'read').lines);
} else {
  skipped('the same record read and written by a program in C');
}

const loose = (prefix: string) => number(prefix, 1000, 2000, 'near 2000, never more');

title('4. Counter: parent and child add 1 a thousand times each, through child_process.fork');
compare([loose('With ++'), 'With Atomics.add: 2000'], await example('counter').lines);

title('4. Counter again, through a real fork(2)');
if (haveNative) {
  compare(
    [loose('Shared, with ++'), 'Shared, with Atomics.add: 2000', 'Private, with Atomics.add: 1000'],
    await example('counter-fork').lines,
  );
} else {
  skipped('the fork helper');
}

title("The add-on's own code: a private mapping that every process shares");
compare(
  [
    { says: 'text segment mapped r-xp', holds: (line) => /^\S+ r-xp .*\.node$/.test(line) },
    number('Shared_Clean', 1, Number.MAX_SAFE_INTEGER, 'more than 0 kB'),
  ],
  await example('shared-library').lines,
);

console.log(
  differences === 0
    ? '\nEverything is as it should be.'
    : `\n${differences} of these are not as they should be.`,
);
process.exitCode = differences === 0 ? 0 : 1;
