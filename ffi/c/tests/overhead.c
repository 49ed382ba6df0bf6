// How long searches take through the C interface: overhead BANK TEXT TIMES. Prints milliseconds.
#include <keepsake.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool take(void *user, const KeepsakeFound *found) {
  *(size_t *)user += found->text.length;
  return true;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  KeepsakeEngine engine = {0};
  KeepsakeSearch search = {.size = sizeof search, .text = keepsake_text(argv[2]), .count = 10};
  size_t taken = 0;
  if (keepsake_open(keepsake_text(argv[1]), NULL, &engine) != KEEPSAKE_STATUS_OK) return 1;
  // The index is built with the first search.
  if (keepsake_search(engine, &search, take, &taken) != KEEPSAKE_STATUS_OK) return 1;
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (int left = atoi(argv[3]); left > 0; left--) keepsake_search(engine, &search, take, &taken);
  clock_gettime(CLOCK_MONOTONIC, &to);
  printf("%f\n", (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6);
  keepsake_close(engine);
  return taken > 0 ? 0 : 1;
}
