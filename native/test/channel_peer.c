// One end of a channel, with native/include/memmap_channel.h alone. The messages are those of
// test/support/channel-content.ts; test/programs/channel-peer.ts is the same program for Node.
//
//   channel_peer send FD SENDER COUNT SEED MIN MAX [COUNTS [try]]
//   channel_peer receive FD SEED MIN MAX [COUNTS [try]]
//
// FD: the channel's memory. COUNT: messages; 0: until it is told to stop in COUNTS, the descriptor of the page
// in which both sides count (-: none). try: without ever sleeping.

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "memmap_channel.h"

enum {
  HEADER = 8,
  MAX_SENDERS = 2048,
  MAX_LENGTH = 1 << 16,
  TABLE = 2 * MAX_LENGTH,
  SHORT = 64,
  // The page, in words.
  STOP = 0,
  MISSED = 1,
  REPEATED = 2,
  RECEIVED = 3,
  BEGUN = 16,
  SENT = BEGUN + MAX_SENDERS,
  NEXT = SENT + MAX_SENDERS,
  COUNTS = NEXT + 2 * MAX_SENDERS
};

static _Noreturn void fail(const char *what, int error) {
  fprintf(stderr, "channel_peer: %s: %s\n", what, strerror(error));
  exit(1);
}

// --- Messages ------------------------------------------------------------------------------------

typedef struct {
  uint32_t seed;
  uint32_t min;
  uint32_t max;
  unsigned char table[TABLE];
} content;

static content sent;

static uint32_t mixed(uint32_t x) {
  x = (x ^ (x >> 16)) * UINT32_C(0x7feb352d);
  x = (x ^ (x >> 15)) * UINT32_C(0x846ca68b);
  return x ^ (x >> 16);
}

static void make_content(const char *seed, const char *min, const char *max) {
  sent.seed = (uint32_t)strtoul(seed, NULL, 10);
  sent.min = (uint32_t)strtoul(min, NULL, 10);
  sent.max = (uint32_t)strtoul(max, NULL, 10);
  if (sent.min > sent.max || sent.max < HEADER || sent.max > MAX_LENGTH) fail("lengths", EINVAL);
  uint32_t x = sent.seed | 1;
  for (size_t i = 0; i < TABLE; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    sent.table[i] = (unsigned char)(x & 0xff);
  }
}

static uint32_t hash_of(uint32_t sender, uint32_t sequence) {
  return mixed(mixed(sent.seed ^ sender) + sequence);
}

static uint32_t length_of(uint32_t hash, uint32_t sequence) {
  const uint32_t span = sent.max - sent.min + 1;
  uint32_t length = sent.min + (hash >> 4) % (span < SHORT ? span : SHORT);
  if ((hash & 15) == 0) length = sent.min + (hash >> 4) % span;
  if ((hash & 127) == 1) length = sent.max;
  return sequence == 0 && length < HEADER ? HEADER : length;
}

static const unsigned char *bytes_of(uint32_t hash) {
  return sent.table + ((hash * UINT32_C(0x9e3779b1)) >> 16);
}

static uint32_t write_message(unsigned char *buffer, uint32_t sender, uint32_t sequence) {
  const uint32_t hash = hash_of(sender, sequence);
  const uint32_t length = length_of(hash, sequence);
  memcpy(buffer, &sender, 4);
  memcpy(buffer + 4, &sequence, 4);
  if (length > HEADER) memcpy(buffer + HEADER, bytes_of(hash), length - HEADER);
  return length;
}

static int is_message(const unsigned char *message, size_t length, uint32_t sender,
                      uint32_t sequence) {
  const uint32_t hash = hash_of(sender, sequence);
  if (length != length_of(hash, sequence)) return 0;
  return length <= HEADER || memcmp(message + HEADER, bytes_of(hash), length - HEADER) == 0;
}

// --- The ends ------------------------------------------------------------------------------------

static memmap_channel channel;
static memmap_participant me;
static uint32_t *counts;  // the page, or memory of our own that nobody looks at
static unsigned char buffer[MAX_LENGTH];

static void *map_whole(int fd, size_t *size) {
  struct stat status;
  if (fstat(fd, &status) != 0) fail("fstat", errno);
  *size = (size_t)status.st_size;
  void *memory = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) fail("mmap", errno);
  return memory;
}

static void set_up(const char *channel_fd, const char *counts_fd) {
  const int fd = atoi(channel_fd);
  size_t size = 0;
  void *memory = map_whole(fd, &size);
  int error = memmap_channel_open(&channel, memory, size);
  if (error == 0) error = memmap_join(&me, fd);
  if (error != 0) fail("channel", error);
  if (counts_fd[0] != '-') {
    counts = map_whole(atoi(counts_fd), &size);
  } else {
    size = COUNTS * sizeof *counts;
    counts = calloc(COUNTS, sizeof *counts);
  }
  if (counts == NULL || size < COUNTS * sizeof *counts) fail("counts", EINVAL);
}

