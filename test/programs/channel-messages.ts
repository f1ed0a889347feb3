// Messages of random sizes from four processes at once, one of them in C, through lanes that are soon full.
// Each is checked for order and content. Prints a line of JSON, and ends with 1 if anything is wrong.
//
//   channel-messages COUNT SEED

import { Channel } from 'memmap/channel';
import { Checker, Content } from '../support/channel-content.js';
import { native, program, start } from '../support/program.js';

const [count = 0, seed = 0] = process.argv.slice(2).map(Number);
const SENDERS = 4;
const CAPACITY = 4096;
/** Of so many messages, most are received by the fastest way, and some by each of the others. */
const ROUND = 200_000;
const OTHERS = ROUND / 20;

const channel = Channel.create({ capacity: CAPACITY, producers: SENDERS });
const content = new Content(seed, 8, channel.maxMessage);
const receiver = channel.receiver();
let deaths = 0;
receiver.on('senderDied', () => deaths++);

const shares = Array.from({ length: SENDERS }, (_, i) => Math.floor((count + i) / SENDERS));
const began = performance.now();
const senders = shares.map((share, i) => {
  const path = i === 0 ? native('channel_peer') : program('channel-peer');
  const args = ['send', 3, i, share, seed, content.min, content.max].map(String);
  return start(path, args, { fds: [channel.memory.fd], watchdog: 2 ** 31 - 1 });
});
// One that ends badly would be waited for in vain.
for (const { ended } of senders) {
  void ended.then(({ code, signal, stderr }) => {
    if (code === 0) return;
    console.error(`a sender ended with ${code ?? signal}: ${stderr}`);
    process.exit(1);
  });
}

const checker = new Checker(content);
const each = (message: Buffer, lane: number): void => checker.check(message, lane);
while (checker.messages < count) {
  const inRound = checker.messages % ROUND;
  if (inRound >= 3 * OTHERS) {
    if (receiver.drain(each, 256) > 0) continue;
  } else if (inRound >= 2 * OTHERS) {
    for (let m = receiver.tryReceive(); m !== undefined; m = receiver.tryReceive())
      checker.check(m);
  } else if (inRound >= OTHERS) {
    const message = receiver.receiveSync(1000);
    if (message !== undefined) checker.check(message);
    continue;
  }
  const message = checker.messages < count ? await receiver.receive() : undefined;
  // Senders that are still starting have not opened their lanes.
  if (message !== undefined) checker.check(message);
  else await new Promise((resolve) => setTimeout(resolve, 1));
}
const seconds = (performance.now() - began) / 1000;
await Promise.all(senders.map(({ ended }) => ended));
const isOver = (await receiver.receive()) === undefined;
const { messages, bytes } = checker;
const sent = shares.reduce((sum, share, i) => sum + content.total(i, share), 0);
const isAll = messages === count && bytes === sent;
const perSecond = Math.round(messages / seconds);
console.log(JSON.stringify({ messages, isAll, isOver, deaths, bytes, seconds, perSecond }));
if (!isAll || !isOver || deaths !== 0) process.exitCode = 1;
