// A channel in use, in a segment that is spoilt meanwhile. There may be messages and errors with a code, and
// nothing else: no crash, nothing that does not come back.
//
//   channel-fuzz steps STEPS SEED      use and spoiling in turn, in this process
//   channel-fuzz beside ROUNDS SEED    another process spoils it at any time, while tasks use it
//   channel-fuzz spoiler SEED          that process
//
// Prints the seed first, and a line of JSON last. A seed brings about the same calls again, and the same
// changes; in which order those of two processes come nobody can say.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { inherited, SharedMemory, share, stats } from 'memmap';
import { Channel, type Receiver, type Sender } from 'memmap/channel';
import { AT, DATA, LANE, LANE_BYTES } from '../support/channel-layout.js';
import { Draw } from '../support/draw.js';
import { collected } from '../support/gc.js';
import { until } from '../support/until.js';

export interface Report {
  /** Of the choices that the seed has brought about; of `steps` only. */
  digest: string;
  calls: Record<string, number>;
  errors: Record<string, number>;
  messages: number;
  spoilt: number;
  left: object;
}

const [mode = '', amount = '', given] = process.argv.slice(2);
const SIZE = 64 << 10;
const CODES = ['ERR_CHANNEL_CORRUPT', 'ERR_CHANNEL_CLOSED', 'EPIPE', 'EBUSY', 'EPERM'];

/** Changes something in a channel's segment. */
class Spoiler {
  readonly #draw: Draw;
  readonly #bytes: Buffer;
  readonly #words: Int32Array;
  /** What words were once. */
  readonly #old: [at: number, value: number][] = [];
  count = 0;

  constructor(memory: SharedMemory, draw: Draw) {
    this.#draw = draw;
    this.#bytes = memory.bytes as Buffer;
    this.#words = memory.view(Int32Array);
  }

