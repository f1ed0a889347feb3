// The conformance collection, one feature at a time:
//
//   main list                     every feature, as GROUP/NAME
//   main run GROUP/NAME...        in this process, one after the other; a line of JSON for each
//   main role NAME [ARGUMENT...]  what a feature starts
//
// In a worker it plays the role that its data say. Nothing here loads the add-on: a feature may want it in
// workers only.

import { isMainThread, workerData } from 'node:worker_threads';
import type { Features, Roles, WorkerData } from './feature.js';

/** A module for each group. */
const GROUPS: Record<string, () => Promise<{ features: Features; roles?: Roles }>> = {
  files: () => import('./files.js'),
  pages: () => import('./pages.js'),
  lifetime: () => import('./lifetime.js'),
  guard: () => import('./guard.js'),
  memory: () => import('./memory.js'),
  posix: () => import('./posix.js'),
  sync: () => import('./sync.js'),
  mutex: () => import('./mutex.js'),
  channel: () => import('./channel.js'),
  endings: () => import('./endings.js'),
  only: () => import('./only.js'),
};

export interface Outcome {
  feature: string;
  /** 'unavailable': refused with ERR_FEATURE_UNAVAILABLE, as documented. */
  outcome: 'passed' | 'unavailable' | 'failed';
  code?: string;
  message?: string;
}

async function group(name: string) {
  const load = GROUPS[name];
  if (load === undefined) throw new Error(`no such group: ${name}`);
  return load();
}

async function run(feature: string): Promise<Outcome> {
  const [first = '', name = ''] = feature.split('/');
  const test = (await group(first)).features[name];
  if (test === undefined) throw new Error(`no such feature: ${feature}`);
  try {
    await test();
    return { feature, outcome: 'passed' };
  } catch (error) {
    const { code, message, stack } = error as NodeJS.ErrnoException;
    if (code === 'ERR_FEATURE_UNAVAILABLE') return { feature, outcome: 'unavailable', code };
    const at = stack?.split('\n').find((line) => line.includes('/conformance/'));
    const place = at === undefined ? '' : ` (${at.trim().replace(/\S*\/conformance\//, '')})`;
    return { feature, outcome: 'failed', ...(code ? { code } : {}), message: `${message}${place}` };
  }
}

async function play(role: string, args: readonly string[]): Promise<void> {
  const [first = '', name = ''] = role.split('/');
  const act = (await group(first)).roles?.[name];
  if (act === undefined) throw new Error(`no such role: ${role}`);
  await act(...args);
}

const [what = '', ...args] = process.argv.slice(2);
if (!isMainThread) {
  const { role, args } = workerData as WorkerData;
  await play(role, args);
} else if (what === 'list') {
  for (const name of Object.keys(GROUPS)) {
    for (const feature of Object.keys((await group(name)).features)) {
      console.log(`${name}/${feature}`);
    }
  }
} else if (what === 'role') {
  await play(args[0] ?? '', args.slice(1));
} else {
  let failed = false;
  for (const feature of args) {
    const outcome = await run(feature);
    failed ||= outcome.outcome === 'failed';
    console.log(JSON.stringify(outcome));
  }
  // After a failure something may be left that keeps the process alive; otherwise it has to end by itself.
  if (failed) process.exit(1);
}
