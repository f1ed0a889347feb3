export type { Fault, StateCode, SystemError } from './errors.js';
export { type Stats, setGuard, stats } from './guard.js';
export { anonymous, map } from './map.js';
export type { AnonymousOptions, File, MapOptions, PathLike } from './map-options.js';
export { Mapping } from './mapping.js';
export type { Usage } from './native.js';
export { inherited, share } from './share.js';
export { SharedMemory } from './shared-memory.js';
export type { ViewClass } from './views.js';