  /** A word that means something: as an index. */
  #word(): number {
    const draw = this.#draw;
    const lane = AT.lane + draw.below(3) * LANE_BYTES;
    return (
      draw.of([
        ...[AT.receiver, AT.receiverOpens, AT.receiverClosed, AT.bell],
        ...Object.values(LANE).map((field) => lane + field),
        // Lengths of messages, and what is between them.
        ...Array.from({ length: 8 }, () => DATA + 8 * draw.below(200)),
      ]) / 4
    );
  }

  #value(now: number): number {
    const draw = this.#draw;
    return (
      draw.of([
        ...[0, 1, -1, 8, 64, now + 8, now - 8, now + 4096, now + 1, -now, now ^ 0x4000_0000],
        ...[2 ** 31 - 1, -(2 ** 31), 0x3fff_ffff, draw.below(2 ** 32), draw.below(4096)],
        now ^ (1 << draw.below(32)),
      ]) | 0
    );
  }

  spoil(): void {
    const draw = this.#draw;
    const at = this.#word();
    const how = draw.below(8);
    this.count++;
    if (how === 0) {
      // Any byte at all, but for what is written once: that would be another channel.
      const place = AT.receiver + draw.below(SIZE - AT.receiver);
      this.#bytes[place] = draw.below(256);
    } else if (how === 1) {
      const from = AT.receiver + draw.below(SIZE - AT.receiver - 256);
      for (let i = 0; i < 256; i++) this.#bytes[from + i] = draw.below(256);
    } else if (how === 2) {
      const [place, value] = draw.of([...this.#old, [at, 0] as const]);
      Atomics.store(this.#words, place, value);
    } else {
      const now = Atomics.load(this.#words, at);
      if (this.#old.push([at, now]) > 100) this.#old.shift();
      Atomics.store(this.#words, at, this.#value(now));
    }
  }
}

// --- the process that spoils

if (mode === 'spoiler') {
  const memory = inherited('channel');
  const draw = new Draw(Number(amount));
  const spoiler = new Spoiler(memory, draw);
  const pause = new Int32Array(new SharedArrayBuffer(4));
  let going = true;
  process.stdin.once('end', () => {
    going = false;
  });
  process.stdin.resume();
  console.log('spoiling');
  while (going) {
    // Quiet at times: much at once leaves nothing to be found.
    for (let i = draw.below(4); i > 0; i--) spoiler.spoil();
    Atomics.wait(pause, 0, 0, draw.below(3));
    await turn();
  }
  console.log(String(spoiler.count));
  process.exit(0);
}

// --- what is used, and what came of it

const seed = given === undefined ? Date.now() % 1_000_000_000 : Number(given);
console.log(`seed ${seed}`);
const draw = new Draw(seed);
const digest = createHash('sha256');
const report: Omit<Report, 'digest' | 'left'> = { calls: {}, errors: {}, messages: 0, spoilt: 0 };
const count = (of: Record<string, number>, name: string): void => {
  of[name] = (of[name] ?? 0) + 1;
};

function known(error: unknown): void {
  const { name, code } = error as { name: string; code: unknown };
  const is = name === 'AbortError' || name === 'TimeoutError' ? name : String(code);
  if (is === name || CODES.includes(is)) count(report.errors, is);
  else throw error;
}
function attempt<T>(name: string, call: () => T): T | undefined {
  count(report.calls, name);
  try {
    return call();
  } catch (error) {
    known(error);
    return undefined;
  }
}
function look(channel: Channel, message: Buffer | undefined): void {
  if (message === undefined) return;
  report.messages++;
  if (!Buffer.isBuffer(message) || message.length > channel.maxMessage) {
    throw new Error(`no message: ${message.length} bytes`);
  }
}

/** A segment like a new channel's, larger or smaller. */
function begin(memory: SharedMemory): Channel | undefined {
  const lanes = 1 + draw.below(3);
  const capacity = 64 << draw.below(7);
  const model = Channel.create({ capacity, producers: lanes });
  memory.bytes.fill(0);
  memory.bytes.set(model.memory.bytes);
  model.memory.unmap();
  // What was never a channel, at times.
  if (draw.below(4) === 0) {
    const from = draw.of([0, AT.receiver]);
    for (let at = from; at < DATA; at++) {
      if (draw.below(2) === 0) memory.bytes[at] = draw.below(256);
    }
  }
  const mapping = SharedMemory.adopt(memory.fd);
  const channel = attempt('open', () => Channel.open(mapping));
  if (channel === undefined) mapping.unmap();
  return channel;
}
const message = (channel: Channel): Uint8Array =>
  new Uint8Array(draw.below(channel.maxMessage + 1)).fill(report.messages);

// --- one step after the other

function steps(memory: SharedMemory): void {
  const spoiler = new Spoiler(memory, draw);
  for (let left = Number(amount); left > 0; ) {
    const channel = begin(memory);
    const senders: Sender[] = [];
    const receivers: Receiver[] = [];
    for (let i = draw.below(400); i > 0 && left > 0; i--, left--) {
      const use = draw.below(14);
      digest.update(String(use));
      if (use < 2) spoiler.spoil();
      if (channel === undefined) continue;
      const sender = draw.of(senders);
      const receiver = draw.of(receivers);
      const bytes = message(channel);
      const see = (got: Buffer) => look(channel, got);
      const more = () => attempt('sender', () => senders.push(channel.sender()));
      if (sender === undefined) more();
      if (receiver === undefined) {
        attempt('receiver', () => receivers.push(channel.receiver()));
      }
      if (use === 2) more();
      else if (use < 6) attempt('trySend', () => sender?.trySend(bytes));
      else if (use === 6) attempt('sendSync', () => sender?.sendSync(bytes, 0.01));
      else if (use < 9) see(attempt('tryReceive', () => receiver?.tryReceive()) as Buffer);
      else if (use === 9) see(attempt('receiveSync', () => receiver?.receiveSync(0)) as Buffer);
      else if (use === 10) attempt('drain', () => receiver?.drain(see));
      else if (use === 11) attempt('drain', () => receiver?.drain(see, 3));
      else if (draw.below(8) === 0) {
        for (const end of [sender, receiver]) attempt('close', () => end?.close());
        senders.splice(0, senders.length, ...senders.filter((one) => !one.closed));
        receivers.splice(0, receivers.length, ...receivers.filter((one) => !one.closed));
      }
    }
    for (const end of [...senders, ...receivers]) attempt('close', () => end.close());
    channel?.memory.unmap();
  }
  report.spoilt = spoiler.count;
}

// --- beside another process

/** Tasks go on until they are told to stop. */
async function use(channel: Channel): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const ends: (Sender | Receiver)[] = [];
  const tasks = new Map<string, Promise<void>>();
  const task = (name: string, call: () => Promise<unknown>): void => {
    const run = async () => {
      while (!signal.aborted) {
        count(report.calls, name);
        await call().catch(known);
        await turn();
      }
    };
    tasks.set(
      name,
      run().finally(() => tasks.delete(name)),
    );
  };
  const see = (got: Buffer | undefined) => look(channel, got);
  for (let i = 0; i < 3; i++) {
    const sender = attempt('sender', () => channel.sender());
    if (sender === undefined) continue;
    ends.push(sender);
    task(`send ${i}`, () => sender.send(message(channel), { signal }));
    if (i === 0) task('trySend', async () => sender.trySend(message(channel)));
    if (i === 1) task('sendSync', async () => sender.sendSync(message(channel), 1));
  }
  const receiver = attempt('receiver', () => channel.receiver());
  if (receiver !== undefined) {
    ends.push(receiver);
    task('for await', async () => {
      for await (const got of receiver) see(got);
    });
    task('receive', async () => {
      see(await receiver.receive({ signal: AbortSignal.any([signal, AbortSignal.timeout(5)]) }));
    });
    task('tryReceive', async () => see(receiver.tryReceive()));
    task('receiveSync', async () => see(receiver.receiveSync(1)));
    task('drain', async () => receiver.drain(see, 1 + draw.below(10)));
  }
  const end = performance.now() + 20 + draw.below(150);
  while (performance.now() < end) await turn();
  const unmaps = draw.below(4) === 0;
  if (unmaps) {
    CODES.push('ERR_MAPPING_CLOSED');
    channel.memory.unmap();
  }
  stop.abort();
  for (const one of ends) attempt('close', () => one.close());
  const names = () => [...tasks.keys()].join(', ');
  await until('every task has ended', () => tasks.size === 0).catch((error: Error) => {
    throw new Error(`${error.message}: ${names()}`);
  });
  if (unmaps) CODES.pop();
  else channel.memory.unmap();
}

async function beside(memory: SharedMemory): Promise<void> {
  const program = process.argv[1] as string;
  const options = share({ channel: memory }, { stdio: ['pipe', 'pipe', 'inherit'] as never[] });
  const spoiler = spawn(process.execPath, [program, 'spoiler', String(seed + 1)], options);
  let said = '';
  spoiler.stdout?.on('data', (text) => {
    said += text;
  });
  await until('the spoiler', () => said.includes('spoiling'));
  for (let round = 0; round < Number(amount); round++) {
    const channel = begin(memory);
    if (channel !== undefined) await use(channel);
  }
  spoiler.stdin?.end();
  await until('its end', () => spoiler.exitCode !== null && said.trim().includes('\n'));
  report.spoilt = Number(said.split('\n')[1]);
}

const memory = SharedMemory.create(SIZE);
if (mode === 'steps') steps(memory);
else await beside(memory);
memory.unmap();
await collected('all mappings', () => stats().regions === 0);
console.log(JSON.stringify({ ...report, digest: digest.digest('hex'), left: stats() }));
