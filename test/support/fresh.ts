// Memory mapped to be there when somebody writes where he should not: whoever still used addresses
// that were given back would, sooner or later, write into this.

import { anonymous, type Mapping } from 'memmap';

const MARK = 0x5a;

export class FreshMemory {
  readonly #mappings: Mapping[] = [];

  /** Maps so many pieces. The kernel gives out the hole that was just made first. */
  map(length: number, count = 4): void {
    for (let i = 0; i < count; i++) {
      const mapping = anonymous(length, { shared: false });
      mapping.bytes.fill(MARK);
      this.#mappings.push(mapping);
    }
  }

  /** Unmaps all. @throws Error when somebody has written to one of them. */
  checkAndUnmap(): void {
    for (const mapping of this.#mappings.splice(0)) {
      if (!mapping.bytes.equals(Buffer.alloc(mapping.length, MARK))) {
        const at = mapping.bytes.findIndex((byte) => byte !== MARK);
        throw new Error(`memory of others was written to, at its byte ${at}`);
      }
      mapping.unmap();
    }
  }
}
