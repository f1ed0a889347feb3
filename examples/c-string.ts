// Strings as C keeps them: bytes, then a zero.

/** The text up to the first zero byte. */
export function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end === -1 ? bytes.length : end)).toString();
}

/**
 * Stores `text` and its zero byte. Another process may be watching, so the first byte comes last,
 * as an atomic store: whoever sees it sees all the others too.
 */
export function putCString(bytes: Uint8Array, text: string): void {
  const source = Buffer.from(`${text}\0`);
  if (source.length > bytes.length) throw new RangeError(`no room for ${source.length} bytes`);
  bytes.set(source.subarray(1), 1);
  Atomics.store(bytes, 0, source.readUInt8(0));
}
