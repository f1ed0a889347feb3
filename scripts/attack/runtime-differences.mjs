// What does not pass everywhere, and why: the one place where it is written down. A cell that is otherwise
// than here fails scripts/attack/runtimes.mjs, a better one too; docs/runtimes.md is generated from it.

/**
 * By feature: which runtimes, what their cell is ('unavailable': refused with ERR_FEATURE_UNAVAILABLE;
 * 'failed'; 'crashed'; 'hung'), and the cause, in Markdown.
 */
export const DIFFERENCES = [
  {
    features: ['files/buffer larger than 4 GiB'],
    runtimes: { node20: 'unavailable', bun: 'unavailable' },
    cause:
      'The largest ArrayBuffer of V8 11 and of JavaScriptCore as Bun 1.4 has it is 4 GiB ' +
      '([WebKit#71058](https://github.com/WebKit/WebKit/pull/71058) raises it). `view()` reaches every place.',
  },
  {
    features: [
      'lifetime/a sharedBuffer keeps the mapping, and gives it back',
      'guard/a sharedBuffer after unmap',
      'memory/a sharedBuffer in a worker',
    ],
    runtimes: { deno: 'unavailable' },
    cause:
      'Deno has no `node_api_create_external_sharedarraybuffer`, which is new in Node-API ' +
      '([nodejs/node#62259](https://github.com/nodejs/node/issues/62259)). Memory goes to workers by its ' +
      'descriptor (`SharedMemory.adopt(fd)`) or by `inherited()`.',
  },
  {
    features: ['lifetime/what a worker had is given back when it ends'],
    runtimes: { deno: 'failed' },
    cause:
      'Deno runs the finalizers that are left when the main worker ends ' +
      '([denoland/deno#32592](https://github.com/denoland/deno/pull/32592)), not when another does; no report of ' +
      'that was found, see below. `unmap()` in the worker gives everything back but address space.',
  },
  {
    features: ['guard/beside a listener for SIGBUS that comes and goes'],
    runtimes: { deno: 'failed' },
    cause:
      'Deno keeps its handler when the last listener goes, and then takes the default action itself ' +
      '([denoland/deno#22724](https://github.com/denoland/deno/issues/22724)), for a fault that the guard has mended ' +
      'as well. Without a listener for SIGBUS or SIGSEGV the guard is as elsewhere.',
  },
  {
    features: ['memory/node:fs takes the descriptor of a segment'],
    runtimes: { deno: 'failed' },
    cause:
      "Deno's `node:fs` refuses descriptors that Deno has not opened, for the sake of its permissions " +
      '([denoland/deno#33371](https://github.com/denoland/deno/pull/33371)). As `stdio` of a child, and for ' +
      '`map()` and `adopt()`, they are good.',
  },
];

/** What a cell should be: 'passed' unless it stands above. */
export function expected(runtime, feature) {
  const difference = DIFFERENCES.find((one) => one.features.includes(feature));
  return difference?.runtimes[runtime] ?? 'passed';
}
