// One channel, its ends in C and in Node, in processes and workers: each is sent, and checks, the same.

import { Worker } from 'node:worker_threads';
import { SharedMemory, share } from 'memmap';
import { Channel } from 'memmap/channel';
import { describe, expect, test } from 'vitest';
import { Checker, Content, Counts } from './support/channel-content.js';
import { native, Program, program, type Result, start } from './support/program.js';

const SEED = 20_260_731;

/** What an end that is a program printed last; it has complained of nothing. */
async function said(one: Program): Promise<unknown> {
  const { code, signal, stdout, stderr } = (await one.ended) as Result;
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

interface Way {
  name: string;
  in: 'C' | 'Node' | 'worker';
  how: string;
}
const ways = (place: Way['in'], ...hows: string[]): Way[] =>
  hows.map((how) => ({ name: `${place} (${how})`, in: place, how }));

/** Starts an end, and says how it ended. */
function peer({ in: place, how }: Way, channel: Channel, args: (string | number)[]) {
  const [what, ...rest] = [...args, '-', how].map(String);
  if (place === 'worker') {
    const worker = new Worker(program('channel-peer'), {
      argv: [what, 'worker', ...rest],
      workerData: { channel: channel.memory.sharedBuffer },
    });
    return new Promise<unknown>((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
      worker.once('exit', (code) => reject(new Error(`a worker ended with ${code}`)));
    });
  }
  const path = place === 'C' ? native('channel_peer') : program('channel-peer');
  // `rest` ends with the way: in C there are two.
  const words = place === 'C' && how !== 'try' ? rest.slice(0, -1) : rest;
  return said(start(path, [what!, '3', ...words], { fds: [channel.memory.fd] }));
}

const senders = [
  ...ways('C', 'sync', 'try'),
  ...ways('Node', 'sync', 'async', 'try'),
  ...ways('worker', 'sync'),
];
const receivers = [
  ...ways('C', 'sync', 'try'),
  ...ways('Node', 'sync', 'async', 'iterate', 'try', 'drain'),
  ...ways('worker', 'async'),
];

describe('one sender, messages from none to the most bytes that there may be', () => {
  // Every way to send to one in the other language, and every way to receive from one.
  const pairs = [
    ...senders.map((sender) => ({ sender, receiver: receivers[sender.in === 'C' ? 3 : 0]! })),
    ...receivers
      .slice(1)
      .map((receiver) => ({ sender: senders[receiver.in === 'C' ? 2 : 0]!, receiver }))
      .filter(({ receiver }) => receiver !== receivers[3]),
  ];
  test.each(pairs)('$sender.name to $receiver.name', async ({ sender, receiver }) => {
    const count = 5000;
    const channel = Channel.create({ capacity: 256 });
    const lengths = [0, channel.maxMessage] as const;
    const receiving = peer(receiver, channel, ['receive', SEED, ...lengths]);
    const sending = peer(sender, channel, ['send', 7, count, SEED, ...lengths]);
    expect(await sending).toEqual({ sender: 7, sent: count });
    const bytes = new Content(SEED, ...lengths).total(7, count);
    expect(await receiving).toEqual({ messages: count, bytes, senders: 1, deaths: 0 });
    channel.memory.unmap();
  });
});

describe('four senders at once, in C, a process and workers', () => {
  test.each([...ways('C', 'sync'), ...ways('Node', 'sync', 'drain')])('to $name', async (way) => {
    const count = 5000;
    const channel = Channel.create({ capacity: 1024, producers: 5 });
    // So that nobody is the last one before the others have begun.
    const open = channel.sender();
    const lengths = [8, channel.maxMessage] as const;
    const mixed = [senders[0]!, senders[2]!, senders[5]!, senders[5]!];
    const receiving = peer(way, channel, ['receive', SEED, ...lengths]);
    const sending = mixed.map((one, i) => peer(one, channel, ['send', i, count, SEED, ...lengths]));
    expect(await Promise.all(sending)).toEqual(mixed.map((_, i) => ({ sender: i, sent: count })));
    open.close();
    const content = new Content(SEED, ...lengths);
    const bytes = mixed.reduce((sum, _, i) => sum + content.total(i, count), 0);
    expect(await receiving).toEqual({ messages: 4 * count, bytes, senders: 4, deaths: 0 });
    channel.memory.unmap();
  });
});

/** A process that finds the channel by share(). */
const inheriting = (channel: Channel, args: (string | number)[]) => {
  const { env } = share({ lane: channel.memory }, { stdio: [], env: process.env });
  return said(
    new Program(process.execPath, [program('channel-peer'), ...args.map(String)], {
      env: env as Record<string, string>,
      fds: [channel.memory.fd],
    }),
  );
};

test('share() and inherited(): a process sends to this one', async () => {
  const count = 1000;
  const channel = Channel.create({ capacity: 4096 });
  const receiver = channel.receiver();
  const sending = inheriting(channel, ['send', 'lane', 3, count, SEED, 8, 100]);
  const checker = new Checker(new Content(SEED, 8, 100));
  for await (const message of receiver) checker.check(message);
  expect(await sending).toEqual({ sender: 3, sent: count });
  expect(checker.messages).toBe(count);
  expect(receiver.closed).toBe(false);
  channel.memory.unmap();
});

test('share() and inherited(): this process sends to one', async () => {
  const count = 1000;
  const channel = Channel.create({ capacity: 4096 });
  const receiving = inheriting(channel, ['receive', 'lane', SEED, 8, 100, '-', 'async']);
  const content = new Content(SEED, 8, 100);
  const buffer = Buffer.alloc(100);
  const sender = channel.sender();
  for (let i = 0; i < count; i++) await sender.send(content.message(buffer, 5, i));
  sender.close();
  const bytes = content.total(5, count);
  expect(await receiving).toEqual({ messages: count, bytes, senders: 1, deaths: 0 });
  channel.memory.unmap();
});

test('what is sent before there is a receiver waits for it, and for the next where one has closed', async () => {
  const channel = Channel.create({ capacity: 1 << 16 });
  const page = SharedMemory.create(Counts.BYTES);
  const sending = peer(senders[0]!, channel, ['send', 1, 100, SEED, 8, 100]);
  expect(await sending).toEqual({ sender: 1, sent: 100 });
  const content = new Content(SEED, 8, 100);
  const checker = new Checker(content, new Counts(page.buffer).next);
  const first = channel.receiver();
  for (let i = 0; i < 40; i++) checker.check(first.tryReceive()!);
  first.close();
  // The second goes on where the page says that the first has left off.
  const fds = [channel.memory.fd, page.fd];
  const args = ['receive', '3', `${SEED}`, '8', '100', '4'];
  const rest = await said(start(native('channel_peer'), args, { fds }));
  expect(rest).toMatchObject({ messages: 60, senders: 1, deaths: 0 });
  expect(new Counts(page.buffer)).toMatchObject({ missed: 0, repeated: 0, received: 60 });
  channel.memory.unmap();
  page.unmap();
});

describe('the layout is what native/include/memmap_channel_layout.h draws', () => {
  /** The words of a lane that a sender and a receiver have written, and its first records. */
  async function traceOf(sender: Way): Promise<{ words: number[]; data: Buffer }> {
    const channel = Channel.create({ capacity: 4096, producers: 2 });
    await peer(sender, channel, ['send', 9, 50, SEED, 8, 100]);
    const words = channel.memory.view(Int32Array, 0, 1024);
    expect([...words.subarray(0, 5)]).toEqual([0x48434d4d, 1, 2, 4096, 1]);
    const data = Buffer.from(channel.memory.view(Uint8Array, 4096, 4096));
    const lane = [...words.subarray(64, 64 + 48)];
    channel.memory.unmap();
    return { words: lane, data };
  }

  test('a sender in C and one in Node leave the same bytes', async () => {
    const ofC = await traceOf(senders[0]!);
    const ofNode = await traceOf(senders[2]!);
    expect(ofNode.words).toEqual(ofC.words);
    expect(ofNode.data.equals(ofC.data)).toBe(true);
    // Nobody holds it; one sender has opened and closed it.
    expect(ofC.words.slice(0, 4)).toEqual([0, 0, 1, 1]);
    const content = new Content(SEED, 8, 100);
    const buffer = Buffer.alloc(100);
    let at = 0;
    for (let i = 0; i < 50; i++) {
      const message = content.message(buffer, 9, i);
      expect(ofC.data.readUInt32LE(at)).toBe(message.length);
      expect(ofC.data.readUInt32LE(at + 4)).toBe(0);
      expect(ofC.data.subarray(at + 8, at + 8 + message.length).equals(message)).toBe(true);
      at += 8 + Math.ceil(message.length / 8) * 8;
    }
    expect(ofC.words[4]).toBe(at);
  });

  test('a receiver in C and one in Node leave the same words', async () => {
    const trace = async (receiver: Way) => {
      const channel = Channel.create({ capacity: 4096, producers: 2 });
      await peer(senders[0]!, channel, ['send', 9, 50, SEED, 8, 100]);
      await peer(receiver, channel, ['receive', SEED, 8, 100]);
      const words = [...channel.memory.view(Int32Array, 0, 1024)];
      channel.memory.unmap();
      return words;
    };
    const ofC = await trace(receivers[0]!);
    expect(await trace(receivers[3]!)).toEqual(ofC);
    // Nobody holds it; one receiver has opened and closed it, and has received all.
    expect(ofC.slice(16, 20)).toEqual([0, 0, 1, 1]);
    expect(ofC[64 + 16]).toBe(ofC[64 + 4]);
  });
});
