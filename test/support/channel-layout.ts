// Where the numbers lie in a channel's segment, in bytes (native/include/memmap_channel_layout.h). They are
// written down here once more, since other programs rely on them.

export const AT = {
  magic: 0,
  version: 4,
  lanes: 8,
  capacity: 12,
  state: 16,
  receiver: 64,
  receiverOpens: 72,
  receiverClosed: 76,
  bell: 128,
  lane: 256,
} as const;
export const LANE_BYTES = 192;
export const LANE = {
  mutex: 0,
  opens: 8,
  closes: 12,
  tail: 16,
  head: 64,
  deaths: 68,
  room: 128,
} as const;
export const DATA = 4096;
/** Bytes before a message, and the multiple at which it begins. */
const RECORD = 8;

/** Bytes that a message takes in the ring. */
export const taken = (length: number): number => Math.ceil((length + RECORD) / RECORD) * RECORD;
