/* Runs a program in a world without one system call, as an older kernel or a container would have it:
 *
 *   without_syscall CALL ERRNO PROGRAM [ARGUMENT ...]
 *
 * CALL is a number, or NUMBER:I=VALUE or NUMBER:I&BITS: only where the argument I (from 0) has that value, or
 * one of those bits. The call fails with that errno for the program and all that it starts (seccomp(2)). Ends
 * as the program does; with 125 where the filter was refused, and 127 without a program.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static int fail(const char *what) {
  perror(what);
  return 125;
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(
        stderr,
        "usage: without_syscall NUMBER[:INDEX=VALUE|:INDEX&BITS] ERRNO PROGRAM [ARGUMENT ...]\n");
    return 125;
  }
  unsigned number = 0;
  unsigned index = 0;
  unsigned value = 0;
  char how = 0;
  const int parts = sscanf(argv[1], "%u:%u%c%i", &number, &index, &how, (int *)&value);
  const int argument = parts == 4 && index < 6 && (how == '=' || how == '&');
  if (parts != 1 && !argument) {
    fprintf(stderr, "without_syscall: no call: %s\n", argv[1]);
    return 125;
  }
  const unsigned error = (unsigned)strtoul(argv[2], NULL, 10);
  /* The numbers of one machine only: what is started here is of the same, and little-endian. Flags and
     commands are in the lower half of an argument. */
  const unsigned at = argument ? offsetof(struct seccomp_data, args) + index * 8 : 0;
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
      how == '&'   ? (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, value, 0, 1)
      : how == '=' ? (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1)
                   : (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, 0, 0, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog filter = {sizeof code / sizeof *code, code};
  /* Without it only root may set a filter. */
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("PR_SET_NO_NEW_PRIVS");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return fail("PR_SET_SECCOMP");
  execvp(argv[3], argv + 3);
  perror(argv[3]);
  return 127;
}
