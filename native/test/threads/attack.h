/* What the attacks with many threads have in common. Each is a function of main.cc's table, in C or C++; it ends
 * the program with a message when what it counted is not what it did.
 */
#ifndef MEMMAP_ATTACK_H
#define MEMMAP_ATTACK_H

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* At once: the other threads are in the middle of something, and no destructor may run under them. */
#define CHECK(condition, ...)                                         \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                                   \
      fprintf(stderr, "\n");                                          \
      _exit(1);                                                       \
    }                                                                 \
  } while (0)

/* `times` of the form that was asked for: --scale=N, in hundredths. At least 1. */
int attack_times(int times);
/* A number below `limit`. Each thread has a stream of its own, from the seed. */
uint32_t attack_random(uint32_t limit);
/* For the report: a line "name value". */
void attack_figure(const char* name, long value);
/* Runs `run` on `count` threads that begin at the same moment, and waits for all. */
void attack_threads(int count, void (*run)(int index, void* data), void* data);
/* A new memfd of `size` bytes. */
int attack_memory(size_t size);

/* What JavaScript would do, whose compiled code no sanitizer sees: plain accesses to memory that the guard may
 * replace under them. Never inlined, so that a suppression can name them. */
uint32_t attack_touch(const uint32_t* word);
void attack_write(uint32_t* word, uint32_t value);

#ifdef __cplusplus
}

template <class F>
void in_threads(int count, F f) {
  attack_threads(count, [](int index, void* data) { (*static_cast<F*>(data))(index); }, &f);
}
#endif

#endif
