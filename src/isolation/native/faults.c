/* The numbered points at which a test ends agent, launcher and the process that comes there. */
#define _GNU_SOURCE
#include "contract.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int chosen;
static pid_t agent, launcher;
/* Passings that are still let go; in memory that all workers and shims share. */
static _Atomic int *left;

void faults_begin(void) {
  int number = 0, times = 1;
  const char *text = getenv("MESETA_FAULT_POINT");
  if (text == NULL || sscanf(text, "%d:%d", &number, &times) < 1) return;
  left = mmap(NULL, sizeof *left, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (left == MAP_FAILED) return;
  *left = times;
  agent = getppid();
  launcher = getpid();
  chosen = number;
}

void fault_point(int number) {
  if (number != chosen || chosen == 0 || atomic_fetch_sub(left, 1) != 1) return;
  kill(agent, SIGKILL);
  kill(launcher, SIGKILL);
  kill(getpid(), SIGKILL);
}
