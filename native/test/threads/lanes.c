/* Fewer lanes than senders: lanes are claimed, given back, left by senders that die, and claimed again; receivers
 * follow one another too. What was sent is received once, in the order of its lane, and each death is told.
 */
#include <sched.h>

#include "channel.h"

enum { SENDERS = 5, LANES = 2, CAPACITY = 256 };

struct shared {
  attack_channel made;
  int rounds;
  int sending; /* senders that are not done */
  long sent;
  long sum;
  long opens;
  long deaths;
  long received;
  long received_sum;
  long told;
};

static void send_some(struct shared *shared) {
  const memmap_channel *channel = &shared->made.channel;
  memmap_participant me;
  memmap_sender sender;
  int i;
  CHECK(memmap_join(&me, shared->made.fd) == 0, "join");
  for (i = 0; i < shared->rounds; i++) {
    uint32_t count = attack_random(6);
    int error;
    while ((error = memmap_sender_open(&sender, channel, &me)) == EBUSY)
      sched_yield();
    CHECK(error == 0 && sender.lane < LANES, "no lane: %d", error);
    __atomic_fetch_add(&shared->opens, 1, __ATOMIC_RELAXED);
    for (; count > 0; count--) {
      const uint32_t value = attack_random(1000);
      /* A receiver that has closed has a successor. */
      while ((error = memmap_try_send(&sender, &value, sizeof value)) == EPIPE || error == EAGAIN)
        sched_yield();
      CHECK(error == 0, "send: %d", error);
      __atomic_fetch_add(&shared->sent, 1, __ATOMIC_RELAXED);
      __atomic_fetch_add(&shared->sum, value, __ATOMIC_RELAXED);
    }
    if (attack_random(8) == 0) {
      __atomic_fetch_add(&shared->deaths, 1, __ATOMIC_RELAXED);
      memmap_leave(&me);
      CHECK(memmap_join(&me, shared->made.fd) == 0, "join");
    } else {
      memmap_sender_close(&sender);
    }
  }
  memmap_leave(&me);
  __atomic_fetch_sub(&shared->sending, 1, __ATOMIC_SEQ_CST);
}

static void receive_some(struct shared *shared) {
  int over = 0;
  while (!over) {
    memmap_participant me;
    memmap_receiver receiver;
    int patience = 1 + (int)attack_random(200);
    CHECK(memmap_join(&me, shared->made.fd) == 0, "join");
    CHECK(memmap_receiver_open(&receiver, &shared->made.channel, &me) == 0, "no receiver");
    while (!over && patience > 0) {
      uint32_t value = 0;
      size_t length = 0;
      /* In this order: what they have sent by then is there to be received. */
      const int done = __atomic_load_n(&shared->sending, __ATOMIC_SEQ_CST) == 0;
      const int error = memmap_try_receive(&receiver, &value, sizeof value, &length, NULL);
      if (error == 0) {
        CHECK(length == sizeof value, "%zu bytes", length);
        shared->received++;
        shared->received_sum += value;
        patience--;
      } else {
        CHECK(error == EAGAIN || error == EPIPE, "receive: %d", error);
        over = done && error == EPIPE;
        sched_yield();
      }
    }
    shared->told += receiver.deaths;
    memmap_receiver_close(&receiver);
    memmap_leave(&me);
  }
}

static void run(int index, void *data) {
  if (index == SENDERS) {
    receive_some(data);
  } else {
    send_some(data);
  }
}

void case_lanes(void);
void case_lanes(void) {
  struct shared shared = {0};
  shared.rounds = attack_times(300);
  shared.sending = SENDERS;
  attack_channel_make(&shared.made, LANES, CAPACITY);
  attack_threads(SENDERS + 1, run, &shared);
  CHECK(shared.received == shared.sent && shared.received_sum == shared.sum,
        "%ld received of %ld sent, sum %ld of %ld", shared.received, shared.sent,
        shared.received_sum, shared.sum);
  CHECK(shared.told == shared.deaths, "%ld told of %ld deaths", shared.told, shared.deaths);
  CHECK((long)memmap_senders(&shared.made.channel) == shared.opens, "%u senders, not %ld",
        memmap_senders(&shared.made.channel), shared.opens);
  attack_channel_drop(&shared.made);
  attack_figure("lanes.claimed", shared.opens);
  attack_figure("lanes.deaths", shared.deaths);
  attack_figure("lanes.messages", shared.sent);
}
