// An end that looks whether its peers live, while one of them closes and another one opens: at every moment,
// one after the other. What happens at once elsewhere happens here whenever the end reads a shared number.
import { describe, expect, test } from 'vitest';
import { channel, fill } from './support/channel.js';

/** Calls `what` before or after the how-many-eth read that `call` makes. False: it made fewer. */
function at(moment: number, what: () => void, call: () => void): boolean {
  const { load } = Atomics;
  let reads = 0;
  let done = false;
  const step = () => {
    if (done || reads++ !== moment) return;
    done = true;
    Atomics.load = load;
    what();
    Atomics.load = hooked;
  };
  const hooked = ((...args: Parameters<typeof load>) => {
    step();
    const value = load(...args);
    step();
    return value;
  }) as typeof load;
  Atomics.load = hooked;
  try {
    call();
  } finally {
    Atomics.load = load;
  }
  return done;
}

/** Every moment that there is; of an end that looks again and again before it sleeps, the first thousand. */
function each(round: (moment: number) => boolean): void {
  let moment = 0;
  while (moment < 1000 && round(moment)) moment++;
  expect(moment).toBeGreaterThan(5);
}

describe('a sender that closes is not taken for dead', () => {
  test.each([
    ['closes', ['close']],
    ['closes, and one opens', ['close', 'open']],
    ['opens', ['open']],
    ['opens and closes', ['open', 'close']],
    ['opens and closes, and one opens', ['open', 'close', 'open']],
  ])('when one %s', (_, steps) => {
    each((moment) => {
      const made = channel(64);
      let sender = made.sender();
      const died: number[] = [];
      const receiver = made.receiver().on('senderDied', (lane) => died.push(lane));
      // What went before: one that is there, or one that has been.
      if (steps[0] === 'open') sender.close();
      const act = () => {
        for (const step of steps) {
          if (step === 'open') sender = made.sender();
          else sender.close();
        }
      };
      const there = at(moment, act, () => receiver.receiveSync(0));
      for (let i = 0; i < 3; i++) receiver.receiveSync(0);
      sender.close();
      receiver.receiveSync(0);
      expect(died, `at ${moment}`).toEqual([]);
      made.memory.unmap();
      return there;
    });
  });
});

describe('a receiver that closes is not taken for dead', () => {
  test.each([
    ['closes', ['close']],
    ['closes, and one opens', ['close', 'open']],
    ['closes, one opens and closes', ['close', 'open', 'close']],
  ])('when one %s', (_, steps) => {
    each((moment) => {
      const made = channel(64);
      let receiver = made.receiver();
      let died = 0;
      const sender = made.sender().on('receiverDied', () => died++);
      fill(sender);
      const act = () => {
        for (const step of steps) {
          if (step === 'open') receiver = made.receiver();
          else receiver.close();
        }
      };
      // Its time passes, and it looks.
      const look = () => {
        try {
          sender.sendSync(new Uint8Array(8), 2);
        } catch (error) {
          expect(error).toMatchObject({ code: 'EPIPE' });
        }
      };
      const there = at(moment, act, look);
      look();
      expect(died, `at ${moment}`).toBe(0);
      made.memory.unmap();
      return there;
    });
  });
});
