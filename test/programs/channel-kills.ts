// Ends of a channel, killed at random instants and replaced: senders three times of four, else the receiver.
// What each side had done is in a page of shared memory, so that what arrived is checked to one message.
// Prints a line of JSON, and ends with 1 if anything is wrong.
//
//   channel-kills COUNT SEED

import assert from 'node:assert/strict';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { Checker } from '../support/channel-content.js';
import { type End, type Kind, Rig, randomOf, WAYS } from '../support/channel-ends.js';
import { until } from '../support/until.js';

const [count = 0, seed = 0] = process.argv.slice(2).map(Number);
const random = randomOf(seed);
const pick = <T>(all: readonly T[]): T => all[random(all.length)]!;
const SENDERS = 4;

const never = (error: unknown): never => {
  console.error(error);
  process.exit(1);
};

/** What ends by itself, and badly, is seen at once; what is killed is not meant. */
function watch(end: End): End {
  let killed = false;
  end.ended.catch((error) => killed || never(error));
  return {
    ...end,
    kill: () => {
      killed = true;
      return end.kill();
    },
  };
}

/** Kills, by how the moment was chosen. */
const killed: Record<string, number> = {};
const note = (how: string): void => {
  killed[how] = (killed[how] ?? 0) + 1;
};

// --- senders ------------------------------------------------------------------------------------------

async function killSenders(kills: number): Promise<object> {
  const rig = new Rig(SENDERS, seed);
  const { channel, counts, content } = rig;
  const { begun, sent, next } = counts;
  const receiver = channel.receiver();
  const told: number[] = new Array(SENDERS).fill(0);
  receiver.on('senderDied', (lane) => told[lane]!++);

  let paused = false;
  let ending = false;
  const checker = new Checker(content, next);
  const each = (message: Buffer, lane?: number) => checker.check(message, lane);
  const receive = async (): Promise<void> => {
    while (!ending) {
      if (!paused) await pick(WAYS)(receiver, each);
      await turn();
    }
    for await (const message of receiver) each(message);
  };
  const receiving = receive();
  receiving.catch(never);

  let number = 0;
  const fresh = (kind: Kind): End => watch(rig.sender(kind, number++, pick(['sync', 'async'])));
  const kinds: Kind[] = ['process', 'C', 'worker', 'process'];
  const slots = kinds.map(fresh);
  let certain = 0;
  for (let i = 0; i < kills; i++) {
    const slot = random(SENDERS);
    const victim = slots[slot]!;
    const how = pick(['early', 'sending', 'sending', 'asleep', 'asleep']);
    if (how === 'early') {
      await pause(random(60));
    } else {
      await until(`sender ${victim.number} sends`, () => Atomics.load(sent, victim.number) > 0);
      paused = how === 'asleep';
      if (paused) await until(`sender ${victim.number} sleeps`, () => rig.sleeps(victim.number));
      else if (random(2) === 0) await pause(random(10));
    }
    // The next one is there before the place is free, or after.
    const before = random(2) === 0;
    if (before) slots[slot] = fresh(kinds[slot]!);
    await victim.kill();
    paused = false;
    note(`${victim.kind} ${how}`);
    if (Atomics.load(begun, victim.number) > 0) certain++;
    if (!before) slots[slot] = fresh(kinds[slot]!);
  }
  // The last ones are not killed: they send, and close when they are told to.
  for (const { number } of slots) await until('all send', () => Atomics.load(sent, number) > 0);
  counts.stopAll();
  await Promise.all(slots.map(({ ended }) => ended));
  ending = true;
  await receiving;

  for (let i = 0; i < number; i++) {
    const lost = `sender ${i} began ${begun[i]}, sent ${sent[i]}, of which ${next[i]} arrived`;
    assert.ok(next[i]! >= sent[i]! && next[i]! <= begun[i]!, lost);
  }
  const deaths = told.reduce((a, b) => a + b, 0);
  // One killed just before it had counted its first message may have been a sender, or not yet.
  assert.equal(rig.closes, SENDERS);
  assert.equal(deaths, rig.opens - rig.closes, 'deaths that were told');
  assert.ok(deaths >= certain && deaths <= kills, `${certain} <= ${deaths} <= ${kills}`);
  const { messages } = checker;
  receiver.close();
  rig.unmap();
  return { kills, deaths, messages };
}

