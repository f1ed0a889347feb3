// One end of a channel, in a process or a worker; native/test/channel_peer.c is the same program in C.
//
//   channel-peer send CHANNEL SENDER COUNT SEED MIN MAX [COUNTS [HOW]]
//   channel-peer receive CHANNEL SEED MIN MAX [COUNTS [HOW]]
//
// CHANNEL, and COUNTS (the page in which both sides count; -: none): a descriptor, or the name of inherited
// memory; a worker is given them in its workerData instead, where it has them. COUNT: messages; 0: until it
// is told to stop in COUNTS. HOW: of the functions below, default 'sync'.

import { Buffer } from 'node:buffer';
import { setImmediate as turn } from 'node:timers/promises';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { inherited, Mapping, SharedMemory } from 'memmap';
import { Channel, type Receiver, type Sender } from 'memmap/channel';
import { Checker, Content, Counts } from '../support/channel-content.js';
import { until } from '../support/until.js';

const [what, channelAt = '', ...rest] = process.argv.slice(2);
const [number = '0', count = '0'] = what === 'send' ? rest.splice(0, 2) : [];
const [seed = '', min = '', max = '', countsAt = '-', how = 'sync'] = rest;

function memory(at: string, shared: SharedArrayBuffer | undefined): SharedMemory {
  if (shared !== undefined) return Mapping.from(shared) as SharedMemory;
  return /^\d+$/.test(at) ? SharedMemory.adopt(Number(at)) : inherited(at);
}

const given = (workerData ?? {}) as { channel?: SharedArrayBuffer; counts?: SharedArrayBuffer };
const channel = Channel.open(memory(channelAt, given.channel));
const isCounted = countsAt !== '-';
const counts = new Counts(
  isCounted ? memory(countsAt, given.counts).buffer : new ArrayBuffer(Counts.BYTES),
);
const content = new Content(Number(seed), Number(min), Number(max));

/** Whoever started this may have been killed, and then it would go on for ever. */
const parent = process.ppid;
function mayGoOn(sequence: number): void {
  if ((sequence & 1023) === 0 && process.ppid !== parent) process.exit(1);
}

/** A place whose owner was killed a moment ago is free soon: when its messages are received. */
function place<T>(take: () => T): Promise<T> {
  return until('a place', () => {
    try {
      return take() as T & object;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EBUSY') return undefined;
      throw error;
    }
  });
}

const ways: Record<string, (sender: Sender, message: Buffer) => Promise<unknown> | unknown> = {
  sync: (sender, message) => sender.sendSync(message),
  async: (sender, message) => sender.send(message),
  try: async (sender, message) => {
    while (!sender.trySend(message)) await turn();
  },
};

async function send(): Promise<unknown> {
  const sender = await place(() => channel.sender());
  const { begun, sent, mourned } = counts;
  const way = ways[how]!;
  const buffer = Buffer.alloc(content.max);
  const me = Number(number);
  const last = Number(count);
  sender.on('receiverDied', () => {
    Atomics.add(mourned, me, 1);
    mayGoOn(0);
  });
  let sequence = 0;
  for (; last === 0 ? !counts.stop : sequence < last; sequence++) {
    mayGoOn(sequence);
    const message = content.message(buffer, me, sequence);
    Atomics.store(begun, me, sequence + 1);
    const pending = way(sender, message);
    if (pending instanceof Promise) await pending;
    Atomics.store(sent, me, sequence + 1);
  }
  sender.close();
  return { sender: me, sent: sequence };
}

type Each = (message: Buffer, lane?: number) => void;

/** Until every sender has closed or died. */
const loops: Record<string, (receiver: Receiver, each: Each) => Promise<void> | void> = {
  sync: (receiver, each) => {
    for (let m = receiver.receiveSync(); m !== undefined; m = receiver.receiveSync()) each(m);
  },
  async: async (receiver, each) => {
    for (let m = await receiver.receive(); m !== undefined; m = await receiver.receive()) each(m);
  },
  iterate: async (receiver, each) => {
    for await (const message of receiver) each(message);
  },
  try: async (receiver, each) => {
    for (let last: Buffer | undefined; ; each(last)) {
      for (let m = receiver.tryReceive(); m !== undefined; m = receiver.tryReceive()) each(m);
      last = await receiver.receive();
      if (last === undefined) break;
    }
  },
  drain: async (receiver, each) => {
    for (let m = await receiver.receive(); m !== undefined; m = await receiver.receive()) {
      each(m);
      while (receiver.drain(each, 100) > 0);
    }
  },
  // Goes on until it is killed.
  poll: async (receiver, each) => {
    for (;;) {
      if (receiver.drain(each) > 0) continue;
      mayGoOn(0);
      await turn();
    }
  },
};

async function receive(): Promise<unknown> {
  const receiver = await place(() => channel.receiver());
  let deaths = 0;
  receiver.on('senderDied', () => deaths++);
  const checker = isCounted
    ? new Checker(content, counts.next, counts.odd)
    : new Checker(content, counts.next);
  await loops[how]!(receiver, (message, lane) => {
    checker.check(message, lane);
    mayGoOn(checker.messages);
    Atomics.add(counts.words, 3, 1);
  });
  receiver.close();
  const { messages, bytes, senders } = checker;
  return { messages, bytes, senders, deaths };
}

const result = await (what === 'send' ? send() : receive());
if (isMainThread) console.log(JSON.stringify(result));
else parentPort?.postMessage(result);
