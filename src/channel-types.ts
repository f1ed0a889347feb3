// The ends of a channel, as their users see them.
import type { Buffer } from 'node:buffer';

/**
 * Sends on a lane of its own, in order. An event `'receiverDied'` is emitted when a sender that waits for room
 * finds that the receiver has ended without closing; the sender goes on waiting for the next one.
 */
export interface Sender extends Disposable {
  /**
   * Sends if there is room. False: there is none, or messages of `send()` wait for it already. Throws as
   * `send()` rejects.
   *
   * @example
   * if (!sender.trySend(message)) console.log('the receiver is slow');
   */
  trySend(message: Uint8Array): boolean;
  /**
   * Waits for room. The bytes are copied when there is some, so leave them alone until then. While it waits
   * it keeps the process alive.
   *
   * @throws (rejects) TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE` (longer than
   *   `maxMessage`); Error `EPIPE`: the receiver has closed; `ERR_CHANNEL_CLOSED`: this sender has;
   *   `ERR_CHANNEL_CORRUPT`, `ERR_MAPPING_CLOSED`; the signal's reason, and then it was not sent.
   * @example
   * await sender.send(Buffer.from('done'), { signal: AbortSignal.timeout(1000) });
   */
  send(message: Uint8Array, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Blocks the thread until there is room. False: `timeout` milliseconds (default: for ever) were over before.
   * Throws as `send()` rejects.
   *
   * @example
   * sender.sendSync(message, 1000);
   */
  sendSync(message: Uint8Array, timeout?: number): boolean;
  /**
   * Gives the place up. What was sent stays for the receiver; `send()`s that wait are rejected. Idempotent.
   *
   * @example
   * sender.close();
   */
  close(): void;
  /** Whether `close()` was called. */
  readonly closed: boolean;
  /** The listeners of Node's EventEmitter, for `'receiverDied'`. */
  on(event: 'receiverDied', listener: () => void): this;
  /** As `on()`, for one event. */
  once(event: 'receiverDied', listener: () => void): this;
  /** Takes a listener away. */
  off(event: 'receiverDied', listener: () => void): this;
}

/**
 * Receives from all lanes in turn. `for await` ends when every sender has closed or died, and leaves the
 * receiver open. An event `'senderDied'`, with the number of the lane, is emitted for each sender that ended
 * without closing, when all that it had sent has been received.
 */
export interface Receiver extends AsyncIterable<Buffer>, Disposable {
  /**
   * The next message, if there is one; `undefined` otherwise. Throws as `receive()` rejects.
   *
   * @example
   * const message = receiver.tryReceive();
   */
  tryReceive(): Buffer | undefined;
  /**
   * Waits for a message. `undefined`: every sender has closed or died, or this receiver was closed. While it
   * waits it keeps the process alive, unless `unref()` was called.
   *
   * @throws (rejects) Error `ERR_CHANNEL_CLOSED`; `ERR_CHANNEL_CORRUPT`: a lane was spoilt, and what was in
   *   it is dropped; the others go on. `ERR_MAPPING_CLOSED`; the signal's reason.
   * @example
   * const message = await receiver.receive({ signal: AbortSignal.timeout(1000) });
   */
  receive(options?: { signal?: AbortSignal }): Promise<Buffer | undefined>;
  /**
   * Waits until there is a message, and leaves it where it is: for `drain()`, which then need not copy.
   * False: as `undefined` of `receive()`. Rejects as that does.
   *
   * @example
   * while (await receiver.ready()) receiver.drain((message, sender) => add(message, sender), 256);
   */
  ready(options?: { signal?: AbortSignal }): Promise<boolean>;
  /**
   * Blocks the thread until there is a message. `undefined`: as of `receive()`, and when `timeout` milliseconds
   * (default: for ever) are over. Throws as that rejects.
   *
   * @example
   * const message = receiver.receiveSync(1000);
   */
  receiveSync(timeout?: number): Buffer | undefined;
  /**
   * Calls back for up to `limit` messages that are there (default: all that are when it begins), without
   * copying: the bytes are valid inside the call, until it closes the receiver. One for which the call throws
   * counts as received.
   *
   * @returns how many
   * @example
   * receiver.drain((message, sender) => add(message, sender));
   */
  drain(each: (message: Buffer, sender: number) => void, limit?: number): number;
  /**
   * Takes `unref()` back.
   *
   * @example
   * receiver.ref();
   */
  ref(): this;
  /**
   * Lets the process end while this receiver waits.
   *
   * @example
   * receiver.unref();
   */
  unref(): this;
  /**
   * Gives the place up. Messages that are not received stay for the next receiver; senders get `EPIPE`
   * meanwhile. Idempotent.
   *
   * @example
   * receiver.close();
   */
  close(): void;
  /** Whether `close()` was called. */
  readonly closed: boolean;
  /** The listeners of Node's EventEmitter, for `'senderDied'`. */
  on(event: 'senderDied', listener: (sender: number) => void): this;
  /** As `on()`, for one event. */
  once(event: 'senderDied', listener: (sender: number) => void): this;
  /** Takes a listener away. */
  off(event: 'senderDied', listener: (sender: number) => void): this;
}
