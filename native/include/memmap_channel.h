/* memmap_channel.h: the channel of `memmap/channel`, for programs in C and C++.
 *
 * With memmap_sync.h and memmap_channel_layout.h, without a library. Define _GNU_SOURCE before the first system header.
 *
 *   memmap_channel channel;                       memory: all of the segment, mapped shared and writable
 *   error = memmap_channel_open(&channel, memory, size);
 *   error = memmap_join(&me, fd);                 once for each thread
 *
 *   memmap_sender sender;                         memmap_receiver receiver;
 *   memmap_sender_open(&sender, &channel, &me);   memmap_receiver_open(&receiver, &channel, &me);
 *   memmap_send(&sender, data, length, NULL);     memmap_receive(&receiver, buffer, room, &length, NULL, NULL);
 *   memmap_sender_close(&sender);                 memmap_receiver_close(&receiver);
 *
 * Functions return 0 or an errno value. Deadlines are points of CLOCK_MONOTONIC; NULL is for ever.
 *
 */
#ifndef MEMMAP_CHANNEL_H
#define MEMMAP_CHANNEL_H

#include <string.h>

#include "memmap_channel_layout.h"
#include "memmap_sync.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sleeps while the bell is 1, at most until the deadline or the next look at the peers. */
static inline int memmap_sleep(uint32_t* bell, const struct timespec* deadline) {
  const int64_t look_up = memmap_now() + MEMMAP_CHANNEL_LOOK_UP * INT64_C(1000000);
  struct timespec until = memmap_timespec(look_up);
  if (deadline != NULL && (int64_t)deadline->tv_sec * 1000000000 + deadline->tv_nsec < look_up) {
    until = *deadline;
  }
  return memmap_wait(bell, 1, &until);
}

static inline void memmap_ring(uint32_t* bell) {
  if (memmap_load(bell) == 1 && __atomic_exchange_n(bell, 0, __ATOMIC_SEQ_CST) == 1) {
    memmap_notify(bell, 1);
  }
}

static inline int memmap_is_late(const struct timespec* deadline) {
  return deadline != NULL &&
         memmap_now() >= (int64_t)deadline->tv_sec * 1000000000 + deadline->tv_nsec;
}

/* --- senders ------------------------------------------------------------------------------------- */

typedef struct memmap_sender {
  memmap_channel channel;
  const memmap_participant* me;
  uint32_t lane;
  uint32_t tail;
  uint32_t head; /* as it was seen last */
} memmap_sender;

/* EBUSY: every lane has a sender, or messages of one that are not received yet. */
static inline int memmap_sender_open(memmap_sender* sender, const memmap_channel* channel,
                                     const memmap_participant* me) {
  uint32_t lane;
  for (lane = 0; lane < channel->lanes; lane++) {
    uint32_t* mutex = memmap_lane_word(channel, lane, 0);
    uint32_t* opens = memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_OPENS);
    const uint32_t* tail = memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_TAIL);
    const uint32_t* head = memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_HEAD);
    int error;
    if (memmap_load(tail) != memmap_load(head)) continue;
    error = memmap_mutex_trylock(me, mutex);
    if (error != 0 && error != EOWNERDEAD) continue;
    sender->channel = *channel;
    sender->me = me;
    sender->lane = lane;
    sender->tail = memmap_load(tail);
    sender->head = memmap_load(head);
    if (sender->tail == sender->head && sender->tail % MEMMAP_CHANNEL_RECORD == 0) {
      memmap_store(memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_ROOM), 0);
      memmap_store(opens, memmap_load(opens) + 1);
      return 0;
    }
    memmap_mutex_unlock(me, mutex);
  }
  return EBUSY;
}

static inline int memmap_receiver_has_closed(const memmap_channel* channel) {
  const uint32_t opens = memmap_load(memmap_word(channel->base, MEMMAP_CHANNEL_AT_RECEIVER_OPENS));
  return opens != 0 &&
         opens == memmap_load(memmap_word(channel->base, MEMMAP_CHANNEL_AT_RECEIVER_CLOSED));
}

