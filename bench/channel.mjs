// Messages from one process to another: the channel beside what people use instead, and beside the same ring
// in C. Needs npm run build.
//
//   node bench/channel.mjs [--rounds N] [--scale X] [--json FILE]
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Channel } from '../lib/channel.js';
import { share } from '../lib/index.js';
import { framed, unframed } from './frames.mjs';
import { inRounds, median, print, save } from './rounds.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const PEER = fileURLToPath(new URL('channel-peer.mjs', import.meta.url));
const IN_C = fileURLToPath(new URL('../out/native-test/Release/ring_bench', import.meta.url));
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'memmap-bench-'));
const LANE = 1 << 20;

/**
 * Each starts a peer, and calls back for each message from it. They return `ended`, `stop()`, and `answer()`
 * for the other direction, once `ready` has resolved.
 */
const transports = {
  channel(args, hear, mode) {
    const there = Channel.create({ capacity: LANE });
    const back = Channel.create({ capacity: LANE });
    const receiver = there.receiver();
    const sender = back.sender();
    const memory = { there: there.memory, back: back.memory };
    const child = fork(PEER, ['channel', ...args], share(memory));
    const listen = async () => {
      if (mode === 'drain') {
        while (await receiver.ready()) receiver.drain(hear, 256);
      } else {
        for await (const message of receiver) hear(message);
      }
      there.memory.unmap();
      back.memory.unmap();
    };
    return {
      ready: Promise.resolve(),
      answer: (content) => sender.trySend(content),
      stop: () => child.kill(),
      ended: listen(),
    };
  },
  socket(args, hear) {
    const path = join(folder, `${Math.random()}`);
    const server = createServer();
    let socket;
    const ready = once(server, 'connection').then(([connection]) => {
      socket = connection;
      socket.on('error', () => {});
      socket.on('data', unframed(hear));
      socket.on('close', () => server.close());
    });
    server.listen(path, () => {
      fork(PEER, ['socket', ...args], { env: { ...process.env, SOCKET: path } });
    });
    return {
      ready,
      answer: (content) => socket.write(framed(content)),
      stop: () => socket.destroy(),
      ended: once(server, 'close'),
    };
  },
  worker(args, hear) {
    const worker = new Worker(PEER, { workerData: ['worker', ...args] });
    worker.on('message', hear);
    return {
      ready: once(worker, 'online'),
      answer: (content) => worker.postMessage(content),
      stop: () => worker.terminate(),
      ended: once(worker, 'exit'),
    };
  },
  send(serialization, args, hear) {
    const child = fork(PEER, [serialization, ...args], { serialization });
    child.on('message', hear);
    return {
      ready: Promise.resolve(),
      answer: (content) => child.send(content),
      stop: () => child.kill(),
      // After the last message.
      ended: once(child, 'disconnect'),
    };
  },
};
const json = (...rest) => transports.send('json', ...rest);
const advanced = (...rest) => transports.send('advanced', ...rest);

/** Messages a second, from the first that came. */
async function rate(transport, bytes, count, ...more) {
  let heard = 0;
  let began = 0;
  let last = 0;
  let sum = 0;
  const hear = (message) => {
    if (heard++ === 0) began = performance.now();
    sum += message.length;
    if (heard === count) last = performance.now();
  };
  await transport(['flood', bytes, count].map(String), hear, ...more).ended;
  if (heard !== count || sum !== count * bytes) throw new Error(`${heard} messages, ${sum} bytes`);
  return ((heard - 1) / (last - began)) * 1000;
}

const inC = async (bytes, count) => Number((await run(IN_C, [bytes, count].map(String))).stdout);

/** Microseconds from question to answer, of 64 bytes, one at a time: the median. */
async function roundTrip(transport, count) {
  const took = [];
  const message = Buffer.alloc(64, 1);
  let began = 0;
  const peer = transport(['echo'], () => {
    const now = performance.now();
    took.push((now - began) * 1000);
    if (took.length === count) {
      peer.stop();
      return;
    }
    began = performance.now();
    peer.answer(message);
  });
  await peer.ready;
  began = performance.now();
  peer.answer(message);
  await peer.ended;
  return median(took);
}

/** Microseconds from sending to hearing, while the hearing process is busy for half of its time. */
async function loaded(transport, count) {
  const took = [];
  let busy = true;
  const work = () => {
    const until = performance.now() + 0.5;
    while (performance.now() < until);
    if (busy) setTimeout(work, 0.5);
  };
  work();
  await transport(['probe', '64', `${count}`], (message) => {
    const now = process.hrtime.bigint();
    const bytes =
      typeof message === 'string' ? Buffer.from(message, 'base64') : Buffer.from(message);
    took.push(Number(now - bytes.readBigUInt64LE(0)) / 1000);
  }).ended;
  busy = false;
  return median(took);
}

const scale = Number(values.scale);
const rounds = Number(values.rounds);
const many = Math.round(1_000_000 * scale);
const few = Math.round(100_000 * scale);
const report = {};
for (const [bytes, channelCount, otherCount] of [
  [64, 2 * many, few],
  [65536, Math.round(0.6 * few), Math.round(0.05 * few)],
]) {
  const cases = [
    { name: 'process.send, json', call: () => rate(json, bytes, otherCount) },
    { name: 'process.send, advanced', call: () => rate(advanced, bytes, otherCount) },
    { name: 'Unix socket', call: () => rate(transports.socket, bytes, otherCount) },
    { name: 'worker_threads', call: () => rate(transports.worker, bytes, otherCount) },
    { name: 'ring in C', call: () => inC(bytes, channelCount) },
  ];
  for (const [how, mode] of [
    ['channel, for await', 'for'],
    ['channel, ready and drain', 'drain'],
  ]) {
    const call = () => rate(transports.channel, bytes, channelCount, mode);
    cases.push({ name: how, call, than: 'ring in C' });
  }
  const results = await inRounds(rounds, cases);
  const best = Math.max(results[0].median, results[1].median);
  print(`Messages of ${bytes} bytes`, 'a second', results);
  for (const result of results.slice(-2)) {
    console.log(`${result.name}: ${(result.median / best).toFixed(1)} times process.send`);
  }
  report[`messages of ${bytes} bytes a second`] = results;
}
const all = [
  ['process.send, json', json],
  ['process.send, advanced', advanced],
  ['Unix socket', transports.socket],
  ['worker_threads', transports.worker],
  ['channel', transports.channel],
];
for (const [title, measure, count] of [
  ['Round trip of 64 bytes, idle', roundTrip, Math.round(5000 * scale)],
  ['One way of 64 bytes, receiver half busy', loaded, Math.round(200 * scale)],
]) {
  const cases = all.map(([name, transport]) => ({ name, call: () => measure(transport, count) }));
  const results = await inRounds(rounds, cases);
  print(title, 'microseconds', results);
  report[`${title}, microseconds`] = results;
}
rmSync(folder, { recursive: true });
save(values.json, report);
