/* A channel in fresh memory, as src/channel.ts makes it. What is included here never looks up for ten minutes,
 * where the header does so every 100 ms: a bell that is not rung leaves its sleeper asleep.
 */
#ifndef MEMMAP_ATTACK_CHANNEL_H
#define MEMMAP_ATTACK_CHANNEL_H

#include <stdlib.h>
#include <sys/mman.h>

#include "attack.h"
#include "memmap_channel_layout.h"
#undef MEMMAP_CHANNEL_LOOK_UP
#define MEMMAP_CHANNEL_LOOK_UP 600000
#include "memmap_channel.h"

typedef struct attack_channel {
  int fd;
  size_t size;
  memmap_channel channel;
} attack_channel;

static inline void attack_channel_make(attack_channel* made, uint32_t lanes, uint32_t capacity) {
  char* memory;
  made->size = memmap_channel_data_at(lanes) + lanes * (size_t)capacity;
  made->fd = attack_memory(made->size);
  memory = mmap(NULL, made->size, PROT_READ | PROT_WRITE, MAP_SHARED, made->fd, 0);
  CHECK(memory != MAP_FAILED, "mmap");
  memmap_store(memmap_word(memory, MEMMAP_CHANNEL_AT_MAGIC), MEMMAP_CHANNEL_MAGIC);
  memmap_store(memmap_word(memory, MEMMAP_CHANNEL_AT_VERSION), MEMMAP_CHANNEL_VERSION);
  memmap_store(memmap_word(memory, MEMMAP_CHANNEL_AT_LANES), lanes);
  memmap_store(memmap_word(memory, MEMMAP_CHANNEL_AT_CAPACITY), capacity);
  memmap_store(memmap_word(memory, MEMMAP_CHANNEL_AT_STATE), MEMMAP_CHANNEL_READY);
  CHECK(memmap_channel_open(&made->channel, memory, made->size) == 0, "no channel");
}

static inline void attack_channel_drop(attack_channel* made) {
  munmap(made->channel.base, made->size);
  close(made->fd);
}

#endif
