// Takes a list of steps, one after the other, and prints what each did. For signals that are the guard's,
// and for those that are not.
//
//   guard-signals JSON        an array of steps:
//
//   map                 a mapping, which installs the guard
//   truncated, written  faults that the guard survives: each on a mapping of its own
//   trap                a WebAssembly program reads past the end of its memory
//   on S, off S         a listener for a signal, there or gone again
//   send S              the process sends itself the signal, and waits for its listener if it has one
//   kill S              the process sends itself the signal, which it has to survive
//   roundTrip S, surrender S  what signal_helper.cc of native/test does
//   library S           code of a library is run whose file has been cut (SIGBUS), or overwritten so that it
//                       reads address 0 (SIGSEGV): a fault of somebody else's memory
//   overflow            the stack runs over
//   wait                for the parent, which sends a signal

import { copyFileSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { map } from 'memmap';

type Signal = 'SIGBUS' | 'SIGSEGV';
const steps = JSON.parse(process.argv[2] ?? '') as string[];
const heard: Record<Signal, number> = { SIGBUS: 0, SIGSEGV: 0 };
const listeners = {
  SIGBUS: () => void heard.SIGBUS++,
  SIGSEGV: () => void heard.SIGSEGV++,
};

function fresh(name: string) {
  writeFileSync(name, 'content');
  return map(name).view(Uint8Array, 0, 1);
}

const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    Module: new (bytes: Uint8Array) => object;
    Instance: new (module: object) => { exports: { load(address: number): number } };
    RuntimeError: new () => Error;
  };
};
// (module (memory 1) (func (export "load") (param i32) (result i32) local.get 0 i32.load))
const wasm = Uint8Array.from([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f, 3, 2, 1, 0],
  ...[5, 3, 1, 0, 1, 7, 8, 1, 4, 0x6c, 0x6f, 0x61, 0x64, 0, 0],
  ...[10, 9, 1, 7, 0, 0x20, 0, 0x28, 2, 0, 0x0b],
]);

function trap(): string {
  const { load } = new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports;
  const caught: string[] = [];
  for (const address of [0x7ffffff0, 0x10000, -4]) {
    try {
      load(address);
    } catch (error) {
      caught.push(error instanceof WebAssembly.RuntimeError ? 'trapped' : String(error));
    }
  }
  return `${caught} ${load(0)}`;
}

const helper = (name: string): string =>
  fileURLToPath(new URL(`../../native-test/Release/${name}.node`, import.meta.url));
const signalHelper = () =>
  createRequire(import.meta.url)(helper('signal_helper')) as {
    roundTrip(signal: number): void;
    surrender(signal: number): void;
  };

/** A copy of an add-on of the tests: loaded, and then its file is changed under its feet. */
function library(signal: Signal): void {
  copyFileSync(helper('fork_helper'), './library.node');
  const loaded = createRequire(`${process.cwd()}/`)('./library.node') as Record<string, () => void>;
  if (signal === 'SIGBUS') {
    truncateSync('library.node', 0);
  } else {
    // nop, and at the end of each page: mov al, byte ptr [0]
    const page = Buffer.alloc(4096, 0x90);
    page.set([0x8a, 0x04, 0x25, 0, 0, 0, 0], 4089);
    const fd = openSync('library.node', 'r+');
    const { size } = statSync('library.node');
    for (let at = 0; at < size; at += 4096) writeSync(fd, page, 0, 4096, at);
  }
  for (const call of Object.values(loaded)) call();
}

let mappings = 0;
const actions: Record<string, (signal: Signal) => unknown> = {
  map: () => fresh(`mapped-${mappings++}`)[0],
  truncated() {
    const name = `cut-${mappings++}`;
    const bytes = fresh(name);
    truncateSync(name, 0);
    return bytes[0];
  },
  written() {
    const bytes = fresh(`written-${mappings++}`);
    bytes[0] = 1;
    return bytes[0];
  },
  trap,
  on: (signal) => void process.on(signal, listeners[signal]),
  off: (signal) => void process.off(signal, listeners[signal]),
  async send(signal) {
    const before = heard[signal];
    process.kill(process.pid, signal);
    // Without a listener it does not get here.
    while (heard[signal] === before) await turn();
    return heard[signal];
  },
  kill: (signal) => process.kill(process.pid, signal),
  roundTrip: (signal) => signalHelper().roundTrip(constants.signals[signal]),
  surrender: (signal) => signalHelper().surrender(constants.signals[signal]),
  library,
  overflow() {
    const deeper = (n: number): number => n + deeper(n + 1);
    return deeper(0);
  },
  async wait() {
    console.log('waiting');
    while (true) await new Promise((resolve) => setTimeout(resolve, 1 << 20));
  },
};

const did: unknown[] = [];
for (const step of steps) {
  const [name = '', signal] = step.split(' ');
  did.push((await actions[name]?.(signal as Signal)) ?? null);
}
console.log(JSON.stringify({ did, heard }));
