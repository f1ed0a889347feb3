// Channels, between threads and between processes.

import assert from 'node:assert/strict';
import { Channel, type Receiver } from 'memmap/channel';
import { child, type Features, type Roles, RoleWorker } from './feature.js';
import { given, handOver } from './sync.js';

const COUNT = 2000;

/** Every number once, in order; and then the end. */
async function takes(receiver: Receiver): Promise<void> {
  let next = 0;
  for await (const message of receiver) assert.equal(message.readUInt32LE(), next++);
  assert.equal(next, COUNT);
}

async function withWorker(how: string): Promise<void> {
  const channel = Channel.create({ capacity: 4096 });
  const worker = new RoleWorker('channel/sends', [how, channel.memory.fd]);
  await takes(channel.receiver());
  assert.equal(await worker.ended, 0);
  channel.memory.unmap();
}

export const features: Features = {
  async 'within a thread'() {
    const channel = Channel.create({ capacity: 4096 });
    const receiver = channel.receiver();
    const sender = channel.sender();
    const received = receiver.receive();
    await sender.send(Buffer.from('first'));
    assert.equal(String(await received), 'first');
    sender.trySend(Buffer.from('second'));
    assert.equal(
      receiver.drain((message) => assert.equal(String(message), 'second')),
      1,
    );
    sender.close();
    assert.equal(await receiver.receive(), undefined);
    channel.memory.unmap();
  },
  'with a worker': () => withWorker(''),
  'with a worker that blocks': () => withWorker('blocks'),
  async 'with a process'() {
    const channel = Channel.create({ capacity: 4096 });
    const other = child('channel/sends', [''], handOver(channel.memory));
    await takes(channel.receiver());
    assert.equal((await other.ended).code, 0);
    channel.memory.unmap();
  },
  async 'a sender that is killed'() {
    const channel = Channel.create({ capacity: 1 << 16 });
    const receiver = channel.receiver();
    const died: number[] = [];
    receiver.on('senderDied', (sender) => died.push(sender));
    const other = child('channel/sendsOne', [], handOver(channel.memory));
    assert.equal(String(await receiver.receive()), 'one');
    await other.kill();
    assert.equal(await receiver.receive(), undefined);
    assert.equal(died.length, 1);
    channel.memory.unmap();
  },
};

export const roles: Roles = {
  async sends(how = '', fd = '') {
    const sender = Channel.open(given(fd)).sender();
    const message = Buffer.alloc(64);
    for (let i = 0; i < COUNT; i++) {
      message.writeUInt32LE(i);
      if (how === 'blocks') sender.sendSync(message);
      else await sender.send(message);
    }
    sender.close();
  },
  async sendsOne() {
    await Channel.open(given('')).sender().send(Buffer.from('one'));
    setInterval(() => {}, 1 << 20);
  },
};
