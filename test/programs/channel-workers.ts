// Workers as senders and receivers of one channel, which they find in one of three ways; and what is seen of
// one that is terminated.
//
//   channel-workers inherited|adopt|from SCENARIO      for the first, memory named 'channel' was handed over
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { inherited, Mapping, SharedMemory } from 'memmap';
import { Channel } from 'memmap/channel';
import { until } from '../support/until.js';

type Way = 'inherited' | 'adopt' | 'from';
interface Task {
  way: Way;
  role: string;
  fd: number;
  shared: SharedArrayBuffer;
  number: number;
}

const COUNT = 1000;
const message = (who: number, number: number): Buffer => {
  const made = Buffer.alloc(8 + (number % 300), number);
  made.writeUInt32LE(who, 0);
  made.writeUInt32LE(number, 4);
  return made;
};
const same = (got: Buffer | undefined, who: number, number: number): void => {
  if (!got?.equals(message(who, number)))
    throw new Error(`not message ${number} of ${who}: ${got}`);
};
const assert = (what: string, got: unknown, expected: unknown): void => {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
};

// --- the workers

function open({ way, fd, shared }: Task): Channel {
  if (way === 'inherited') return Channel.open(inherited('channel'));
  if (way === 'adopt') return Channel.open(SharedMemory.adopt(fd));
  return Channel.open(Mapping.from(shared) as SharedMemory);
}

const roles: Record<string, (channel: Channel, number: number) => Promise<void> | void> = {
  async sends(channel, number) {
    const sender = channel.sender();
    for (let i = 0; i < COUNT; i++) {
      if (i % 3 === 0) sender.sendSync(message(number, i));
      else await sender.send(message(number, i));
    }
    sender.close();
  },
  async receives(channel) {
    const receiver = channel.receiver();
    parentPort?.postMessage('receiving');
    let count = 0;
    for await (const got of receiver) same(got, 0, count++);
    parentPort?.postMessage(count);
  },
  receivesSync(channel) {
    const receiver = channel.receiver();
    parentPort?.postMessage('receiving');
    let count = 0;
    for (let got = receiver.receiveSync(); got !== undefined; got = receiver.receiveSync())
      same(got, 0, count++);
    parentPort?.postMessage(count);
  },
  sendsFive(channel) {
    const sender = channel.sender();
    for (let i = 0; i < 5; i++) sender.trySend(message(0, i));
    parentPort?.postMessage('sent');
    setInterval(() => {}, 1000);
  },
  sendsForEver(channel) {
    const sender = channel.sender();
    for (let i = 0; ; i++) sender.sendSync(message(0, i));
  },
  exits(channel) {
    channel.sender().trySend(message(0, 0));
    process.exit(0);
  },
  receivesThree(channel) {
    const receiver = channel.receiver();
    for (let i = 0; i < 3; i++) same(receiver.receiveSync(), 0, i);
    parentPort?.postMessage('received');
    receiver.receive().then(() => receiver.receive());
    setInterval(() => {}, 1000);
  },
  /** Blocked in the kernel when it is terminated. */
  receivesForEver(channel) {
    const receiver = channel.receiver();
    parentPort?.postMessage('receiving');
    for (;;) receiver.receiveSync();
  },
  async waits(channel) {
    const receiver = channel.receiver();
    parentPort?.postMessage('waiting');
    const code = await receiver.receive().then(
      () => 'a message',
      (error: { code: string }) => error.code,
    );
    try {
      receiver.close();
    } catch {
      // The memory is gone.
    }
    parentPort?.postMessage(code);
  },
};

// --- the main thread

const [way, scenario = ''] = process.argv.slice(2) as [Way, string?];

function made(): Channel {
  if (way === 'inherited') return Channel.open(inherited('channel'));
  return Channel.create({ capacity: 4096, producers: 3 });
}
function worker(channel: Channel, role: string, number = 0): Worker {
  const { memory } = channel;
  const task: Task = { way, role, fd: memory.fd, shared: memory.sharedBuffer, number };
  return new Worker(new URL(import.meta.url), { workerData: task });
}
const ended = (one: Worker): Promise<void> =>
  new Promise((resolve, reject) => {
    one.once('error', reject).once('exit', () => resolve());
  });
const said = (one: Worker): Promise<unknown> =>
  new Promise((resolve, reject) => {
    one.once('error', reject).once('message', resolve);
  });