static void nap(void) {
  const struct timespec millisecond = {.tv_sec = 0, .tv_nsec = 1000000};
  nanosleep(&millisecond, NULL);
}

static void send_all(uint32_t number, uint32_t count, int trying) {
  memmap_sender sender;
  int error;
  // One that was killed a moment ago leaves its place when its messages have been received.
  while ((error = memmap_sender_open(&sender, &channel, &me)) == EBUSY)
    nap();
  if (error != 0) fail("sender", error);
  if (number >= MAX_SENDERS) fail("sender", EINVAL);
  uint32_t sequence = 0;
  for (; count == 0 ? memmap_load(counts + STOP) == 0 : sequence < count; sequence++) {
    const uint32_t length = write_message(buffer, number, sequence);
    memmap_store(counts + BEGUN + number, sequence + 1);
    if (trying) {
      while ((error = memmap_try_send(&sender, buffer, length)) == EAGAIN)
        sched_yield();
    } else {
      error = memmap_send(&sender, buffer, length, NULL);
    }
    if (error != 0) fail("send", error);
    memmap_store(counts + SENT + number, sequence + 1);
  }
  memmap_sender_close(&sender);
  printf("{\"sender\":%" PRIu32 ",\"sent\":%" PRIu32 "}\n", number, sequence);
}

// `strict`: a message that was not to come is an error; otherwise it is counted.
static void check(size_t length, uint32_t *last, int strict) {
  uint32_t sender = *last;
  if (length >= HEADER) memcpy(&sender, buffer, 4);
  if (sender >= MAX_SENDERS) fail("a message of nobody", EPROTO);
  uint32_t *next = counts + NEXT + sender;
  uint32_t sequence = memmap_load(next);
  if (length >= HEADER) memcpy(&sequence, buffer + 4, 4);
  const int32_t ahead = (int32_t)(sequence - memmap_load(next));
  if (ahead != 0 && strict) fail("a message that was not to come", EPROTO);
  if (ahead > 0) __atomic_fetch_add(counts + MISSED, (uint32_t)ahead, __ATOMIC_SEQ_CST);
  if (ahead < 0) __atomic_fetch_sub(counts + REPEATED, (uint32_t)ahead, __ATOMIC_SEQ_CST);
  if (!is_message(buffer, length, sender, sequence)) fail("not what was sent", EPROTO);
  memmap_store(next, sequence + 1);
  *last = sender;
}

static void receive_all(int trying, int strict) {
  static uint32_t last[MEMMAP_CHANNEL_MAX_LANES];
  memmap_receiver receiver;
  uint64_t messages = 0;
  uint64_t bytes = 0;
  uint32_t senders = 0;
  int error;
  while ((error = memmap_receiver_open(&receiver, &channel, &me)) == EBUSY)
    nap();
  if (error != 0) fail("receiver", error);
  for (size_t i = 0; i < MEMMAP_CHANNEL_MAX_LANES; i++)
    last[i] = MAX_SENDERS;
  for (;;) {
    uint32_t lane = 0;
    size_t length = 0;
    if (trying) {
      error = memmap_try_receive(&receiver, buffer, sizeof buffer, &length, &lane);
    } else {
      error = memmap_receive(&receiver, buffer, sizeof buffer, &length, &lane, NULL);
    }
    if (error == EPIPE) break;
    if (error == EAGAIN) {
      sched_yield();
      continue;
    }
    if (error != 0) fail("receive", error);
    check(length, last + lane, strict);
    messages++;
    bytes += length;
    __atomic_fetch_add(counts + RECEIVED, 1, __ATOMIC_SEQ_CST);
  }
  memmap_receiver_close(&receiver);
  for (size_t i = 0; i < MAX_SENDERS; i++)
    senders += counts[NEXT + i] != 0;
  printf("{\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"senders\":%" PRIu32
         ",\"deaths\":%" PRIu32 "}\n",
         messages, bytes, senders, receiver.deaths);
}

int main(int argc, char **argv) {
  const int sends = argc >= 8 && argc <= 10 && strcmp(argv[1], "send") == 0;
  const int receives = argc >= 6 && argc <= 8 && strcmp(argv[1], "receive") == 0;
  if (!sends && !receives) {
    fprintf(stderr,
            "channel_peer send FD SENDER COUNT SEED MIN MAX [COUNTS [try]]\n"
            "channel_peer receive FD SEED MIN MAX [COUNTS [try]]\n");
    return 2;
  }
  const int at = sends ? 5 : 3;
  const char *counts_fd = argc > at + 3 ? argv[at + 3] : "-";
  const int trying = argc > at + 4 && strcmp(argv[at + 4], "try") == 0;
  // Whoever started it may be killed, and this would go on for ever.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  make_content(argv[at], argv[at + 1], argv[at + 2]);
  set_up(argv[2], counts_fd);
  if (sends) {
    send_all((uint32_t)strtoul(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10), trying);
  } else {
    receive_all(trying, counts_fd[0] == '-');
  }
  memmap_leave(&me);
  return 0;
}
