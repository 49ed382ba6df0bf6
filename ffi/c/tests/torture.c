// Everything that a caller can do wrong: torture FOLDER. Runs under valgrind; ends with 0 where every wrong call was told.
#include <keepsake.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static int failures = 0;

#define EXPECT(what)                                                                      \
  do {                                                                                    \
    if (!(what)) {                                                                        \
      KeepsakeStr why = keepsake_last_error();                                            \
      fprintf(stderr, "line %d: %s (%.*s)\n", __LINE__, #what, (int)why.length, (const char *)why.data); \
      failures++;                                                                         \
    }                                                                                     \
  } while (0)

static const KeepsakeStr NOTHING = {0};
static const KeepsakeCancel NEVER = {0};

static KeepsakeNewTurn said(const char *text) {
  KeepsakeNewTurn turn = {.size = sizeof turn,
                          .speaker = keepsake_text("Maria"),
                          .text = keepsake_text(text),
                          .time = keepsake_text("2024-03-02")};
  return turn;
}

// ---- a model of the host's that can misbehave ----

typedef enum { SAYS_NONE, FAILS, WRITES_NO_TEXT, WRITES_PAST_THE_END, CUTS_A_CHARACTER, SAYS_ADD, MISCOUNTS } Mood;
typedef struct {
  Mood mood;
  int dropped;
} Host;

static uint64_t count_tokens(void *user, KeepsakeStr text) {
  return ((Host *)user)->mood == MISCOUNTS ? UINT64_MAX : text.length / 4 + 1;
}

static int32_t complete(void *user, const KeepsakeRequest *request, KeepsakeReply *reply) {
  Host *host = user;
  static const uint8_t broken[] = {'n', 0xff, 0xfe};
  KeepsakeStr bytes = {broken, sizeof broken}, huge = {broken, SIZE_MAX};
  EXPECT(request->user.length > 0);
  switch (host->mood) {
    case FAILS: return 7;
    case WRITES_NO_TEXT: return keepsake_reply_write(reply, bytes) ? 0 : 0;
    case WRITES_PAST_THE_END: return keepsake_reply_write(reply, huge) ? 0 : 0;
    default: break;
  }
  EXPECT(!keepsake_reply_write(NULL, keepsake_text("none")));
  EXPECT(keepsake_reply_write(reply, NOTHING)); // an empty piece is no harm
  if (host->mood == CUTS_A_CHARACTER) {
    static const uint8_t fact[] = "- Maria likes caf\xc3\xa9s.";
    KeepsakeStr first = {fact, 18}, second = {fact + 18, sizeof fact - 1 - 18};
    EXPECT(keepsake_reply_write(reply, first) && keepsake_reply_write(reply, second));
    host->mood = SAYS_ADD;
    return 0;
  }
  return keepsake_reply_write(reply, keepsake_text(host->mood == SAYS_ADD ? "ADD" : "none")) ? 0 : 0;
}

static void drop_host(void *user) { ((Host *)user)->dropped++; }

static int32_t embed_nothing(void *user, KeepsakeStr text, float *vector) {
  (void)user, (void)text, (void)vector;
  return 0; // all zeros: no direction
}

// ---- many threads ----

typedef struct {
  KeepsakeEngine engine;
  int nth;
} Worker;

static bool count_memory(void *user, const KeepsakeMemory *memory) {
  (void)memory;
  ++*(size_t *)user;
  return true;
}

static atomic_bool closing = false;
static atomic_int begun = 0;

static bool was_closed(KeepsakeStatus status) {
  return atomic_load(&closing) && status == KEEPSAKE_STATUS_BAD_HANDLE;
}

static void *work(void *user) {
  Worker *worker = user;
  for (int at = 0; at < 20; at++) {
    char text[64];
    snprintf(text, sizeof text, "Thread %d says %d.", worker->nth, at);
    KeepsakeNewTurn turn = said(text);
    uint64_t id = 0;
    size_t shown = 0;
    KeepsakeStatus appended = keepsake_append(worker->engine, &turn, &id, NULL);
    KeepsakeStatus listed = keepsake_memories(worker->engine, NOTHING, count_memory, &shown);
    KeepsakeNewTurn wrong = said("x");
    wrong.speaker = keepsake_text("");
    KeepsakeStatus refused = keepsake_append(worker->engine, &wrong, NULL, NULL);
    EXPECT((appended == KEEPSAKE_STATUS_OK && id > 0) || was_closed(appended));
    EXPECT(listed == KEEPSAKE_STATUS_OK || was_closed(listed));
    EXPECT(refused == KEEPSAKE_STATUS_INVALID || was_closed(refused));
    atomic_fetch_add(&begun, 1);
    EXPECT(keepsake_last_error().length > 0); // this thread's own
  }
  return NULL;
}

static bool refuse(void *user, const KeepsakeReceipt *receipt) {
  EXPECT(receipt->outcome == KEEPSAKE_OUTCOME_DONE && receipt->applied_count == 0);
  ++*(int *)user;
  return false;
}

static bool stop_at_once(void *user, KeepsakeStr piece) {
  (void)user, (void)piece;
  return false;
}

static bool print_to_nobody(void *user, KeepsakeStr text) {
  (void)text;
  ++*(int *)user;
  return true;
}

static void log_line(void *user, uint32_t level, KeepsakeStr target, KeepsakeStr line) {
  (void)level, (void)target, (void)line;
  ++*(int *)user;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  int logged = 0;
  EXPECT(keepsake_set_log(log_line, &logged, 4) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_set_log(log_line, &logged, 9) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_abi_version() == KEEPSAKE_ABI_VERSION && keepsake_version().length > 0);

  KeepsakeCounts counts = {0};

  // Null, everywhere.
  KeepsakeEngine none = {0}, engine = {0};
  EXPECT(keepsake_open(NOTHING, NULL, &engine) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_open(keepsake_text(argv[1]), NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_model_load(NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_model_of_host(NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_embedder_load(NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_embedder_of_host(NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_cancel_new(NULL) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_change_key(keepsake_text(argv[1]), NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_repair(NOTHING, NULL, NULL, NULL) == KEEPSAKE_STATUS_INVALID);

  // Handles of nothing, and of something else.
  KeepsakeNewTurn hello = said("Hello!");
  EXPECT(keepsake_append(none, &hello, NULL, NULL) == KEEPSAKE_STATUS_BAD_HANDLE);
  EXPECT(keepsake_close(none) == KEEPSAKE_STATUS_BAD_HANDLE);
  KeepsakeCancel cancel = {0};
  EXPECT(keepsake_cancel_new(&cancel) == KEEPSAKE_STATUS_OK);
  KeepsakeEngine disguised = {cancel.id};
  EXPECT(keepsake_verify(disguised) == KEEPSAKE_STATUS_BAD_HANDLE);
  KeepsakeEngine invented = {UINT64_MAX};
  EXPECT(keepsake_compact(invented) == KEEPSAKE_STATUS_BAD_HANDLE);
  EXPECT(keepsake_cancel_throw(cancel) == KEEPSAKE_STATUS_OK);

  // A model of the host's that cannot be one, and one that misbehaves.
  Host host = {SAYS_NONE, 0};
  KeepsakeHostModel vtable = {.size = sizeof vtable, .user = &host};
  KeepsakeOptions options = {.size = sizeof options};
  EXPECT(keepsake_model_of_host(&vtable, &options.model) == KEEPSAKE_STATUS_INVALID);
  vtable.context_tokens = 4096, vtable.count_tokens = count_tokens, vtable.complete = complete, vtable.drop = drop_host;
  KeepsakeHostModel cut = vtable;
  cut.size = 3;
  EXPECT(keepsake_model_of_host(&cut, &options.model) == KEEPSAKE_STATUS_INVALID);
  cut.size = offsetof(KeepsakeHostModel, complete) + 4;
  EXPECT(keepsake_model_of_host(&cut, &options.model) == KEEPSAKE_STATUS_INVALID);
  struct {
    KeepsakeHostModel known;
    uint64_t unknown;
  } newer = {vtable, 1};
  newer.known.size = sizeof newer;
  EXPECT(keepsake_model_of_host(&newer.known, &options.model) == KEEPSAKE_STATUS_INVALID);
  cut.size = SIZE_MAX;
  EXPECT(keepsake_model_of_host(&cut, &options.model) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_model_of_host(&vtable, &options.model) == KEEPSAKE_STATUS_OK);
  KeepsakeHostEmbedder embedder = {.size = sizeof embedder, .identity = keepsake_text("zeros"), .dimensions = 0};
  EXPECT(keepsake_embedder_of_host(&embedder, &options.embedder) == KEEPSAKE_STATUS_INVALID);
  embedder.dimensions = 8, embedder.embed = embed_nothing;
  EXPECT(keepsake_embedder_of_host(&embedder, &options.embedder) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_open(keepsake_text(argv[1]), &options, &engine) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_append(engine, &hello, NULL, NULL) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_process(engine, 0, 0, NEVER, NULL, NULL, NULL) == KEEPSAKE_STATUS_MODEL_FAILED); // no direction
  EXPECT(keepsake_close(engine) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_embedder_close(options.embedder) == KEEPSAKE_STATUS_OK);
  KeepsakeOptions stale = options;
  EXPECT(keepsake_open(keepsake_text(argv[1]), &stale, &engine) == KEEPSAKE_STATUS_BAD_HANDLE);
  options.embedder.id = 0;
  EXPECT(keepsake_open(keepsake_text(argv[1]), &options, &engine) == KEEPSAKE_STATUS_OK);
  for (Mood mood = FAILS; mood <= WRITES_PAST_THE_END; mood++) {
    host.mood = mood;
    EXPECT(keepsake_process(engine, 0, 0, NEVER, NULL, NULL, NULL) == KEEPSAKE_STATUS_MODEL_FAILED);
  }
  host.mood = SAYS_NONE;
  KeepsakeProgress progress;
  EXPECT(keepsake_process(engine, 0, 0, cancel, NULL, NULL, &progress) == KEEPSAKE_STATUS_OK);
  EXPECT(progress.ended == KEEPSAKE_ENDED_CANCELLED && progress.turns == 0);
  int shown = 0;
  EXPECT(keepsake_append(engine, &hello, NULL, NULL) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_process(engine, 0, 0, NEVER, refuse, &shown, &progress) == KEEPSAKE_STATUS_OK);
  EXPECT(shown == 1 && progress.turns == 1);
  EXPECT(keepsake_ask(engine, keepsake_text("Who said hello?"), NOTHING, NEVER, stop_at_once, NULL, NULL) ==
         KEEPSAKE_STATUS_STOPPED);

  EXPECT(keepsake_process(engine, 0, 0, NEVER, NULL, NULL, NULL) == KEEPSAKE_STATUS_OK);
  host.mood = CUTS_A_CHARACTER;
  KeepsakeNewTurn fond = said("I like caf\xc3\xa9s.");
  EXPECT(keepsake_remember(engine, &fond, NEVER, NULL, NULL) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_counts(engine, NOTHING, &counts) == KEEPSAKE_STATUS_OK && counts.current == 1);
  host.mood = MISCOUNTS;
  EXPECT(keepsake_ask(engine, keepsake_text("Who said hello?"), NOTHING, NEVER, NULL, NULL, NULL) != KEEPSAKE_STATUS_PANIC);
  host.mood = SAYS_NONE;

  // Text that is none, and lengths that cannot be.
  static const uint8_t broken[] = {0xc3, 0x28};
  KeepsakeNewTurn turn = hello;
  turn.text.data = broken, turn.text.length = sizeof broken;
  EXPECT(keepsake_append(engine, &turn, NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  turn.text.length = SIZE_MAX;
  EXPECT(keepsake_append(engine, &turn, NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  turn.text.data = NULL, turn.text.length = 5;
  EXPECT(keepsake_append(engine, &turn, NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  turn = hello, turn.origin = 77;
  EXPECT(keepsake_append(engine, &turn, NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  char *long_text = calloc(1, 3 << 20);
  for (size_t at = 0; at + 1 < 3 << 20; at++) long_text[at] = 'a';
  turn = said(long_text);
  EXPECT(keepsake_append(engine, &turn, NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  free(long_text);
  EXPECT(keepsake_forget(engine, NULL, 3, NULL) == KEEPSAKE_STATUS_INVALID);
  KeepsakeUnit unit = {.id = 99};
  EXPECT(keepsake_forget(engine, &unit, SIZE_MAX, NULL) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_forget(engine, &unit, 1, NULL) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_undo(engine, &unit.id, 1) == KEEPSAKE_STATUS_REFUSED);
  EXPECT(keepsake_set_effort(engine, 9) == KEEPSAKE_STATUS_INVALID);
  KeepsakeSearch search = {.size = sizeof search, .text = keepsake_text("hello"), .kind = 5};
  EXPECT(keepsake_search(engine, &search, NULL, NULL) == KEEPSAKE_STATUS_INVALID);
  search.kind = 0;
  EXPECT(keepsake_search(engine, &search, NULL, NULL) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_as_of(engine, keepsake_text("last week"), 0, NOTHING, &none) == KEEPSAKE_STATUS_INVALID);
  EXPECT(keepsake_import(engine, keepsake_text("/no/such/file")) == KEEPSAKE_STATUS_DOCUMENT);
  EXPECT(keepsake_export(engine, keepsake_text("/no/such/folder/file"), NOTHING, 0) == KEEPSAKE_STATUS_DOCUMENT);
  EXPECT(keepsake_open(keepsake_text(argv[1]), NULL, &none) == KEEPSAKE_STATUS_OPEN_ELSEWHERE);

  // Many threads at once.
  pthread_t threads[8];
  Worker workers[8];
  for (int at = 0; at < 8; at++) {
    workers[at] = (Worker){engine, at};
    EXPECT(pthread_create(&threads[at], NULL, work, &workers[at]) == 0);
  }
  for (int at = 0; at < 8; at++) pthread_join(threads[at], NULL);
  EXPECT(keepsake_counts(engine, NOTHING, &counts) == KEEPSAKE_STATUS_OK && counts.turns == 163);
  shown = 0;
  EXPECT(keepsake_spaces(engine, print_to_nobody, &shown) == KEEPSAKE_STATUS_OK && shown == 1);
  EXPECT(keepsake_verify(engine) == KEEPSAKE_STATUS_OK);

  // An engine that is closed while others use it: each call does what it says, or is told.
  atomic_store(&closing, true);
  for (int at = 0; at < 8; at++) EXPECT(pthread_create(&threads[at], NULL, work, &workers[at]) == 0);
  while (atomic_load(&begun) < 4) sched_yield();
  EXPECT(keepsake_close(engine) == KEEPSAKE_STATUS_OK);
  for (int at = 0; at < 8; at++) pthread_join(threads[at], NULL);
  EXPECT(keepsake_open(keepsake_text(argv[1]), &options, &engine) == KEEPSAKE_STATUS_OK);

  // Closed twice, and used after that.
  EXPECT(keepsake_close(engine) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_close(engine) == KEEPSAKE_STATUS_BAD_HANDLE);
  EXPECT(keepsake_append(engine, &hello, NULL, NULL) == KEEPSAKE_STATUS_BAD_HANDLE);
  EXPECT(keepsake_model_close(options.model) == KEEPSAKE_STATUS_OK && host.dropped == 1);
  EXPECT(keepsake_model_close(options.model) == KEEPSAKE_STATUS_BAD_HANDLE && host.dropped == 1);
  EXPECT(keepsake_cancel_close(cancel) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_cancel_throw(cancel) == KEEPSAKE_STATUS_BAD_HANDLE);
  EXPECT(keepsake_open(keepsake_text(argv[1]), NULL, &engine) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_remember(engine, &hello, NEVER, NULL, NULL) == KEEPSAKE_STATUS_NO_MODEL);
  EXPECT(keepsake_close(engine) == KEEPSAKE_STATUS_OK);
  EXPECT(keepsake_set_log(NULL, NULL, 1) == KEEPSAKE_STATUS_OK);
  if (failures) fprintf(stderr, "%d wrong calls were not told as they should be\n", failures);
  return failures ? 1 : 0;
}
