// node:worker_threads, when it is needed first: a main thread that never asks does without it, and without
// most of a millisecond.

export const threads = (): typeof import('node:worker_threads') =>
  process.getBuiltinModule('node:worker_threads');
