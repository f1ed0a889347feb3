// Other processes: started, listened to and asked, and always ended.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { WATCHDOG_MS } from './until.js';

export interface Result {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Options {
  /** Arguments of node itself, before the program. */
  node?: readonly string[];
  cwd?: string;
  /** Added to this process's environment; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  /** Written to the program's standard input, which is then closed. */
  input?: string;
  /** After so long the program is killed, and whoever waits for it gets an error. */
  watchdog?: number;
  /** With a channel for ask(), and process.send() and 'message' in the program. */
  ipc?: boolean;
  /** More descriptors for the program: the first is its number 3, or 4 with ipc. */
  fds?: readonly number[];
}

// The programs of test/programs/ use this file as well, and then it lies in out/ itself.
const OUT = new URL(import.meta.url.endsWith('.js') ? '../../' : '../../out/', import.meta.url);
const out = (path: string) => fileURLToPath(new URL(path, OUT));

/** A compiled program of examples/. */
export const example = (name: string): string => out(`examples/${name}.js`);
/** A compiled program of test/programs/. */
export const program = (name: string): string => out(`test/programs/${name}.js`);
/** A program of native/test/. */
export const native = (name: string): string => out(`native-test/Release/${name}`);

/** Those that run. Nothing outlives this process, however it comes to its end. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A running program. Whatever is waited for here ends with an error if the program ends first. */
export class Program {
  /** How it ended, once it and its output have ended. Rejects only when the watchdog had to act. */
  readonly ended: Promise<Result>;
  readonly child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #result: Result | undefined;
  #watchdogRan = false;
  /** Looks to be repeated whenever something was printed or the program has ended. */
  readonly #looks = new Set<() => void>();

  constructor(command: string, args: readonly string[], options: Options = {}) {
    const { ipc = false, fds = [], watchdog = WATCHDOG_MS } = options;
    const spawnOptions: SpawnOptions = {
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe', ...(ipc ? ['ipc' as const] : []), ...fds],
      serialization: 'advanced',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    };
    const child = spawn(command, args, spawnOptions);
    this.child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#look();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    child.stdin?.on('error', () => {}); // EPIPE: it did not want its input
    if (!ipc || options.input !== undefined) child.stdin?.end(options.input ?? '');

    this.ended = new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#watchdogRan = true;
        child.kill('SIGKILL');
        // Its own children may hold these open.
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, watchdog);
      // Not the event 'close': it never comes when it is this side that closes the channel.
      let awaited = 3;
      const oneEnded = () => {
        awaited--;
        if (awaited > 0) return;
        clearTimeout(timer);
        const { exitCode: code, signalCode: signal } = child;
        this.#result = { code, signal, stdout: this.#stdout, stderr: this.#stderr };
        if (this.#watchdogRan) {
          reject(
            new Error(`${command} ${args.join(' ')}: killed after ${watchdog} ms\n${this.#said()}`),
          );
        } else {
          resolve(this.#result);
        }
        this.#look();
      };
      child.once('exit', oneEnded);
      child.stdout?.once('close', oneEnded);
      child.stderr?.once('close', oneEnded);
      child.once('error', (error) => {
        if (child.pid !== undefined) return; // a message or a signal came too late: it has ended
        running.delete(child);
        clearTimeout(timer);
        reject(error);
      });
    });
    this.ended.catch(() => {}); // told to those who wait for it
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the program was not started');
    return this.child.pid;
  }

  /** The first line of its standard output that matches. */
  line(pattern: RegExp): Promise<string> {
    const find = () => {
      const whole = this.#stdout.split('\n').slice(0, -1);
      return whole.find((line) => pattern.test(line));
    };
    return new Promise((resolve, reject) => {
      const look = () => {
        const line = find();
        if (line === undefined && this.#result === undefined) return;
        this.#looks.delete(look);
        if (line === undefined) reject(new Error(`no line ${pattern}\n${this.#said()}`));
        else resolve(line);
      };
      this.#looks.add(look);
      this.ended.catch(reject); // not started, or killed
      look();
    });
  }

  /** The next message of the program. */
  message<T = unknown>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown) => resolve(message as T);
      this.child.once('message', onMessage);
      this.ended
        .then(() => reject(new Error(`ended without an answer\n${this.#said()}`)), reject)
        .finally(() => this.child.off('message', onMessage));
    });
  }

  /** Sends a message and returns the answer. One question at a time. */
  async ask<T = unknown>(question: unknown): Promise<T> {
    const answer = this.message<T>();
    this.child.send(question as object, (error) => {
      if (error) this.child.kill('SIGKILL'); // nobody listens: `answer` rejects
    });
    return answer;
  }

  /** Tells it that nothing more will come (end of input, channel closed), and waits for its end. */
  async finish(): Promise<Result> {
    this.child.stdin?.end();
    if (this.child.connected) this.child.disconnect();
    return this.ended;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Result> {
    this.child.kill(signal);
    return this.ended;
  }

  /** Nothing outlives its test: kills a program that is still running. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill().catch(() => {});
  }

  #look(): void {
    for (const look of [...this.#looks]) look();
  }

  #said(): string {
    const { code, signal } = this.#result ?? { code: null, signal: null };
    return `code ${code}, signal ${signal}\n--- stdout\n${this.#stdout}\n--- stderr\n${this.#stderr}`;
  }
}

/** Starts a program: a .js file under this node, anything else as an executable. */
export function start(path: string, args: readonly string[] = [], options: Options = {}): Program {
  return path.endsWith('.js')
    ? new Program(process.execPath, [...(options.node ?? []), path, ...args], options)
    : new Program(path, args, options);
}

/** Runs a program to its end. How it ended is the caller's to judge. */
export function run(
  path: string,
  args: readonly string[] = [],
  options: Options = {},
): Promise<Result> {
  return start(path, args, options).ended;
}
