/* A channel with a lane for each sender: rings that are small, so that they wrap and are full at every moment.
 * Each message comes once, in its sender's order, as it was sent.
 */
#include "channel.h"

enum { SENDERS = 4, CAPACITY = 512 };

struct message {
  uint32_t sender;
  uint32_t number;
};

struct shared {
  attack_channel made;
  int messages; /* of each sender */
  long bytes;
};

static unsigned char filler(const struct message *message, size_t at) {
  return (unsigned char)(message->sender * 31 + message->number * 7 + at);
}

static void send_all(struct shared *shared, uint32_t index) {
  const memmap_channel *channel = &shared->made.channel;
  memmap_participant me;
  memmap_sender sender;
  unsigned char bytes[CAPACITY];
  struct message message = {index, 0};
  CHECK(memmap_join(&me, shared->made.fd) == 0, "join");
  CHECK(memmap_sender_open(&sender, channel, &me) == 0, "no lane");
  for (; message.number < (uint32_t)shared->messages; message.number++) {
    /* Up to the largest, which needs half of the ring in one piece. */
    const size_t room = memmap_channel_max_message(channel) - sizeof message;
    const size_t length =
        sizeof message + (attack_random(4) == 0 ? room : attack_random((uint32_t)room));
    size_t i;
    memcpy(bytes, &message, sizeof message);
    for (i = sizeof message; i < length; i++)
      bytes[i] = filler(&message, i);
    CHECK(memmap_send(&sender, bytes, length, NULL) == 0, "send");
  }
  CHECK(memmap_try_send(&sender, bytes, CAPACITY / 2) == EMSGSIZE, "too long");
  memmap_sender_close(&sender);
  memmap_leave(&me);
}

static void receive_all(struct shared *shared) {
  memmap_participant me;
  memmap_receiver receiver;
  uint32_t next[SENDERS] = {0};
  unsigned char bytes[CAPACITY];
  size_t length = 0;
  long received = 0;
  int error;
  CHECK(memmap_join(&me, shared->made.fd) == 0, "join");
  CHECK(memmap_receiver_open(&receiver, &shared->made.channel, &me) == 0, "no receiver");
  while ((error = memmap_receive(&receiver, bytes, sizeof bytes, &length, NULL, NULL)) == 0) {
    struct message message;
    size_t i;
    memcpy(&message, bytes, sizeof message);
    CHECK(length >= sizeof message && message.sender < SENDERS, "spoilt");
    CHECK(message.number == next[message.sender], "message %u of sender %u, not %u", message.number,
          message.sender, next[message.sender]);
    next[message.sender]++;
    for (i = sizeof message; i < length; i++)
      CHECK(bytes[i] == filler(&message, i), "spoilt at byte %zu", i);
    shared->bytes += (long)length;
    received++;
    /* Senders may all have closed before the last of them began: they go on to the next. */
    if (received == (long)SENDERS * shared->messages) break;
  }
  CHECK(received == (long)SENDERS * shared->messages, "%ld received, then %d", received, error);
  memmap_receiver_close(&receiver);
  memmap_leave(&me);
}

static void run(int index, void *data) {
  if (index == SENDERS) {
    receive_all(data);
  } else {
    send_all(data, (uint32_t)index);
  }
}

void case_channel(void);
void case_channel(void) {
  struct shared shared = {0};
  shared.messages = attack_times(3000);
  attack_channel_make(&shared.made, SENDERS, CAPACITY);
  attack_threads(SENDERS + 1, run, &shared);
  attack_channel_drop(&shared.made);
  attack_figure("channel.messages", (long)SENDERS * shared.messages);
  attack_figure("channel.bytes", shared.bytes);
}
