// The words of Mapping's advise() and protect(), as numbers of the platform.
import { invalidType } from './errors.js';
import { native } from './native.js';

const PREFIX = 'MADV_';

/** The add-on's constants are the list of what is safe on one's own range. */
export function adviceNumber(advice: unknown): number {
  const name = typeof advice === 'string' && advice === advice.toLowerCase() ? advice : '';
  const number = native.constants[PREFIX + name.toUpperCase()];
  if (number !== undefined) return number;
  const known = Object.keys(native.constants)
    .filter((key) => key.startsWith(PREFIX))
    .map((key) => `'${key.slice(PREFIX.length).toLowerCase()}'`);
  throw invalidType('advice', `one of ${known.join(', ')}`, advice);
}

const { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2 } = native.constants;

export const PROTECTIONS = ['none', 'read', 'write'] as const;
export const PROTECTION = {
  none: PROT_NONE,
  read: PROT_READ,
  write: PROT_READ | PROT_WRITE,
} as const;
