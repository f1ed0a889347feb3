// What programs/power-cut-writer.ts tells scripts/attack/power-cuts.mjs, and what must then be on a disk.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes that say which they are: those of content(id, length), at this place of the file. */
export interface Place {
  file: string;
  offset: number;
  length: number;
  id: number;
}

export type Mark =
  /** A flush of this has resolved, and it is never written to again. */
  | { is: Place }
  /** From here on `mark` may be there, since a flush of `record` has resolved. */
  | { record: Place; mark: Place }
  /** From here on this generation of a place that is overwritten may be there; from `done` on it is. */
  | { cell: Place; generation: number; done: boolean }
  | { ready: true };

/** Every word is another, whatever the id and wherever it stands: a sector that is absent, old or elsewhere shows. */
export function content(id: number, length: number): Buffer {
  const words = new Int32Array(Math.ceil(length / 4));
  const first = Math.imul(id + 1, 0x9e3779b1);
  for (let i = 0; i < words.length; i++) words[i] = first + Math.imul(i, 0x01000193);
  return Buffer.from(words.buffer, 0, length);
}

interface Cell {
  place: Place;
  /** The contents that may be there: the last that was flushed, and those begun since. */
  generations: Buffer[];
  /** Nothing is promised of it before the first flush: its file may not even be there. */
  flushed: boolean;
}

export interface Seen {
  /** Bytes that a flush had resolved, and what of them is not there. */
  promised: number;
  files: number;
  lost: string[];
  /** Records that are marked valid, and those of them that are not whole. */
  valid: number;
  torn: string[];
}

/** What must be on a disk, by the marks that were noted. */
export class Promises {
  readonly #places: { place: Place; bytes: Buffer }[] = [];
  readonly #records: { record: Place; bytes: Buffer; mark: Place; valid: Buffer }[] = [];
  readonly #cells = new Map<string, Cell>();

  note(mark: Mark): void {
    if ('is' in mark) {
      this.#places.push({ place: mark.is, bytes: content(mark.is.id, mark.is.length) });
    } else if ('record' in mark) {
      const { record, mark: sign } = mark;
      const bytes = content(record.id, record.length);
      this.#records.push({ record, bytes, mark: sign, valid: content(sign.id, sign.length) });
    } else if ('cell' in mark) {
      const { cell: place, generation, done } = mark;
      const bytes = content(place.id + generation, place.length);
      const key = `${place.file} ${place.offset}`;
      const cell = this.#cells.get(key) ?? { place, generations: [], flushed: false };
      cell.generations = done ? [bytes] : [...cell.generations, bytes];
      cell.flushed ||= done;
      this.#cells.set(key, cell);
    }
  }

  check(directory: string): Seen {
    const files = new Map<string, Buffer | string>();
    const read = ({ file, offset, length }: Place): Buffer | string => {
      let bytes = files.get(file);
      if (bytes === undefined) {
        try {
          bytes = readFileSync(join(directory, file));
        } catch (error) {
          bytes = (error as NodeJS.ErrnoException).code ?? String(error);
        }
        files.set(file, bytes);
      }
      return typeof bytes === 'string' ? bytes : bytes.subarray(offset, offset + length);
    };
    const difference = (place: Place, wanted: Buffer): string | undefined => {
      const there = read(place);
      const { file, offset, length } = place;
      if (typeof there === 'string') return `${file}: ${there}`;
      if (there.length < length) return `${file}: ends within ${offset}+${length}`;
      if (there.equals(wanted)) return undefined;
      const first = there.findIndex((byte, i) => byte !== wanted[i]);
      return `${file}: ${offset}+${length} is different from +${first} on`;
    };
    const seen: Seen = { promised: 0, files: 0, lost: [], valid: 0, torn: [] };
    const names = new Set<string>();
    for (const { place, bytes } of this.#places) {
      seen.promised += place.length;
      names.add(place.file);
      const what = difference(place, bytes);
      if (what !== undefined) seen.lost.push(what);
    }
    for (const { place, generations, flushed } of this.#cells.values()) {
      if (!flushed) continue;
      seen.promised += place.length;
      const there = read(place);
      if (typeof there === 'string' || !mixes(there, generations)) {
        seen.lost.push(`${place.file}: cell at ${place.offset}`);
      }
    }
    for (const { record, bytes, mark, valid } of this.#records) {
      if (difference(mark, valid) !== undefined) continue;
      seen.valid++;
      const what = difference(record, bytes);
      if (what !== undefined) seen.torn.push(what);
    }
    seen.files = names.size;
    return seen;
  }
}

/** Whether every word is one of these contents'. A page may be written while it is stored to. */
function mixes(there: Buffer, contents: Buffer[]): boolean {
  for (let at = 0; at < (contents[0]?.length ?? 0); at += 4) {
    if (at + 4 > there.length) return false;
    const word = there.readInt32LE(at);
    if (!contents.some((one) => one.readInt32LE(at) === word)) return false;
  }
  return true;
}
