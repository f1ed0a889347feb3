// The kinds of view that a mapping gives out, and where each may begin.
import { invalidType, outOfRange, stateError } from './errors.js';
import { type Handle, maxBuffer, native } from './native.js';
import * as validate from './validate.js';

/** The constructor of a typed array or of DataView. */
export type ViewClass = {
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): ArrayBufferView;
};

const TypedArray = Object.getPrototypeOf(Uint8Array) as object;

/** Bytes of an element; 1 for DataView, whose length is counted in bytes. */
export function elementSize(type: unknown): number {
  const isView =
    typeof type === 'function' &&
    type !== TypedArray &&
    (Object.prototype.isPrototypeOf.call(TypedArray, type) ||
      type === DataView ||
      type.prototype instanceof DataView);
  if (!isView) throw invalidType('type', 'a typed array class or DataView', type);
  return (type as unknown as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
}

/**
 * @param address of the first byte, of which only the remainder by the element size matters
 */
function checkAlignment(size: number, address: number, byteOffset: number): void {
  if (address % size === 0) return;
  throw outOfRange(
    'byteOffset',
    `where the byte's offset in the file is a multiple of ${size}`,
    byteOffset,
  );
}

/**
 * The arguments of `Mapping.view()`: how many elements the view has.
 *
 * @param total bytes of the mapping
 * @param offset of the mapping in its file
 */
export function elementsOf(
  type: unknown,
  total: number,
  offset: number,
  byteOffset: number,
  length: number | undefined,
): number {
  const size = elementSize(type);
  validate.integer('byteOffset', byteOffset, 0, total);
  const rest = total - byteOffset;
  validate.optionalInteger('length', length, 0, Math.floor(rest / size));
  if (length === undefined && rest % size !== 0) {
    throw outOfRange('byteOffset', `a multiple of ${size} before the end`, byteOffset);
  }
  checkAlignment(size, offset + byteOffset, byteOffset);
  return length ?? rest / size;
}

/** The arguments of `Mapping.windows()`. */
export function checkWindows(type: unknown, total: number, offset: number, elements: number): void {
  const size = elementSize(type);
  validate.integer('elements', elements, 1, Math.floor(Number.MAX_SAFE_INTEGER / size));
  if (total % size !== 0) throw outOfRange('type', `of a size that divides ${total} bytes`, type);
  checkAlignment(size, offset, 0);
}

/** A new ArrayBuffer over a part of a mapping. */
export function bufferOf(handle: Handle, byteOffset: number, byteLength: number): ArrayBuffer {
  if (byteLength > maxBuffer) {
    throw stateError(
      'ERR_FEATURE_UNAVAILABLE',
      `This runtime's largest ArrayBuffer has ${maxBuffer} bytes, the mapping ${byteLength}: use view()`,
    );
  }
  return native.bufferOf(handle, byteOffset, byteLength);
}

export function makeView<T extends ViewClass>(
  type: T,
  buffer: ArrayBuffer,
  length: number,
): InstanceType<T> {
  // `new Buffer` is deprecated; its subclass of Uint8Array has a function instead.
  if ((type as unknown) === Buffer) {
    return Buffer.from(buffer, 0, length) as unknown as InstanceType<T>;
  }
  return new type(buffer, 0, length) as InstanceType<T>;
}

/** Node 20 has no `ArrayBuffer.prototype.detached`. */
export function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    return new Uint8Array(buffer).length < 0;
  } catch {
    return true;
  }
}

/** Of a mapping with no bytes a buffer that was detached has as many. */
export function hasBytes(buffer: ArrayBuffer | undefined, length: number): boolean {
  if (buffer?.byteLength !== length) return false;
  return length > 0 || !isDetached(buffer);
}

/**
 * A new Uint8Array over any buffer or view, for the add-on, which takes no SharedArrayBuffer.
 */
export function asView(buffer: SharedArrayBuffer): Uint8Array {
  return new Uint8Array(buffer as ArrayBufferLike);
}

/** The successive windows of `Mapping.windows()`; their number is known when they begin. */
export function* windowsOf<T extends ViewClass>(
  mapping: { view<V extends ViewClass>(type: V, offset: number, length: number): InstanceType<V> },
  type: T,
  elements: number,
  total: number,
): Generator<{ view: InstanceType<T>; byteOffset: number }> {
  const size = elementSize(type);
  for (let byteOffset = 0; byteOffset < total; byteOffset += elements * size) {
    const count = Math.min(elements, (total - byteOffset) / size);
    yield { view: mapping.view(type, byteOffset, count), byteOffset };
  }
}
