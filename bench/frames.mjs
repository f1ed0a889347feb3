// Messages in a stream: each behind its length.
import { Buffer } from 'node:buffer';

export function framed(content) {
  const frame = Buffer.allocUnsafe(4 + content.length);
  frame.writeUInt32LE(content.length, 0);
  frame.set(content, 4);
  return frame;
}

/** A listener of 'data' that calls back with whole messages. */
export function unframed(hear) {
  let chunks = [];
  let bytes = 0;
  let wanted = 4;
  return (data) => {
    chunks.push(data);
    bytes += data.length;
    if (bytes < wanted) return;
    const all = chunks.length === 1 ? data : Buffer.concat(chunks);
    let at = 0;
    wanted = 4;
    while (all.length - at >= 4) {
      const length = all.readUInt32LE(at);
      wanted = 4 + length;
      if (all.length - at < wanted) break;
      hear(all.subarray(at + 4, at + wanted));
      at += wanted;
      wanted = 4;
    }
    chunks = at < all.length ? [all.subarray(at)] : [];
    bytes = all.length - at;
  };
}
