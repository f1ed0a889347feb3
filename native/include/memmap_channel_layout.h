/* memmap_channel_layout.h: how a channel lies in its segment. The one place where that is said: the code in C
 * (memmap_channel.h) uses it, and the code in TypeScript gets these numbers from the add-on.
 *
 * All numbers are of 32 bits in native byte order; a field is written by the side that owns its
 * cache line (64 bytes), but for the bells, which both write.
 *
 *   byte 0      +---------------------------------------------------------------+
 *               | MAGIC | VERSION | LANES | CAPACITY | STATE | zeros ...        |  written once, STATE last
 *        64     | receiver: Mutex (8) | OPENS | CLOSED | zeros ...              |
 *       128     | BELL: 1 while the receiver sleeps                             |
 *       192     | zeros                                                         |
 *       256     | lane 0:  +0 sender: Mutex (8) | OPENS | CLOSES | TAIL         |
 *               |         +64 receiver: HEAD | DEATHS                           |
 *               |        +128 ROOM: 1 while the sender sleeps                   |
 *       448     | lane 1 ...                                                    |
 *               +---------------------------------------------------------------+
 *       DATA    | CAPACITY bytes of lane 0 | CAPACITY bytes of lane 1 | ...     |  the next multiple of 4096
 *               +---------------------------------------------------------------+
 *
 * A lane is a ring of CAPACITY bytes (a power of two) for one sender. TAIL and HEAD count bytes and wrap at
 * 2^32: what lies from HEAD to TAIL is published and not received. A record begins at a multiple of 8:
 *
 *       +--------------+--------------+------------------------+-----------+
 *       |  LENGTH (4)  |  zero (4)    |  LENGTH bytes          |  0..7     |
 *       +--------------+--------------+------------------------+-----------+
 *
 * and does not cross the ring's end: where it would, LENGTH is SKIP, and the record begins at the ring's
 * beginning. So a message has at most CAPACITY / 2 - 8 bytes: room for it comes, wherever TAIL stands.
 *
 * A sender writes the record, then stores TAIL; one that dies before has sent nothing. Who holds the Mutex
 * of a lane is its sender; OPENS counts senders, CLOSES those that closed, and a sender that is neither
 * alive nor closed has died: OPENS - CLOSES, less one that lives, are the deaths; DEATHS of them have been
 * reported. A lane is free when nobody alive holds its Mutex and HEAD is TAIL. Of receivers, which follow one
 * another, CLOSED is what OPENS was when one closed last.
 *
 * Sleep and wake: who sleeps stores 1 into its bell, looks again, and waits while it is 1. The other side
 * publishes, then looks at the bell; if it was 1 it stores 0 and notifies. All of these are sequentially
 * consistent. A peer may die between the two, and be dead without a word: sleepers look up all the same.
 *
 * Nothing that is read from the segment is believed: numbers are copied, then compared with their bounds.
 */
#ifndef MEMMAP_CHANNEL_LAYOUT_H
#define MEMMAP_CHANNEL_LAYOUT_H

#include "memmap_sync.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MEMMAP_CHANNEL_MAGIC UINT32_C(0x48434d4d) /* "MMCH" */
#define MEMMAP_CHANNEL_VERSION 1
#define MEMMAP_CHANNEL_READY 1
#define MEMMAP_CHANNEL_SKIP UINT32_C(0xffffffff)
#define MEMMAP_CHANNEL_MAX_LANES 1024
#define MEMMAP_CHANNEL_MIN_CAPACITY 64
#define MEMMAP_CHANNEL_MAX_CAPACITY (1 << 30)
#define MEMMAP_CHANNEL_RECORD 8    /* bytes before a message, and the multiple a record begins at */
#define MEMMAP_CHANNEL_LOOK_UP 100 /* milliseconds after which a sleeper looks at its peers */