/* EAGAIN: no room; EMSGSIZE; EPIPE: the receiver has closed; EPROTO: the lane is spoilt. */
static inline int memmap_try_send(memmap_sender* sender, const void* data, size_t length) {
  const memmap_channel* channel = &sender->channel;
  const uint32_t capacity = channel->capacity;
  const uint32_t at = sender->tail & (capacity - 1);
  char* ring = memmap_lane_data(channel, sender->lane);
  uint32_t size;
  uint32_t skip;
  if (length > memmap_channel_max_message(channel)) return EMSGSIZE;
  if (memmap_receiver_has_closed(channel)) return EPIPE;
  size =
      ((uint32_t)length + 2 * MEMMAP_CHANNEL_RECORD - 1) & ~(uint32_t)(MEMMAP_CHANNEL_RECORD - 1);
  skip = size > capacity - at ? capacity - at : 0;
  if (sender->tail - sender->head + size + skip > capacity) {
    const uint32_t head =
        memmap_load(memmap_lane_word(channel, sender->lane, MEMMAP_CHANNEL_LANE_HEAD));
    if (sender->tail - head > capacity) return EPROTO;
    sender->head = head;
    if (sender->tail - sender->head + size + skip > capacity) return EAGAIN;
  }
  if (skip != 0) *memmap_word(ring, at) = MEMMAP_CHANNEL_SKIP;
  ring += skip != 0 ? 0 : at;
  *memmap_word(ring, 0) = (uint32_t)length;
  *memmap_word(ring, 4) = 0;
  if (length != 0) memcpy(ring + MEMMAP_CHANNEL_RECORD, data, length);
  sender->tail += skip + size;
  memmap_store(memmap_lane_word(channel, sender->lane, MEMMAP_CHANNEL_LANE_TAIL), sender->tail);
  memmap_ring(memmap_word(channel->base, MEMMAP_CHANNEL_AT_BELL));
  return 0;
}

/* Waits for room. As memmap_try_send, but ETIMEDOUT for EAGAIN. */
static inline int memmap_send(memmap_sender* sender, const void* data, size_t length,
                              const struct timespec* deadline) {
  uint32_t* room = memmap_lane_word(&sender->channel, sender->lane, MEMMAP_CHANNEL_LANE_ROOM);
  for (;;) {
    int error = memmap_try_send(sender, data, length);
    if (error != EAGAIN) return error;
    memmap_store(room, 1);
    error = memmap_try_send(sender, data, length);
    if (error == EAGAIN && !memmap_is_late(deadline)) {
      memmap_sleep(room, deadline);
    } else {
      memmap_store(room, 0);
      return error == EAGAIN ? ETIMEDOUT : error;
    }
  }
}

/* What was sent stays for the receiver. */
static inline void memmap_sender_close(memmap_sender* sender) {
  uint32_t* closes = memmap_lane_word(&sender->channel, sender->lane, MEMMAP_CHANNEL_LANE_CLOSES);
  memmap_store(closes, memmap_load(closes) + 1);
  memmap_mutex_unlock(sender->me, memmap_lane_word(&sender->channel, sender->lane, 0));
  memmap_ring(memmap_word(sender->channel.base, MEMMAP_CHANNEL_AT_BELL));
}

/* --- the receiver -------------------------------------------------------------------------------- */

typedef struct memmap_receiver {
  memmap_channel channel;
  const memmap_participant* me;
  uint32_t next;   /* the lane to look at first: one after the other has its turn */
  uint32_t deaths; /* of senders, noticed by this receiver */
  uint32_t calls;
  int64_t looked; /* when it looked at the senders last */
} memmap_receiver;

/* EBUSY: there is one. */
static inline int memmap_receiver_open(memmap_receiver* receiver, const memmap_channel* channel,
                                       const memmap_participant* me) {
  uint32_t* opens = memmap_word(channel->base, MEMMAP_CHANNEL_AT_RECEIVER_OPENS);
  const int error =
      memmap_mutex_trylock(me, memmap_word(channel->base, MEMMAP_CHANNEL_AT_RECEIVER));
  if (error != 0 && error != EOWNERDEAD) return EBUSY;
  receiver->channel = *channel;
  receiver->me = me;
  receiver->next = 0;
  receiver->deaths = 0;
  receiver->calls = 0;
  receiver->looked = memmap_now();
  memmap_store(memmap_word(channel->base, MEMMAP_CHANNEL_AT_BELL), 0);
  memmap_store(opens, memmap_load(opens) + 1);
  return 0;
}

