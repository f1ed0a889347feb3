// memmap/channel: a queue for each lane, and who holds which end.

import { SharedMemory } from 'memmap';
import { Channel, type Receiver, type Sender } from 'memmap/channel';
import type { World } from './world.js';

const RECORD = 8;

interface LaneModel {
  queue: Buffer[];
  /** Bytes, counted on without end. */
  head: number;
  tail: number;
  sender: Sender | undefined;
}

/** One channel, which this process uses alone. */
export class ChannelModel {
  readonly #world: World;
  readonly #channel: Channel;
  readonly #again: Channel;
  readonly #memory: SharedMemory;
  readonly #capacity: number;
  readonly #lanes: LaneModel[];
  #receiver: Receiver | undefined;
  #receivers = 0;
  #senders = 0;
  #serial = 0;
  closed = false;

  constructor(world: World) {
    const { draw } = world;
    this.#world = world;
    this.#capacity = draw.of([64, 256, 1024, 4096]);
    const capacity = Math.max(64, this.#capacity - draw.below(this.#capacity / 2));
    const producers = 1 + draw.below(3);
    const args = [{ capacity, producers }];
    this.#channel = world.call<Channel>('Channel', 'Channel', Channel, 'create', args) as Channel;
    const { memory, maxMessage } = this.#channel;
    world.equal('memory', world.get('Channel', 'channel', this.#channel, 'memory'), memory);
    world.get('Channel', 'channel', this.#channel, 'maxMessage');
    world.equal('maxMessage', maxMessage, this.#capacity / 2 - RECORD);
    // The same through another mapping.
    this.#memory = draw.once(2) ? memory : SharedMemory.adopt(memory.fd);
    const open = [this.#memory];
    this.#again = world.call<Channel>('Channel', 'Channel', Channel, 'open', open) as Channel;
    this.#lanes = Array.from({ length: producers }, () => ({
      ...{ queue: [], head: 0, tail: 0, sender: undefined },
    }));
  }

  // --- the rings ------------------------------------------------------------------------------------

  #size(lane: LaneModel, length: number): number {
    const size = (length + 2 * RECORD - 1) & -RECORD;
    const place = lane.tail % this.#capacity;
    return size > this.#capacity - place ? size + this.#capacity - place : size;
  }
  #hasRoom(lane: LaneModel, length: number): boolean {
    return lane.tail - lane.head + this.#size(lane, length) <= this.#capacity;
  }
  #sent(lane: LaneModel, message: Buffer): void {
    lane.tail += this.#size(lane, message.length);
    lane.queue.push(message);
    // What is skipped and what is taken is counted by the tail alone: both ends agree on it.
    sizes.set(message, lane.tail);
  }
  #received(message: Buffer | undefined, among = this.#lanes): void {
    const lane = among.find(({ queue }) => message !== undefined && queue[0]?.equals(message));
    if (lane === undefined) {
      const next = among.map(({ queue }) => queue[0]?.toString('hex'));
      this.#world.fail('a message', message?.toString('hex'), next);
    }
    lane.head = sizes.get(lane.queue.shift() as Buffer) as number;
  }
  get #isEmpty(): boolean {
    return this.#lanes.every(({ queue }) => queue.length === 0);
  }
  /** No sender could send any more. */
  get #isOver(): boolean {
    return this.#senders > 0 && this.#isEmpty && this.#lanes.every(({ sender }) => !sender);
  }

  #message(): Buffer {
    const { draw } = this.#world;
    const most = this.#channel.maxMessage;
    const length = 4 + draw.below(draw.once(4) ? most - 3 : Math.min(most - 3, 40));
    const message = Buffer.alloc(length, this.#serial & 0xff);
    message.writeUInt32LE(++this.#serial);
    return message;
  }

  // --- operations -----------------------------------------------------------------------------------

  async run(): Promise<void> {
    const { draw } = this.#world;
    const senders = this.#lanes.filter(({ sender }) => sender !== undefined);
    const kind = draw.below(40);
    if (kind < 3 || (senders.length === 0 && draw.once(2))) this.#openSender();
    else if (kind < 5 || (this.#receiver === undefined && draw.once(4))) this.#openReceiver();
    else if (kind < 22 && senders.length > 0) await this.#send(draw.of(senders));
    else if (kind < 36 && this.#receiver !== undefined) await this.#receive(this.#receiver);
    else if (kind < 38 && senders.length > 0) this.#closeSender(draw.of(senders));
    else if (kind === 38 && this.#receiver !== undefined) this.#closeReceiver();
    else if (kind === 39 && draw.once(6)) this.end();
  }

  #some(): Channel {
    return this.#world.draw.of([this.#channel, this.#again]);
  }

  #openSender(): void {
    const free = this.#lanes.find(({ sender, queue }) => !sender && queue.length === 0);
    const code = free === undefined ? 'EBUSY' : '';
    const channel = this.#some();
    const sender = this.#world.call<Sender>('Channel', 'channel', channel, 'sender', [], code);
    if (sender === undefined || free === undefined) return;
    free.sender = sender;
    this.#senders++;
    const listener = () => this.#world.fail('an event', 'receiverDied', 'none');
    const method = this.#world.draw.of(['on', 'once'] as const);
    this.#world.call('Sender', 'sender', sender, method, ['receiverDied', listener]);
    const args = ['receiverDied', listener];
    if (this.#world.draw.once(4)) this.#world.call('Sender', 'sender', sender, 'off', args);
    this.#world.equal('closed', this.#world.get('Sender', 'sender', sender, 'closed'), false);
  }

  #openReceiver(): void {
    const world = this.#world;
    const code = this.#receiver === undefined ? '' : 'EBUSY';
    const got = world.call<Receiver>('Channel', 'channel', this.#some(), 'receiver', [], code);
    if (got === undefined) return;
    this.#receiver = got;
    this.#receivers++;
    const listener = () => world.fail('an event', 'senderDied', 'none');
    const method = world.draw.of(['on', 'once'] as const);
    world.call('Receiver', 'receiver', got, method, ['senderDied', listener]);
    if (world.draw.once(4))
      world.call('Receiver', 'receiver', got, 'off', ['senderDied', listener]);
    world.equal('closed', world.get('Receiver', 'receiver', got, 'closed'), false);
    const ref = world.draw.of(['ref', 'unref'] as const);
    world.equal(ref, world.call('Receiver', 'receiver', got, ref), got);
    world.call('Receiver', 'receiver', got, 'ref');
  }

  async #send(lane: LaneModel): Promise<void> {
    const world = this.#world;
    const { draw } = world;
    const sender = lane.sender as Sender;
    const tooLong = draw.once(20);
    const message = tooLong ? Buffer.alloc(this.#channel.maxMessage + 1) : this.#message();
    const hasClosed = this.#receivers > 0 && this.#receiver === undefined;
    const code = tooLong ? 'ERR_OUT_OF_RANGE' : hasClosed ? 'EPIPE' : '';
    const fits = this.#hasRoom(lane, message.length);
    const how = draw.below(12);
    const args: unknown[] = [message];
    if (how < 9) {
      const got = world.call('Sender', 'sender', sender, 'trySend', args, code);
      if (code === '') world.equal('trySend()', got, fits);
      if (got === true) this.#sent(lane, message);
    } else if (how === 9) {
      // The rest of the time is spent in the kernel: without room not too often.
      if (!fits && code === '' && !draw.once(4)) return;
      const got = world.call('Sender', 'sender', sender, 'sendSync', [message, fits ? 5 : 1], code);
      if (code === '') world.equal('sendSync()', got, fits);
      if (got === true) this.#sent(lane, message);
    } else if (fits || code !== '') {
      await world.callAsync('Sender', 'sender', sender, 'send', args, code);
      if (code === '') this.#sent(lane, message);
    } else {
      await this.#sendWithoutRoom(lane, sender, message);
    }
  }

  async #sendWithoutRoom(lane: LaneModel, sender: Sender, message: Buffer): Promise<void> {
    const world = this.#world;
    if (this.#receiver === undefined || world.draw.once(2)) {
      const abort = new AbortController();
      const args = [message, { signal: abort.signal }];
      const sending = world.callAsync('Sender', 'sender', sender, 'send', args, 'AbortError');
      world.equal(
        'trySend() behind another',
        world.call('Sender', 'sender', sender, 'trySend', [message]),
        false,
      );
      abort.abort();
      await sending;
      return;
    }
    const sending = world.callAsync('Sender', 'sender', sender, 'send', [message]);
    // All that is there; then there is room.
    const messages: Buffer[] = [];
    const drain = (one: Buffer) => messages.push(Buffer.from(one));
    world.call('Receiver', 'receiver', this.#receiver, 'drain', [drain]);
    for (const one of messages) this.#received(one);
    await sending;
    this.#sent(lane, message);
  }

  async #receive(receiver: Receiver): Promise<void> {
    const world = this.#world;
    const { draw } = world;
    const of = ['Receiver', 'receiver', receiver] as const;
    const how = draw.below(14);
    if (how < 7) {
      const got = world.call<Buffer>(...of, 'tryReceive');
      if (this.#isEmpty) world.equal('tryReceive()', got, undefined);
      else this.#received(got);
    } else if (how < 11) {
      const limit = draw.of([undefined, 0, 1, 3]);
      const there = this.#lanes.reduce((sum, { queue }) => sum + queue.length, 0);
      const each = (one: Buffer, lane: number) => {
        this.#received(one, [this.#lanes[lane] as LaneModel]);
      };
      const args = limit === undefined ? [each] : [each, limit];
      world.equal('drain()', world.call(...of, 'drain', args), Math.min(limit ?? there, there));
    } else if (how === 11) {
      if (this.#isEmpty && !this.#isOver && !draw.once(4)) return;
      const got = world.call<Buffer>(...of, 'receiveSync', [this.#isEmpty ? 1 : 100]);
      if (this.#isEmpty) world.equal('receiveSync()', got, undefined);
      else this.#received(got);
    } else if (!this.#isEmpty || this.#isOver) {
      await this.#receiveAsync(receiver, draw.below(3));
    } else {
      await this.#receiveLater(receiver, draw.once(2));
    }
  }

  async #receiveAsync(receiver: Receiver, how: number): Promise<void> {
    const world = this.#world;
    const of = ['Receiver', 'receiver', receiver] as const;
    const over = this.#isOver;
    if (how === 0) {
      world.equal('ready()', await world.callAsync(...of, 'ready', []), !over);
    } else if (how === 1) {
      const got = await world.callAsync<Buffer>(...of, 'receive', []);
      if (over) world.equal('receive()', got, undefined);
      else this.#received(got);
    } else {
      const each = world.call(...of, Symbol.asyncIterator) as AsyncIterator<Buffer>;
      const { done, value } = await each.next();
      world.equal('done', done, over);
      if (!over) this.#received(value as Buffer);
    }
  }

  /** Nothing is there: it waits, until it gives up or something is sent. */
  async #receiveLater(receiver: Receiver, gives: boolean): Promise<void> {
    const world = this.#world;
    const lane = this.#lanes.find(({ sender }) => sender !== undefined);
    const of = ['Receiver', 'receiver', receiver] as const;
    if (gives || lane?.sender === undefined) {
      const abort = new AbortController();
      const options = [{ signal: abort.signal }];
      const waiting = world.callAsync(...of, 'receive', options, 'AbortError');
      abort.abort();
      await waiting;
      return;
    }
    const waiting = world.callAsync<Buffer>(...of, 'receive', []);
    const message = this.#message();
    world.equal(
      'trySend()',
      world.call('Sender', 'sender', lane.sender, 'trySend', [message]),
      true,
    );
    this.#sent(lane, message);
    this.#received(await waiting);
  }

  #closeSender(lane: LaneModel): void {
    const world = this.#world;
    const sender = lane.sender as Sender;
    const of = ['Sender', 'sender', sender] as const;
    world.call(...of, world.draw.of(['close', Symbol.dispose] as const));
    world.call(...of, 'close');
    world.equal('closed', world.get('Sender', 'sender', sender, 'closed'), true);
    world.call(...of, 'trySend', [Buffer.alloc(1)], 'ERR_CHANNEL_CLOSED');
    lane.sender = undefined;
  }

  #closeReceiver(): void {
    const world = this.#world;
    const receiver = this.#receiver as Receiver;
    const of = ['Receiver', 'receiver', receiver] as const;
    world.call(...of, world.draw.of(['close', Symbol.dispose] as const));
    world.equal('closed', world.get(...of, 'closed'), true);
    world.call(...of, 'tryReceive', [], 'ERR_CHANNEL_CLOSED');
    this.#receiver = undefined;
  }

  /** The memory is unmapped, with the ends open or closed. */
  end(): void {
    const world = this.#world;
    const before = world.draw.once(2);
    if (before) this.#closeAll();
    this.#memory.unmap();
    this.#channel.memory.unmap();
    const code = 'ERR_MAPPING_CLOSED';
    const message = [Buffer.alloc(1)];
    for (const { sender } of this.#lanes) {
      if (sender !== undefined) world.call('Sender', 'sender', sender, 'trySend', message, code);
    }
    const receiver = this.#receiver;
    if (receiver !== undefined)
      world.call('Receiver', 'receiver', receiver, 'tryReceive', [], code);
    world.call('Channel', 'channel', this.#channel, 'sender', [], code);
    world.call('Channel', 'channel', this.#channel, 'receiver', [], code);
    this.#closeAll();
    this.closed = true;
  }
  #closeAll(): void {
    for (const lane of this.#lanes) {
      lane.sender?.close();
      lane.sender = undefined;
    }
    this.#receiver?.close();
    this.#receiver = undefined;
  }
}

/** Where the ring is read from when a message has been received. */
const sizes = new WeakMap<Buffer, number>();
