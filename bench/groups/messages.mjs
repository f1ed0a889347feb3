// Messages from one process to another: the channel beside what people use instead, and beside the same ring
// in C.
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Channel } from '../../lib/channel.js';
import { share } from '../../lib/index.js';
import { framed, unframed } from '../frames.mjs';
import { figure, finish, median, times } from '../harness.mjs';
import { programInC } from '../in-c.mjs';

const PEER = fileURLToPath(new URL('../messages-peer.mjs', import.meta.url));
const IN_C = programInC('ring_bench');
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

const many = times(1_000_000, 1000);
const few = times(100_000, 500);
const ours = 'channel, ready and drain';
for (const [size, bytes, channelCount, otherCount] of [
  ['64 bytes', 64, 2 * many, few],
  ['64 KiB', 65536, Math.ceil(0.6 * few), Math.ceil(0.05 * few)],
]) {
  const others = { 'process.send, json': json, 'process.send, advanced': advanced };
  Object.assign(others, { 'Unix socket': transports.socket, worker_threads: transports.worker });
  const channel = (mode) => () => rate(transports.channel, bytes, channelCount, mode);
  await figure(
    `messages of ${size}`,
    { title: `Messages of ${size}`, unit: 'a second', better: 'more', rounds: 5 },
    [
      { name: 'C: the same ring', call: () => inC(bytes, channelCount) },
      { name: ours, than: 'C: the same ring', call: channel('drain') },
      { name: 'channel, for await', than: 'C: the same ring', call: channel('for') },
      ...Object.entries(others).map(([name, transport]) => ({
        name,
        than: ours,
        call: () => rate(transport, bytes, otherCount),
      })),
    ],
  );
}
const all = {
  channel: transports.channel,
  'process.send, json': json,
  'process.send, advanced': advanced,
  'Unix socket': transports.socket,
  worker_threads: transports.worker,
};
for (const [id, title, measure, count] of [
  [
    'message there and back',
    'Message of 64 bytes there and back, idle',
    roundTrip,
    times(5000, 20),
  ],
  [
    'message to the busy',
    'Message of 64 bytes to a process that is half busy',
    loaded,
    times(200, 5),
  ],
]) {
  const cases = Object.entries(all).map(([name, transport]) => ({
    name,
    than: name === 'channel' ? [] : 'channel',
    call: () => measure(transport, count),
  }));
  await figure(id, { title, unit: 'us', rounds: 5 }, cases);
}
rmSync(folder, { recursive: true });
finish();