/* A lane's message, copied. EAGAIN: none; EMSGSIZE: `*length` is its length, and it stays; EPROTO: the lane
 * was spoilt, and what was in it is dropped. */
static inline int memmap_lane_receive(const memmap_receiver* receiver, uint32_t lane, void* buffer,
                                      size_t room, size_t* length) {
  const memmap_channel* channel = &receiver->channel;
  const uint32_t capacity = channel->capacity;
  const char* ring = memmap_lane_data(channel, lane);
  uint32_t* shared_head = memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_HEAD);
  uint32_t* bell = memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_ROOM);
  const uint32_t tail = memmap_load(memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_TAIL));
  uint32_t head = memmap_load(shared_head);
  uint32_t used = tail - head;
  uint32_t at = head & (capacity - 1);
  uint32_t bytes;
  uint32_t size;
  if (used == 0) return EAGAIN;
  bytes = used > capacity || head % 8 != 0 || used % 8 != 0
              ? MEMMAP_CHANNEL_SKIP
              : __atomic_load_n(memmap_word((void*)(uintptr_t)ring, at), __ATOMIC_RELAXED);
  if (bytes == MEMMAP_CHANNEL_SKIP && used <= capacity && capacity - at < used) {
    head += capacity - at;
    used -= capacity - at;
    at = 0;
    bytes = __atomic_load_n(memmap_word((void*)(uintptr_t)ring, at), __ATOMIC_RELAXED);
  }
  size = bytes > memmap_channel_max_message(channel)
             ? UINT32_MAX
             : (bytes + 2 * MEMMAP_CHANNEL_RECORD - 1) & ~(uint32_t)(MEMMAP_CHANNEL_RECORD - 1);
  if (used > capacity || size > used || size > capacity - at) {
    memmap_store(shared_head, tail);
    memmap_ring(bell);
    return EPROTO;
  }
  *length = bytes;
  if (bytes > room) return EMSGSIZE;
  if (bytes != 0) memcpy(buffer, ring + at + MEMMAP_CHANNEL_RECORD, bytes);
  memmap_store(shared_head, head + size);
  /* A sender that waits is worth waking when there is room for much. */
  if (used - size <= capacity / 2) memmap_ring(bell);
  return 0;
}

/* Whether a lane has a sender, or messages. With `ask` the kernel is asked whether the sender lives, and
 * those that died are counted once what they had sent has been received. */
static inline int memmap_lane_look(memmap_receiver* receiver, uint32_t lane, int ask) {
  const memmap_channel* channel = &receiver->channel;
  /* In this order: of a sender that comes or goes meanwhile too little is counted, and the rest next time. */
  const uint32_t opens = memmap_load(memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_OPENS));
  const uint32_t owner = memmap_load(memmap_lane_word(channel, lane, 0)) & MEMMAP_OWNER;
  const int alive = owner != 0 && (!ask || memmap_is_alive(receiver->me, owner));
  const uint32_t closes = memmap_load(memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_CLOSES));
  uint32_t* deaths = memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_DEATHS);
  const int more = memmap_load(memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_TAIL)) !=
                   memmap_load(memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_HEAD));
  /* The messages of those before the last one are received, or it would not have got their place. */
  const uint32_t last = alive || more ? 1 : 0;
  const int32_t died = (int32_t)(opens - closes - last - memmap_load(deaths));
  if (ask && died > 0) {
    receiver->deaths += (uint32_t)died;
    memmap_store(deaths, memmap_load(deaths) + (uint32_t)died);
  }
  return alive || more;
}

/* How many senders there have been. */
static inline uint32_t memmap_senders(const memmap_channel* channel) {
  uint32_t sum = 0;
  uint32_t i;
  for (i = 0; i < channel->lanes; i++) {
    sum += memmap_load(memmap_lane_word(channel, i, MEMMAP_CHANNEL_LANE_OPENS));
  }
  return sum;
}

