// The garbage collector, when a test needs it and not when it likes.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { until, WATCHDOG_MS } from './until.js';

type Collect = (options?: { type: 'minor' }) => void;

function find(): Collect {
  if (globalThis.gc) return globalThis.gc as Collect; // node --expose-gc
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}

const collect = find();

/** Collects everything that cannot be reached, at once. Finalizers run later, on the event loop. */
export const gc = (): void => collect(); // with any argument Node 20 takes it for a minor one

/** Collects what is young and cannot be reached: several times faster. */
export const minorGc = (): void => collect({ type: 'minor' });

/** Collects until the condition holds: finalizers need turns of the event loop, and some a second gc(). */
export async function collected(
  what: string,
  condition: () => boolean,
  watchdog = WATCHDOG_MS,
): Promise<void> {
  await until(
    what,
    () => {
      gc();
      return condition();
    },
    watchdog,
  );
}
