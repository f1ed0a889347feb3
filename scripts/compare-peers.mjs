// What memmap and what people use instead do in the same situation: each cell of the table in README.md is
// a program of its own, and says what it saw, or by which signal it died. Installs the peer from npm into a temporary
// directory (and npm compiles it there, where there is no binary); Bun as `npm run fetch:runtimes -- bun` fetches it.
//
//   npm run build && node scripts/compare-peers.mjs             fails where the table says otherwise
//   npm run build && node scripts/compare-peers.mjs --write     writes the table
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const PEER = '@riaskov/mmap-io@1.4.3';
const root = resolve(import.meta.dirname, '..');
const bun = join(root, '.runtimes/bun/bin/bun');
const page = join(root, 'README.md');

const temp = mkdtempSync(join(tmpdir(), 'memmap-peers-'));
process.on('exit', () => rmSync(temp, { recursive: true, force: true }));
writeFileSync(join(temp, 'package.json'), '{ "type": "module" }');
const npm = ['install', '--no-audit', '--no-fund', '--loglevel=error', PEER];
if (spawnSync('npm', npm, { cwd: temp, stdio: ['ignore', 'ignore', 'inherit'] }).status !== 0) {
  throw new Error(`${PEER} cannot be installed`);
}
symlinkSync(root, join(temp, 'node_modules/memmap'));
if (!existsSync(bun)) throw new Error('no Bun: npm run fetch:runtimes -- bun');

/** Each has `open(length, canWrite)`, the file `f` as bytes; how it is flushed; and what ends it. */
const MAPPERS = {
  memmap: `import { map } from 'memmap';
    let m; const open = (length, write = true) => (m = map('f', { length, access: write ? 'write' : 'read' })).bytes;
    const whole = (place) => map('f').view(Uint8Array, place, 1)[0];
    const part = (offset) => map('f', { offset }).bytes;
    const flush = () => m.flush(); const end = () => m.unmap(); const told = () => m.faults.length > 0;`,
  'mmap-io': `import mmap from '@riaskov/mmap-io';
    const open = (length, write = true) =>
      mmap.map(length, mmap.PROT_READ | (write ? mmap.PROT_WRITE : 0), mmap.MAP_SHARED, fs.openSync('f', 'r+'));
    const whole = (place) => open(place + 1)[place]; const told = () => false;
    const part = (offset) => mmap.map(1, mmap.PROT_READ, mmap.MAP_SHARED, fs.openSync('f'), offset);
    const flush = (bytes) => mmap.sync(bytes, true); const end = mmap.unmap;`,
  'Bun.mmap': `const open = (size) => Bun.mmap('f', { size });
    const whole = (place) => Bun.mmap('f')[place]; const told = () => false;
    const part = (offset) => Bun.mmap('f', { offset });
    const flush = Bun.msync; const end = Bun.munmap;`,
};
const HEAD = `import fs from 'node:fs'; import { execFileSync } from 'node:child_process';
  process.removeAllListeners('warning');
  const anonymous = () => Number(/RssAnon:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  const make = (length) => { fs.writeFileSync('f', ''); fs.truncateSync('f', length); };
  const copied = (bytes) => { let sum = 0; for (let i = 0; i < bytes.length; i += 512) sum += bytes[i]; return sum; };
  const other = () => execFileSync('head', ['-c1', 'f']).toString();`;
const CHILD = `if (process.argv[2] === 'child') {
    process.on('message', (cells) => setTimeout(() => process.send(cells[0]), 100));
  } else {
    const { fork } = await import('node:child_process');
    const child = fork(import.meta.filename, ['child'], { serialization: 'advanced' });
    const end = (what) => { console.log(what); child.kill(); };`;

const WORKER = `const { Worker } = await import('node:worker_threads');
  const code = "const { parentPort, workerData } = require('node:worker_threads');" +
    "setTimeout(() => parentPort.postMessage(workerData[0]), 100)";
  const start = (workerData) => {
    const worker = new Worker(code, { eval: true, workerData });
    worker.on('message', (seen) => console.log(seen === 7 ? 'at once' : 'no, it has a copy'));
    workerData[0] = 7;
  };`;