// --- receivers ----------------------------------------------------------------------------------------

async function killReceivers(kills: number): Promise<object> {
  const rig = new Rig(SENDERS, seed);
  const { channel, counts, content } = rig;
  const { begun, sent, next, mourned } = counts;
  const senders = (['process', 'C', 'worker', 'process'] as const).map((kind, i) =>
    watch(rig.sender(kind, i, i === 3 ? 'async' : 'sync')),
  );
  // There is no event in C.
  const listeners = senders.filter(({ kind }) => kind !== 'C').map((one) => one.number);
  const ways = ['C', 'sync', 'async', 'iterate', 'try', 'poll'];
  const fresh = (way: string) => watch(rig.receiver(way === 'C' ? 'C' : 'process', way));

  let mayMiss = 0;
  let mayRepeat = 0;
  let mourning = 0;
  let way = pick(ways);
  let receiver = fresh(way);
  for (let i = 0; i < kills; i++) {
    const how = pick(['early', 'receiving', 'receiving', 'mourned']);
    const nextWay = pick(ways);
    const before = how !== 'mourned' && random(2) === 0;
    const follower = before ? fresh(nextWay) : undefined;
    if (how === 'early') {
      await pause(random(60));
    } else {
      const already = counts.received;
      await until('messages are received', () => counts.received > already + random(1000));
      if (random(2) === 0) await pause(random(10));
    }
    const told = listeners.map((one) => Atomics.load(mourned, one));
    await receiver.kill();
    note(`receiver ${how}`);
    if (way === 'poll') mayRepeat++;
    else mayMiss++;
    if (how === 'mourned') {
      mourning++;
      // Its death is told to each that waits for room, and they wait on.
      await until('each sender is told', () =>
        listeners.every((one, at) => Atomics.load(mourned, one) > told[at]!),
      );
    }
    way = nextWay;
    receiver = follower ?? fresh(way);
    const { missed, repeated } = counts;
    assert.ok(missed <= mayMiss, `${missed} messages missed by ${mayMiss} receivers`);
    assert.ok(repeated <= mayRepeat, `${repeated} messages repeated after ${mayRepeat} receivers`);
    for (const [at, one] of listeners.entries()) {
      const times = Atomics.load(mourned, one) - told[at]!;
      assert.ok(times <= 1, `sender ${one} was told ${times} times of one death`);
    }
  }
  await receiver.kill();
  if (way === 'poll') mayRepeat++;
  else mayMiss++;

  // The last one is here, and has all that is left.
  counts.stopAll();
  const last = channel.receiver();
  const checker = new Checker(content, next, counts.odd);
  for await (const message of last) checker.check(message);
  await Promise.all(senders.map(({ ended }) => ended));
  for (const { number } of senders) {
    assert.equal(next[number], sent[number], `sender ${number}: what arrived last`);
    assert.equal(begun[number], sent[number]);
  }
  const { missed, repeated } = counts;
  assert.ok(missed <= mayMiss, `${missed} messages missed by ${mayMiss} receivers`);
  assert.ok(repeated <= mayRepeat, `${repeated} messages repeated after ${mayRepeat} receivers`);
  const told = listeners.map((one) => Atomics.load(mourned, one));
  for (const times of told) assert.ok(times >= mourning && times <= kills + 1);
  const messages = sent.reduce((a, b) => a + b, 0);
  last.close();
  rig.unmap();
  return { kills, messages, missed, mayMiss, repeated, mayRepeat, mourning, told };
}

const began = performance.now();
const receivers = Math.ceil(count / 4);
const ofSenders = await killSenders(count - receivers).catch(never);
const ofReceivers = await killReceivers(receivers).catch(never);
const seconds = (performance.now() - began) / 1000;
console.log(JSON.stringify({ senders: ofSenders, receivers: ofReceivers, killed, seconds }));
