// Stops one thread of another process for a while and lets it go on, as no signal can: signals stop whole processes.
// Arguments: the thread's id, milliseconds. Exit status 0: it was stopped all the while, and goes on; 3: it ended meanwhile;
// 1: it cannot be stopped, and standard error says why.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

enum { ended = 3 };

// ptrace's own name for the stop that PTRACE_INTERRUPT asks for; not every C library's header has it.
#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(errno == ESRCH ? ended : 1);
}

static double nowMs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static int isOver(int status) { return WIFEXITED(status) || WIFSIGNALED(status); }

// What was on its way to the thread is delivered first.
static void waitForStop(pid_t thread) {
  for (;;) {
    int status;
    if (waitpid(thread, &status, __WALL) == -1) fail("waitpid");
    if (isOver(status)) exit(ended);
    if (status >> 16 == PTRACE_EVENT_STOP) return;
    if (ptrace(PTRACE_CONT, thread, 0, WSTOPSIG(status)) == -1) fail("PTRACE_CONT");
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "usage: stall-thread THREAD MILLISECONDS\n"), 1;
  const pid_t thread = (pid_t)atoi(argv[1]);
  const double untilMs = nowMs() + atoi(argv[2]);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (ptrace(PTRACE_SEIZE, thread, 0, 0) == -1) fail("PTRACE_SEIZE");
  if (ptrace(PTRACE_INTERRUPT, thread, 0, 0) == -1) fail("PTRACE_INTERRUPT");
  waitForStop(thread);
  // Its process may be killed meanwhile: then the thread is ours to reap, and its process has not ended before.
  for (int status; nowMs() < untilMs;) {
    if (waitpid(thread, &status, __WALL | WNOHANG) == thread && isOver(status)) return ended;
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  }
  if (ptrace(PTRACE_DETACH, thread, 0, 0) == 0) return 0;
  waitForStop(thread);
  return 1;
}