const scenarios: Record<string, (channel: Channel) => Promise<void>> = {
  async senders(channel) {
    const receiver = channel.receiver();
    const all = [0, 1, 2].map((number) => ended(worker(channel, 'sends', number)));
    const next = [0, 0, 0];
    const died: number[] = [];
    receiver.on('senderDied', (lane) => died.push(lane));
    const done = () => next.every((count) => count === COUNT);
    // Workers that start late: all that were there may have closed before.
    while (!done()) {
      for await (const got of receiver) {
        const who = got.readUInt32LE(0);
        same(got, who, next[who] as number);
        next[who] = (next[who] ?? 0) + 1;
      }
    }
    await Promise.all(all);
    assert('deaths', died, []);
  },
  async receivers(channel) {
    for (const role of ['receives', 'receivesSync']) {
      const sender = channel.sender();
      const one = worker(channel, role);
      // Its last message and its end may come in one turn.
      const end = ended(one);
      await said(one);
      const count = said(one);
      for (let i = 0; i < COUNT; i++) await sender.send(message(0, i));
      sender.close();
      assert(role, await count, COUNT);
      await end;
    }
  },
  async 'a sender is terminated'(channel) {
    const receiver = channel.receiver();
    // Which lane it was: a place that nobody holds is taken before one that a dead sender holds.
    let died = 0;
    receiver.on('senderDied', () => died++);
    for (let round = 1; round <= 3; round++) {
      const one = worker(channel, 'sendsFive');
      await said(one);
      await one.terminate();
      for (let i = 0; i < 5; i++) same(await receiver.receive(), 0, i);
      assert('the end', await receiver.receive(), undefined);
      assert('again', await receiver.receive(), undefined);
      assert('receiveSync', receiver.receiveSync(0), undefined);
      assert('deaths', died, round);
    }
    // Its place is free.
    const senders = [channel.sender(), channel.sender(), channel.sender()];
    senders[0]?.trySend(message(0, 0));
    same(await receiver.receive(), 0, 0);
    for (const sender of senders) sender.close();
    assert('after an end in order', await receiver.receive(), undefined);
    assert('deaths', died, 3);
  },
  async 'a sender is terminated while it is blocked'(channel) {
    const receiver = channel.receiver();
    let died = 0;
    receiver.on('senderDied', () => died++);
    const one = worker(channel, 'sendsForEver');
    same(await receiver.receive(), 0, 0);
    await one.terminate();
    let count = 1;
    for await (const got of receiver) same(got, 0, count++);
    assert('deaths', died, 1);
  },
  async 'a sender exits in order'(channel) {
    const receiver = channel.receiver();
    let died = 0;
    receiver.on('senderDied', () => died++);
    await ended(worker(channel, 'exits'));
    same(await receiver.receive(), 0, 0);
    assert('the end', await receiver.receive(), undefined);
    assert('deaths', died, 0);
  },
  async 'a receiver is terminated'(channel) {
    const sender = channel.sender();
    let died = 0;
    sender.on('receiverDied', () => died++);
    let sent = 0;
    while (sender.trySend(message(0, sent))) sent++;
    const one = worker(channel, 'receivesThree');
    await said(one);
    await one.terminate();
    while (sender.trySend(message(0, sent))) sent++;
    const waiting = sender.send(message(0, sent));
    await until('receiverDied', () => died > 0);
    const receiver = channel.receiver();
    const first = receiver.receiveSync()?.readUInt32LE(4) as number;
    // That one may have had one more, in its receive().
    if (first !== 3 && first !== 4 && first !== 5) throw new Error(`begins with ${first}`);
    for (let i = first + 1; i <= sent; i++) same(await receiver.receive(), 0, i);
    await waiting;
    assert('told', died, 1);
    receiver.close();
    assert('after an end in order', await sender.send(message(0, 0)).catch((e) => e.code), 'EPIPE');
    assert('told', died, 1);
  },
  async 'a receiver is terminated while it is blocked'(channel) {
    const sender = channel.sender();
    let died = 0;
    sender.on('receiverDied', () => died++);
    for (let round = 1; round <= 2; round++) {
      const one = worker(channel, 'receivesForEver');
      await said(one);
      sender.trySend(message(0, 0));
      await one.terminate();
      while (sender.trySend(message(0, 1)));
      const waiting = sender.send(message(0, 1));
      await until('receiverDied', () => died === round);
      const receiver = channel.receiver();
      while (receiver.tryReceive() !== undefined);
      await waiting;
      while (receiver.tryReceive() !== undefined);
      // Not in order: what follows finds the place given up.
      if (round === 1) receiver.close();
    }
  },
  async 'the memory is unmapped'(channel) {
    const one = worker(channel, 'waits');
    await said(one);
    const code = said(one);
    const sender = channel.sender();
    channel.memory.unmap();
    assert('sender', await sender.send(message(0, 0)).catch((e) => e.code), 'ERR_MAPPING_CLOSED');
    if (way === 'from') {
      // One mapping, which both have used.
      assert('its receiver', await code, 'ERR_MAPPING_CLOSED');
    } else {
      // A mapping of its own.
      await one.terminate();
    }
  },
};

if (isMainThread) {
  const memory = made();
  await scenarios[scenario]?.(memory);
  console.log('well');
} else {
  const task = workerData as Task;
  await roles[task.role]?.(open(task), task.number);
}