/* Whether there is a sender, or a message. */
static inline int memmap_look(memmap_receiver* receiver, int ask) {
  uint32_t i;
  int open = 0;
  if (ask) receiver->looked = memmap_now();
  for (i = 0; i < receiver->channel.lanes; i++)
    open |= memmap_lane_look(receiver, i, ask);
  return open;
}

static inline int memmap_poll(memmap_receiver* receiver, void* buffer, size_t room, size_t* length,
                              uint32_t* sender, int ask) {
  const memmap_channel* channel = &receiver->channel;
  uint32_t i;
  uint32_t before;
  /* Now and then also while there are always messages. */
  if ((++receiver->calls & 31) == 0 &&
      memmap_now() - receiver->looked > MEMMAP_CHANNEL_LOOK_UP * INT64_C(1000000)) {
    memmap_look(receiver, 1);
  }
  for (i = 0; i < channel->lanes; i++) {
    const uint32_t lane = (receiver->next + i) % channel->lanes;
    const int error = memmap_lane_receive(receiver, lane, buffer, room, length);
    if (error == EAGAIN) continue;
    if (sender != NULL) *sender = lane;
    if (error != EMSGSIZE) receiver->next = (lane + 1) % channel->lanes;
    return error;
  }
  before = memmap_senders(channel);
  if (before == 0 || memmap_look(receiver, ask)) return EAGAIN;
  /* One may have come to a lane that had been looked at, before the one in the next lane went. */
  if (memmap_senders(channel) != before) return EAGAIN;
  return ask ? EPIPE : memmap_poll(receiver, buffer, room, length, sender, 1);
}

/* 0: a message of lane `*sender` (which may be NULL); EAGAIN; EMSGSIZE, EPROTO as above; EPIPE: there were
 * senders, and all have closed or died. */
static inline int memmap_try_receive(memmap_receiver* receiver, void* buffer, size_t room,
                                     size_t* length, uint32_t* sender) {
  return memmap_poll(receiver, buffer, room, length, sender, 1);
}

/* Waits for a message. As memmap_try_receive, but ETIMEDOUT for EAGAIN. */
static inline int memmap_receive(memmap_receiver* receiver, void* buffer, size_t room,
                                 size_t* length, uint32_t* sender,
                                 const struct timespec* deadline) {
  uint32_t* bell = memmap_word(receiver->channel.base, MEMMAP_CHANNEL_AT_BELL);
  int error = memmap_poll(receiver, buffer, room, length, sender, 0);
  while (error == EAGAIN) {
    int quiet = 0;
    memmap_store(bell, 1);
    error = memmap_poll(receiver, buffer, room, length, sender, 0);
    if (error == EAGAIN && !memmap_is_late(deadline)) quiet = memmap_sleep(bell, deadline);
    memmap_store(bell, 0);
    if (error != EAGAIN) break;
    error = memmap_poll(receiver, buffer, room, length, sender, quiet == ETIMEDOUT);
    if (error == EAGAIN && memmap_is_late(deadline)) return ETIMEDOUT;
  }
  return error;
}

/* Messages that were not received stay for the next receiver. Senders get EPIPE until there is one. */
static inline void memmap_receiver_close(memmap_receiver* receiver) {
  const memmap_channel* channel = &receiver->channel;
  const uint32_t opens = memmap_load(memmap_word(channel->base, MEMMAP_CHANNEL_AT_RECEIVER_OPENS));
  uint32_t lane;
  memmap_store(memmap_word(channel->base, MEMMAP_CHANNEL_AT_RECEIVER_CLOSED), opens);
  memmap_mutex_unlock(receiver->me, memmap_word(channel->base, MEMMAP_CHANNEL_AT_RECEIVER));
  for (lane = 0; lane < channel->lanes; lane++) {
    memmap_ring(memmap_lane_word(channel, lane, MEMMAP_CHANNEL_LANE_ROOM));
  }
}

#ifdef __cplusplus
}
#endif

#endif