enum { /* offsets in the segment */
       MEMMAP_CHANNEL_AT_MAGIC = 0,
       MEMMAP_CHANNEL_AT_VERSION = 4,
       MEMMAP_CHANNEL_AT_LANES = 8,
       MEMMAP_CHANNEL_AT_CAPACITY = 12,
       MEMMAP_CHANNEL_AT_STATE = 16,
       MEMMAP_CHANNEL_AT_RECEIVER = 64,
       MEMMAP_CHANNEL_AT_RECEIVER_OPENS = 72,
       MEMMAP_CHANNEL_AT_RECEIVER_CLOSED = 76,
       MEMMAP_CHANNEL_AT_BELL = 128,
       MEMMAP_CHANNEL_AT_LANE = 256, /* of lane 0 */
       MEMMAP_CHANNEL_LANE_BYTES = 192,
       MEMMAP_CHANNEL_DATA_UNIT = 4096
};
enum { /* offsets in a lane */
       MEMMAP_CHANNEL_LANE_OPENS = 8,
       MEMMAP_CHANNEL_LANE_CLOSES = 12,
       MEMMAP_CHANNEL_LANE_TAIL = 16,
       MEMMAP_CHANNEL_LANE_HEAD = 64,
       MEMMAP_CHANNEL_LANE_DEATHS = 68,
       MEMMAP_CHANNEL_LANE_ROOM = 128
};

/* --- the segment --------------------------------------------------------------------------------- */

typedef struct memmap_channel {
  char* base;
  uint32_t lanes;
  uint32_t capacity;
} memmap_channel;

static inline uint32_t memmap_load(const uint32_t* word) {
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void memmap_store(uint32_t* word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static inline uint32_t* memmap_lane_word(const memmap_channel* channel, uint32_t lane, size_t at) {
  const size_t lanes_at = MEMMAP_CHANNEL_AT_LANE;
  return memmap_word(channel->base, lanes_at + lane * (size_t)MEMMAP_CHANNEL_LANE_BYTES + at);
}

static inline size_t memmap_channel_data_at(uint32_t lanes) {
  const size_t end = MEMMAP_CHANNEL_AT_LANE + lanes * (size_t)MEMMAP_CHANNEL_LANE_BYTES;
  const size_t unit = MEMMAP_CHANNEL_DATA_UNIT;
  return (end + unit - 1) / unit * unit;
}

static inline char* memmap_lane_data(const memmap_channel* channel, uint32_t lane) {
  return channel->base + memmap_channel_data_at(channel->lanes) + lane * (size_t)channel->capacity;
}

static inline uint32_t memmap_channel_max_message(const memmap_channel* channel) {
  return channel->capacity / 2 - MEMMAP_CHANNEL_RECORD;
}

/* EPROTO: no channel, or not of this version, or larger than the memory. */
static inline int memmap_channel_open(memmap_channel* channel, void* memory, size_t size) {
  channel->base = (char*)memory;
  if (size < MEMMAP_CHANNEL_AT_LANE ||
      memmap_load(memmap_word(memory, MEMMAP_CHANNEL_AT_STATE)) != MEMMAP_CHANNEL_READY ||
      memmap_load(memmap_word(memory, MEMMAP_CHANNEL_AT_MAGIC)) != MEMMAP_CHANNEL_MAGIC ||
      memmap_load(memmap_word(memory, MEMMAP_CHANNEL_AT_VERSION)) != MEMMAP_CHANNEL_VERSION) {
    return EPROTO;
  }
  channel->lanes = memmap_load(memmap_word(memory, MEMMAP_CHANNEL_AT_LANES));
  channel->capacity = memmap_load(memmap_word(memory, MEMMAP_CHANNEL_AT_CAPACITY));
  if (channel->lanes == 0 || channel->lanes > MEMMAP_CHANNEL_MAX_LANES ||
      channel->capacity < MEMMAP_CHANNEL_MIN_CAPACITY ||
      channel->capacity > MEMMAP_CHANNEL_MAX_CAPACITY ||
      (channel->capacity & (channel->capacity - 1)) != 0 ||
      size < memmap_channel_data_at(channel->lanes) + channel->lanes * (size_t)channel->capacity) {
    return EPROTO;
  }
  return 0;
}

#ifdef __cplusplus
}
#endif

#endif
