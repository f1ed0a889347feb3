// The names that the package makes public, from the package itself: a new one without an operation is noticed.

import { readFileSync } from 'node:fs';
import * as memmap from 'memmap';
import * as channel from 'memmap/channel';
import * as posix from 'memmap/posix';
import * as sync from 'memmap/sync';

/** A name that is not enumerable for the language either, or that every function has. */
const OF_EVERY_CLASS = ['length', 'name', 'prototype'];

function ofClass(name: string, Class: { prototype: object }): string[] {
  const statics = Object.getOwnPropertyNames(Class).filter((key) => !OF_EVERY_CLASS.includes(key));
  return [...statics, ...Reflect.ownKeys(Class.prototype)].map((key) => `${name}.${String(key)}`);
}

const isClass = (value: unknown): value is { prototype: object } =>
  typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));

/** Exported functions are named after their module, members after their class. */
function ofModule(module: string, exports: object): string[] {
  return Object.entries(exports).flatMap(([name, value]) => {
    if (isClass(value)) return ofClass(name, value);
    // What is a number, or an enum of them, is compared as a whole: constantsAgree().
    const isConstant = typeof value === 'number' || typeof value === 'object';
    return isConstant ? [] : [`${module}.${name}`];
  });
}

/** Of what is only an interface the declarations know the members. */
function ofInterfaces(file: string, names: readonly string[]): string[] {
  const text = readFileSync(new URL(`${file}.d.ts`, import.meta.resolve('memmap')), 'utf8');
  return names.flatMap((name) => {
    const [, body = ''] = new RegExp(`interface ${name} [^{]*{\n([^]*?)\n}`).exec(text) ?? [];
    const members = [...body.matchAll(/^ {4}(?:readonly )?(\w+)[(:<?]/gm)].map((match) => match[1]);
    if (members.length === 0) throw new Error(`${file}.d.ts has no interface ${name}`);
    return [...new Set([...members, String(Symbol.dispose)])].map((key) => `${name}.${key}`);
  });
}

export function publicNames(): string[] {
  const names = [
    ...ofModule('memmap', memmap),
    ...ofModule('posix', posix),
    ...ofModule('sync', sync),
    ...ofModule('channel', channel),
    ...ofInterfaces('mutex', ['Held']),
    ...ofInterfaces('channel-types', ['Sender', 'Receiver']),
    ...['Receiver.Symbol(Symbol.asyncIterator)', 'Channel.memory', 'Channel.maxMessage'],
  ];
  return [...new Set(names)].sort();
}
