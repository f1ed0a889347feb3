// The ways in which a program takes the memory of an ArrayBuffer away from it and gives it to another.

const isMovable = 'transfer' in ArrayBuffer.prototype;

/** Through a byte stream and back: `ReadableStreamBYOBReader.read()` moves it, on every Node. */
async function byStream(buffer: ArrayBuffer): Promise<ArrayBuffer> {
  const stream = new ReadableStream({
    type: 'bytes',
    pull(controller) {
      const request = (controller as ReadableByteStreamController).byobRequest;
      request?.respond(request.view?.byteLength ?? 0);
    },
  });
  const { value } = await stream.getReader({ mode: 'byob' }).read(new Uint8Array(buffer));
  if (value === undefined) throw new Error('the stream ended');
  return value.buffer as ArrayBuffer;
}

export type Move = (buffer: ArrayBuffer) => ArrayBuffer | Promise<ArrayBuffer>;

/** Each leaves the old buffer with length 0, and the memory where it is. */
export const MOVES: readonly Move[] = [
  byStream,
  ...(isMovable
    ? [
        (buffer: ArrayBuffer) => buffer.transfer(),
        (buffer: ArrayBuffer) => buffer.transferToFixedLength(),
        (buffer: ArrayBuffer) => buffer.transfer().transfer(),
        // Once moved it is a buffer like any other, which Node lets through a channel.
        (buffer: ArrayBuffer) => {
          const moved = buffer.transfer();
          return structuredClone(moved, { transfer: [moved] });
        },
      ]
    : []),
];
