/* What the channel is measured against in C: two processes, the sender and the receiver of
 * memmap_channel.h over the ring of one lane.
 *
 *   ring_bench BYTES COUNT        prints messages per second
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "memmap_channel.h"

static void fail(const char *what, int error) {
  fprintf(stderr, "ring_bench: %s: %s\n", what, strerror(error));
  exit(1);
}

static void check(const char *what, int error) {
  if (error != 0) fail(what, error);
}

static void send_all(const memmap_channel *channel, int fd, size_t bytes, long count) {
  memmap_participant me;
  memmap_sender sender;
  char *message = malloc(bytes);
  long i;
  if (message == NULL) fail("malloc", ENOMEM);
  memset(message, 1, bytes);
  check("join", memmap_join(&me, fd));
  check("sender", memmap_sender_open(&sender, channel, &me));
  for (i = 0; i < count; i++)
    check("send", memmap_send(&sender, message, bytes, NULL));
  memmap_sender_close(&sender);
  _exit(0);
}

int main(int argc, char **argv) {
  const size_t bytes = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
  const long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
  const uint32_t capacity = 1 << 20;
  const size_t size = memmap_channel_data_at(1) + capacity;
  memmap_participant me;
  memmap_channel channel;
  memmap_receiver receiver;
  int64_t began = 0;
  long received = 0;
  unsigned sum = 0;
  int fd;
  char *memory;
  char *message;
  if (bytes == 0 || count <= 0 || bytes > capacity / 2 - MEMMAP_CHANNEL_RECORD) {
    fprintf(stderr, "usage: ring_bench BYTES COUNT\n");
    return 2;
  }
  fd = memfd_create("ring_bench", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, (off_t)size) != 0) fail("memfd_create", errno);
  memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  message = malloc(bytes);
  if (memory == MAP_FAILED || message == NULL) fail("mmap", errno);
  *memmap_word(memory, MEMMAP_CHANNEL_AT_MAGIC) = MEMMAP_CHANNEL_MAGIC;
  *memmap_word(memory, MEMMAP_CHANNEL_AT_VERSION) = MEMMAP_CHANNEL_VERSION;
  *memmap_word(memory, MEMMAP_CHANNEL_AT_LANES) = 1;
  *memmap_word(memory, MEMMAP_CHANNEL_AT_CAPACITY) = capacity;
  *memmap_word(memory, MEMMAP_CHANNEL_AT_STATE) = MEMMAP_CHANNEL_READY;
  check("open", memmap_channel_open(&channel, memory, size));
  check("join", memmap_join(&me, fd));
  check("receiver", memmap_receiver_open(&receiver, &channel, &me));
  if (fork() == 0) send_all(&channel, fd, bytes, count);
  for (;;) {
    size_t length;
    const int error = memmap_receive(&receiver, message, bytes, &length, NULL, NULL);
    if (error == EPIPE) break;
    check("receive", error);
    if (received++ == 0) began = memmap_now();
    sum += (unsigned)message[0] + (unsigned)message[length - 1];
  }
  wait(NULL);
  if (received != count || sum != 2 * (unsigned)count) fail("wrong messages", EPROTO);
  printf("%.0f\n", (double)(count - 1) * 1e9 / (double)(memmap_now() - began));
  return 0;
}
