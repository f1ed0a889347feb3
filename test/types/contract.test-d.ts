// The package's declarations against the contract: everything that the contract names is there, and may be
// used wherever the contract's may. Checked by types.test.ts; never run.

import type * as Contract from 'contract:memmap';
import type * as ContractChannel from 'contract:memmap/channel';
import type * as ContractPosix from 'contract:memmap/posix';
import type * as ContractSync from 'contract:memmap/sync';
import * as memmap from 'memmap';
import * as channel from 'memmap/channel';
import * as posix from 'memmap/posix';
import * as sync from 'memmap/sync';

type Memmap = typeof memmap;
type Posix = typeof posix;

/** Keys of the first that the second does not have. */
type Missing<A, B> = Exclude<keyof A, keyof B>;
function none<T extends never>(): T | undefined {
  return undefined;
}

// --- every name is there

none<Missing<typeof Contract, Memmap>>();
none<Missing<typeof ContractPosix, Posix>>();
none<Missing<typeof ContractChannel, typeof channel>>();
none<Missing<typeof ContractSync, typeof sync>>();
none<Missing<ContractSync.Mutex, sync.Mutex>>();
none<Missing<ContractSync.Held, sync.Held>>();
none<Missing<ContractChannel.Channel, channel.Channel>>();
none<Missing<ContractChannel.Sender, channel.Sender>>();
none<Missing<ContractChannel.Receiver, channel.Receiver>>();
none<Missing<Contract.Mapping, memmap.Mapping>>();
none<Missing<Contract.SharedMemory, memmap.SharedMemory>>();
none<Missing<Contract.MapOptions, memmap.MapOptions>>();
none<Missing<Contract.Fault, memmap.Fault>>();
/** And flat, too: PROT_READ. Whatever the package has beyond the contract as well. */
type Flat<Enum extends string, Of> = `${Enum}_${keyof Of & string}`;
none<Exclude<Flat<'PROT', Posix['PROT']>, keyof Posix>>();
none<Exclude<Flat<'MAP', Posix['MAP']>, keyof Posix>>();
none<Exclude<Flat<'MS', Posix['MS']>, keyof Posix>>();
none<Exclude<Flat<'MADV', Posix['MADV']>, keyof Posix>>();

// --- values: what the package has goes where the contract's is expected

/** Without what makes one: only the package makes a mapping. */
type Statics<T> = { [K in keyof T as K extends 'prototype' ? never : K]: T[K] };
type Functions = Omit<typeof Contract, 'Mapping' | 'SharedMemory' | 'share'>;
export const functions: Functions = memmap;
export const mappingStatics: Statics<typeof Contract.Mapping> = memmap.Mapping;
export const sharedStatics: Statics<typeof Contract.SharedMemory> = memmap.SharedMemory;
export const channelStatics: Statics<typeof ContractChannel.Channel> = channel.Channel;
/** Its memory must be the package's own: an object that only looks like one is none. */
export const share: <T extends object>(
  memory: Record<string, memmap.SharedMemory>,
  options?: T,
) => T = memmap.share;

type Enums = 'PROT' | 'MAP' | 'MS' | 'MADV';
export const syncCalls: Omit<typeof ContractSync, 'Mutex'> = sync;
export const mutexStatics: Statics<typeof ContractSync.Mutex> = sync.Mutex;
export const calls: Omit<typeof ContractPosix, Enums> = posix;
/** Enums are types of their own: of the same members, and of numbers. */
export const enums: { [E in Enums]: Record<keyof (typeof ContractPosix)[E], number> } = posix;

// --- instances and options, each way

export const mapping = (given: memmap.Mapping): Contract.Mapping => given;
export const shared = (given: memmap.SharedMemory): Contract.SharedMemory => given;
export const asMapping = (given: memmap.SharedMemory): memmap.Mapping => given;
export const oneChannel = (given: channel.Channel): ContractChannel.Channel => given;
export const sender = (given: channel.Sender): ContractChannel.Sender => given;
export const receiver = (given: channel.Receiver): ContractChannel.Receiver => given;
export const mutex = (given: sync.Mutex): ContractSync.Mutex => given;
export const held = (given: sync.Held): ContractSync.Held => given;
export const cell = (given: ContractSync.Cell): sync.Cell => given;
export const fault = (given: memmap.Fault): Contract.Fault => given;
export const faultBack = (given: Contract.Fault): memmap.Fault => given;
export const options = (given: memmap.MapOptions): Contract.MapOptions => given;
export const optionsBack = (given: Contract.MapOptions): memmap.MapOptions => given;
export const file = (given: memmap.File): Contract.File => given;
export const fileBack = (given: Contract.File): memmap.File => given;
export const path = (given: memmap.PathLike): Contract.PathLike => given;
export const pathBack = (given: Contract.PathLike): memmap.PathLike => given;
export const viewClass = (given: memmap.ViewClass): Contract.ViewClass => given;
export const viewClassBack = (given: Contract.ViewClass): memmap.ViewClass => given;
export const region = (given: posix.Region): ContractPosix.Region => given;
export const regionBack = (given: ContractPosix.Region): posix.Region => given;

// The contract's arguments are accepted as they are: its functions, called with the package's.
type Back<F extends (...args: never[]) => unknown, G extends (...args: never[]) => unknown> =
  Parameters<F> extends Parameters<G> ? true : false;
export const back: {
  map: Back<typeof Contract.map, Memmap['map']>;
  anonymous: Back<typeof Contract.anonymous, Memmap['anonymous']>;
  setGuard: Back<typeof Contract.setGuard, Memmap['setGuard']>;
  create: Back<typeof Contract.SharedMemory.create, typeof memmap.SharedMemory.create>;
  adopt: Back<typeof Contract.SharedMemory.adopt, typeof memmap.SharedMemory.adopt>;
  createNamed: Back<
    typeof Contract.SharedMemory.createNamed,
    typeof memmap.SharedMemory.createNamed
  >;
  open: Back<typeof Contract.SharedMemory.open, typeof memmap.SharedMemory.open>;
  wait: Back<typeof ContractSync.wait, typeof sync.wait>;
  waitAsync: Back<typeof ContractSync.waitAsync, typeof sync.waitAsync>;
  notify: Back<typeof ContractSync.notify, typeof sync.notify>;
  lock: Back<ContractSync.Mutex['lock'], sync.Mutex['lock']>;
  lockSync: Back<ContractSync.Mutex['lockSync'], sync.Mutex['lockSync']>;
  createChannel: Back<typeof ContractChannel.Channel.create, typeof channel.Channel.create>;
  send: Back<ContractChannel.Sender['send'], channel.Sender['send']>;
  trySend: Back<ContractChannel.Sender['trySend'], channel.Sender['trySend']>;
  sendSync: Back<ContractChannel.Sender['sendSync'], channel.Sender['sendSync']>;
  receive: Back<ContractChannel.Receiver['receive'], channel.Receiver['receive']>;
  receiveSync: Back<ContractChannel.Receiver['receiveSync'], channel.Receiver['receiveSync']>;
  drain: Back<ContractChannel.Receiver['drain'], channel.Receiver['drain']>;
} = {
  map: true,
  anonymous: true,
  setGuard: true,
  create: true,
  adopt: true,
  createNamed: true,
  open: true,
  wait: true,
  waitAsync: true,
  notify: true,
  lock: true,
  lockSync: true,
  createChannel: true,
  send: true,
  trySend: true,
  sendSync: true,
  receive: true,
  receiveSync: true,
  drain: true,
};
