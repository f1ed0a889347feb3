import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';

export const WATCHDOG_MS = 30_000;

/**
 * Waits until `condition` returns something truthy, and returns that. The condition is looked at
 * again after each turn of the event loop, soon with a short pause in between; the watchdog only
 * ends a wait that would never end, so its length is no measure of anything.
 *
 * @throws Error when the watchdog ran out; it names `what`, and the last error of the condition.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  watchdog = WATCHDOG_MS,
): Promise<Exclude<T, false | 0 | '' | null | undefined>> {
  const end = performance.now() + watchdog;
  for (let round = 0; ; round++) {
    const value = await condition();
    if (value) return value as Exclude<T, false | 0 | '' | null | undefined>;
    if (performance.now() > end) throw new Error(`${what}: not within ${watchdog} ms`);
    await (round < 100 ? turn() : pause(2));
  }
}
