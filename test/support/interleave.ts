// What another process does between two steps of ours, deterministically: it is done here, before the n-th
// access that goes through Atomics, for every n.

const OPERATIONS = ['load', 'store', 'add', 'exchange'] as const;
type Operation = (...args: unknown[]) => unknown;

/** Runs `steps` with `between` done before its n-th atomic access; false: it has fewer, and nothing was done. */
export function interleave(n: number, steps: () => void, between: () => void): boolean {
  const atomics = Atomics as unknown as Record<string, Operation>;
  const originals = OPERATIONS.map((name) => [name, atomics[name]!] as const);
  const restore = () => {
    for (const [name, original] of originals) atomics[name] = original;
  };
  let left = n;
  for (const [name, original] of originals) {
    atomics[name] = (...args) => {
      if (--left === 0) {
        restore();
        between();
      }
      return original(...args);
    };
  }
  try {
    steps();
  } finally {
    restore();
  }
  return left <= 0;
}
