// What of a channel keeps a process alive, and how its ends end with it. Each scenario says what it saw; that
// it comes to its end by itself, and how, is the caller's to see.
//
//   channel-life SCENARIO          with memory named 'channel' handed over, where it says so

import { inherited } from 'memmap';
import { Channel, type Receiver, type Sender } from 'memmap/channel';

const say = (text: string) => console.log(text);
/** Happens only if something else keeps the process alive for so long. */
const later = (what: () => void) => setTimeout(what, 250).unref();
const message = Buffer.from('message');

function local(): { channel: Channel; sender: Sender; receiver: Receiver } {
  const channel = Channel.create({ capacity: 64 });
  return { channel, sender: channel.sender(), receiver: channel.receiver() };
}
const handedOver = () => Channel.open(inherited('channel'));
const fill = (sender: Sender): void => {
  while (sender.trySend(message));
};

const scenarios: Record<string, () => void | Promise<void>> = {
  // --- what keeps it alive
  receive() {
    const { sender, receiver } = local();
    receiver.receive().then((got) => say(`got ${got}`));
    later(() => sender.trySend(message));
  },
  'receive, unref, ref'() {
    const { sender, receiver } = local();
    receiver.unref();
    receiver.receive().then((got) => say(`got ${got}`));
    receiver.unref().ref();
    later(() => sender.trySend(message));
  },
  async 'for await'() {
    const { sender, receiver } = local();
    later(() => {
      sender.trySend(message);
      sender.close();
    });
    for await (const got of receiver) say(`got ${got}`);
    say('over');
  },
  send() {
    const { sender, receiver } = local();
    fill(sender);
    sender.send(message).then(() => say('sent'));
    later(() => receiver.drain(() => {}));
  },

  // --- what does not
  'receive, unref before'() {
    const { receiver } = local();
    receiver
      .unref()
      .receive()
      .then(() => say('settled'));
    later(() => say('alive'));
  },
  'receive, unref after'() {
    const { receiver } = local();
    receiver.receive().then(() => say('settled'));
    receiver.unref();
    later(() => say('alive'));
  },
  'open ends'() {
    local();
    later(() => say('alive'));
  },
  async 'for await with break'() {
    const { sender, receiver } = local();
    sender.trySend(message);
    for await (const got of receiver) {
      say(`got ${got}`);
      break;
    }
    later(() => say('alive'));
  },
  async 'receive, aborted'() {
    const { receiver } = local();
    const controller = new AbortController();
    const waiting = receiver.receive({ signal: controller.signal });
    setImmediate(() => controller.abort());
    await waiting.catch((error: Error) => say(error.name));
    later(() => say('alive'));
  },
  async 'send, closed'() {
    const { sender } = local();
    fill(sender);
    const waiting = sender.send(message);
    setImmediate(() => sender.close());
    await waiting.catch((error: { code: string }) => say(error.code));
    later(() => say('alive'));
  },
  async 'receive, unmapped'() {
    const { channel, receiver } = local();
    const waiting = receiver.receive();
    setImmediate(() => channel.memory.unmap());
    await waiting.catch((error: { code: string }) => say(error.code));
    later(() => say('alive'));
  },

  // --- how its ends end
  'ends in order'() {
    handedOver().sender().trySend(message);
  },
  'exits with 0'() {
    handedOver().sender().trySend(message);
    process.exit(0);
  },
  'exits with 3'() {
    handedOver().sender().trySend(message);
    process.exit(3);
  },
  throws() {
    handedOver().sender().trySend(message);
    throw new Error('on purpose');
  },
  'is killed'() {
    handedOver().sender().trySend(message);
    process.kill(process.pid, 'SIGKILL');
  },
  unmaps() {
    const channel = handedOver();
    channel.sender().trySend(message);
    channel.memory.unmap();
  },
  closes() {
    const sender = handedOver().sender();
    sender.trySend(message);
    sender.close();
    process.exit(3);
  },
  'receiver ends in order'() {
    say(String(handedOver().receiver().tryReceive()));
  },
  'receiver is killed'() {
    say(String(handedOver().receiver().tryReceive()));
    process.kill(process.pid, 'SIGKILL');
  },
  'with a lock that was overwritten'() {
    const channel = handedOver();
    const [first] = [channel.sender(), channel.sender()];
    channel.memory.view(Int32Array, 256, 1)[0] = 0x1234567;
    try {
      first?.close();
    } catch (error) {
      say((error as { code: string }).code);
    }
    const third = channel.receiver();
    channel.memory.view(Int32Array, 64, 1)[0] = 0x1234567;
    say(String(third.closed));
  },
};

await scenarios[process.argv[2] ?? '']?.();
