// `memmap/channel`: what must compile, with the types that come out of it, and what must not. As usage.test-d.ts.

import { inherited, share } from 'memmap';
import { Channel, type Receiver, type Sender } from 'memmap/channel';
import { is } from './same.js';

const channel = Channel.create({ capacity: 4096 });
Channel.create({ capacity: 4096, producers: 3 });
Channel.open(inherited('results'));
share({ results: channel.memory });
is<typeof channel, Channel>(channel);
is<typeof channel.maxMessage, number>(channel.maxMessage);

// --- senders

using sender: Sender = channel.sender();
const { signal } = new AbortController();
const sent = sender.send(Buffer.from('text'), { signal });
is<typeof sent, Promise<void>>(sent);
is<ReturnType<Sender['trySend']>, boolean>(sender.trySend(new Uint8Array(8)));
is<ReturnType<Sender['sendSync']>, boolean>(sender.sendSync(new Uint8Array(8), 100));
sender
  .on('receiverDied', () => {})
  .once('receiverDied', () => {})
  .close();
const over: boolean = sender.closed;

// --- the receiver

using receiver: Receiver = channel.receiver();
for await (const message of receiver) is<typeof message, Buffer>(message);
is<ReturnType<Receiver['receive']>, Promise<Buffer | undefined>>(receiver.receive({ signal }));
is<ReturnType<Receiver['tryReceive']>, Buffer | undefined>(receiver.tryReceive());
is<ReturnType<Receiver['receiveSync']>, Buffer | undefined>(receiver.receiveSync(0));
const count: number = receiver.drain((message, lane) => {
  is<typeof message, Buffer>(message);
  is<typeof lane, number>(lane);
}, 10);
receiver.drain(() => 'whatever it returns');
receiver
  .ref()
  .unref()
  .on('senderDied', (lane) => is<typeof lane, number>(lane));

// --- what is none

// @ts-expect-error: made by create() or open()
new Channel();
// @ts-expect-error
Channel.create();
// @ts-expect-error
Channel.create({ producers: 1 });
// @ts-expect-error
Channel.create({ capacity: '4096' });
// @ts-expect-error: misspelt
Channel.create({ capacity: 4096, producer: 1 });
// @ts-expect-error: its memory
Channel.open(channel);
// @ts-expect-error
Channel.open(channel.memory.buffer);
// @ts-expect-error
channel.maxMessage = 1;
// @ts-expect-error
channel.memory = inherited('other');
// @ts-expect-error
sender.trySend('text');
// @ts-expect-error
sender.trySend(new Uint16Array(8));
// @ts-expect-error
sender.send(new Uint16Array(8));
// @ts-expect-error
sender.send(new Uint8Array(8), signal);
// @ts-expect-error
sender.sendSync(new Uint8Array(8), { timeout: 1 });
// @ts-expect-error: an event of the other end
sender.on('senderDied', () => {});
// @ts-expect-error
sender.closed = true;
// @ts-expect-error
receiver.on('receiverDied', () => {});
// @ts-expect-error
receiver.drain();
// @ts-expect-error
receiver.drain((message: string) => message);
// @ts-expect-error: there may be none
const certain: Buffer = receiver.tryReceive();
// @ts-expect-error: it is not to be iterated at once
const all: Buffer[] = [...receiver];

export { all, certain, count, over };
