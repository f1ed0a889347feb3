export type { Fault, StateCode, SystemError } from './errors.js';
export { type Stats, setGuard, stats } from './guard.js';
export {
  type AnonymousOptions,
  anonymous,
  type File,
  type MapOptions,
  Mapping,
  map,
  type PathLike,
  type ViewClass,
} from './mapping.js';
export { inherited, SharedMemory, share } from './shared-memory.js';
