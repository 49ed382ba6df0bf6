// Remembers one sentence, answers from it, and forgets it: remember BANK MODEL.gguf
#include <inttypes.h>
#include <keepsake.h>
#include <stdio.h>

static bool print_piece(void *user, KeepsakeStr piece) {
  (void)user;
  printf("%.*s", (int)piece.length, (const char *)piece.data);
  return true;
}

static bool print_memory(void *user, const KeepsakeMemory *memory) {
  (void)user;
  printf("m%" PRIu64 " %.*s\n", memory->id, (int)memory->text.length, (const char *)memory->text.data);
  return true;
}

static int check(KeepsakeStatus status) {
  KeepsakeStr why = keepsake_last_error();
  if (status != KEEPSAKE_STATUS_OK) fprintf(stderr, "%.*s\n", (int)why.length, (const char *)why.data);
  return status == KEEPSAKE_STATUS_OK;
}

int main(int argc, char **argv) {
  if (argc != 3 || keepsake_abi_version() != KEEPSAKE_ABI_VERSION) return 2;
  KeepsakeModelFiles files = {.size = sizeof files, .model = keepsake_text(argv[2])};
  KeepsakeOptions options = {.size = sizeof options};
  KeepsakeEngine engine = {0};
  KeepsakeCancel never = {0};
  KeepsakeNewTurn turn = {.size = sizeof turn,
                          .speaker = keepsake_text("Maria"),
                          .text = keepsake_text("I adopted a dog named Buddy."),
                          .time = keepsake_text("2024-03-02T10:15:00")};
  KeepsakeStr all = {0};
  int done = check(keepsake_model_load(&files, &options.model)) &&
             check(keepsake_open(keepsake_text(argv[1]), &options, &engine)) &&
             check(keepsake_remember(engine, &turn, never, NULL, NULL)) &&
             check(keepsake_memories(engine, all, print_memory, NULL)) &&
             check(keepsake_ask(engine, keepsake_text("What did Maria adopt?"), all, never, print_piece, NULL, NULL)) &&
             check(keepsake_forget_everything(engine, all, NULL));
  printf("\n");
  if (engine.id) keepsake_close(engine);
  if (options.model.id) keepsake_model_close(options.model);
  return done ? 0 : 1;
}
