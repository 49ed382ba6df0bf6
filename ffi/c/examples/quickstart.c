#include <keepsake.h>
#include <stdio.h>

static bool print(void *user, KeepsakeStr piece) {
  return (void)user, printf("%.*s", (int)piece.length, (const char *)piece.data) >= 0;
}

int main(void) {
  KeepsakeModelFiles files = {.size = sizeof files, .model = keepsake_text("SmolLM2-135M-Instruct.Q4_1.gguf")};
  KeepsakeOptions options = {.size = sizeof options};
  KeepsakeNewTurn turn = {.size = sizeof turn, .speaker = keepsake_text("Maria"), .time = keepsake_text("2024-03-02"),
                          .text = keepsake_text("I adopted a dog named Buddy.")};
  KeepsakeEngine engine = {0};
  KeepsakeCancel never = {0};
  if (keepsake_model_load(&files, &options.model) || keepsake_open(keepsake_text("bank"), &options, &engine) ||
      keepsake_remember(engine, &turn, never, NULL, NULL) ||
      keepsake_ask(engine, keepsake_text("What did Maria adopt?"), keepsake_text(NULL), never, print, NULL, NULL))
    return print(NULL, keepsake_last_error()), 1;
  return keepsake_close(engine);
}