/** What is wanted, and the program for each. `*` is that of all three that map files. */
const ROWS = [
  [
    'a file of 64 MiB is read: memory of its own',
    {
      '*': `make(64 << 20); const before = anonymous(); copied(open(64 << 20));
        console.log(anonymous() - before < 16 ? 'none' : 'a copy');`,
      'node:fs': `make(64 << 20); const before = anonymous(); const b = fs.readFileSync('f'); copied(b);
        console.log(anonymous() - before < 16 ? 'none' : 'a copy');`,
    },
  ],
  [
    'a store is seen by another process',
    {
      '*': `make(4096); open(4096)[0] = 88; console.log(other() === 'X' ? 'at once' : 'no');`,
      'node:fs': `make(4096); const fd = fs.openSync('f', 'r+'); fs.writeSync(fd, 'X', 0);
        console.log(other() === 'X' ? 'after a write' : 'no');`,
      SharedArrayBuffer: `${CHILD} const cells = new Int32Array(new SharedArrayBuffer(4));
        child.send(cells); cells[0] = 7;
        child.on('message', (seen) => end(seen === 7 ? 'at once' : 'no, it has a copy')); }`,
      'process.send': `${CHILD} const cells = new Int32Array(1); child.send(cells); cells[0] = 7;
        child.on('message', (seen) => end(seen === 7 ? 'at once' : 'no, it has a copy')); }`,
    },
  ],
  [
    'a store is seen by a worker thread',
    {
      '*': `make(4096); const b = open(4096); ${WORKER} start(b);`,
      memmap: `import { anonymous as memory } from 'memmap'; ${WORKER}
        const b = new Uint8Array(memory(4096).sharedBuffer); start(b);`,
      SharedArrayBuffer: `${WORKER} const b = new Uint8Array(new SharedArrayBuffer(4)); start(b);`,
    },
  ],
  [
    'the file is cut while it is in use',
    {
      '*': `make(8192); const b = open(8192); b[4096] = 1; fs.truncateSync('f', 0); b[4096];
        console.log(told() ? 'lives, and is told' : 'lives');`,
      'node:fs': `make(8192); const fd = fs.openSync('f'); fs.truncateSync('f', 0);
        console.log(\`reads \${fs.readSync(fd, Buffer.alloc(10), 0, 10, 4096)} bytes\`);`,
    },
  ],
  [
    'a store where only reading is allowed',
    {
      '*': `make(4096); const b = open(4096, false); b[0] = 88;
        console.log(other() === 'X' ? 'changes the file' : told() ? 'lives, and is told' : 'lives');`,
      'node:fs': `make(4096); try { fs.writeSync(fs.openSync('f'), 'X'); } catch (error) { console.log(error.code); }`,
    },
  ],
  [
    'a file of 5 GiB as a whole: its last byte',
    {
      '*': `make(5 * 2 ** 30); try { const b = whole(5 * 2 ** 30 - 1); console.log(b === 0 ? 'yes' : 'no, and says nothing'); }
        catch (error) { console.log(\`no: \${error.name}\`); }`,
    },
  ],
  [
    'one byte at 5 GiB',
    {
      '*': `make(5 * 2 ** 30 + 1); try { const [b] = part(5 * 2 ** 30); console.log(b === 0 ? 'yes' : \`no: \${b}\`); }
        catch (error) { console.log(\`no: \${error.name}\`); }`,
      'node:fs': `make(5 * 2 ** 30);
        console.log(fs.readSync(fs.openSync('f'), Buffer.alloc(1), 0, 1, 5 * 2 ** 30 - 1) === 1 ? 'yes' : 'no');`,
    },
  ],
  [
    'waits for the disk',
    {
      '*': `make(4096); const b = open(4096);
        if (flush === undefined) console.log('no'); else console.log(flush(b) ? 'yes, a promise' : 'yes, and blocks');`,
      'node:fs': `make(4096); const file = await fs.promises.open('f', 'r+'); await file.datasync(); await file.close();
        console.log('yes, a promise');`,
    },
  ],
  [
    'ends when it is told to',
    {
      '*': `make(4096); const b = open(4096);
        if (end === undefined) console.log('no, when it is collected'); else { end(b); console.log('yes'); }`,
    },
  ],
  [
    'a thread sleeps on it until it is woken',
    {
      '*': `make(4096); const cell = new Int32Array(open(4096).buffer, 0, 1);
        try { Atomics.wait(cell, 0, 0, 1); console.log('yes'); } catch (error) { console.log(\`no: \${error.name}\`); }`,
      memmap: `import { SharedMemory } from 'memmap'; import { wait } from 'memmap/sync';
        const cell = SharedMemory.create(4096).view(Int32Array);
        console.log(wait(cell, 0, 0, 1) === 'timed-out' ? 'yes, in any process' : 'no');`,
      SharedArrayBuffer: `const cell = new Int32Array(new SharedArrayBuffer(4));
        console.log(Atomics.wait(cell, 0, 0, 1) === 'timed-out' ? 'yes, in one process' : 'no');`,
    },
  ],
];
const COLUMNS = ['memmap', 'node:fs', 'mmap-io', 'Bun.mmap', 'SharedArrayBuffer', 'process.send'];

function cell(column, programs) {
  const mapper = MAPPERS[column];
  const program = programs[column] ?? (mapper && programs['*']);
  if (program === undefined) return '-';
  const file = join(temp, 'cell.mjs');
  const needs = programs[column] === undefined ? mapper : '';
  writeFileSync(file, `${HEAD}\n${needs}\n${program}\n`);
  const command = column === 'Bun.mmap' ? bun : process.execPath;
  const { stdout, stderr, signal } = spawnSync(command, [file], { cwd: temp, encoding: 'utf8' });
  if (signal !== null) return `dies of ${signal}`;
  return stdout.trim() || `error: ${stderr.split('\n').find((line) => /Error/.test(line))}`;
}

const table = [
  `| | ${COLUMNS.join(' | ')} |`,
  `| ${'--- | '.repeat(COLUMNS.length + 1)}`.trim(),
  ...ROWS.map(
    ([what, programs]) =>
      `| ${[what, ...COLUMNS.map((column) => cell(column, programs))].join(' | ')} |`,
  ),
].join('\n');
console.log(table);

const MARKED = /(?<=<!-- begin comparison -->\n\n)[\s\S]*(?=\n\n<!-- end comparison -->)/;
const text = readFileSync(page, 'utf8');
if (process.argv.includes('--write'))
  writeFileSync(
    page,
    text.replace(MARKED, () => table),
  );
else if (MARKED.exec(text)?.[0] !== table) {
  console.error('README.md says otherwise: --write');
  process.exit(1);
}
