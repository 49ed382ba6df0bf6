// The scenarios that every door must pass, through the C interface: scenarios SCENARIOS.json FOLDER MODEL.gguf [NAME]
#include <cjson/cJSON.h>
#include <dirent.h>
#include <keepsake.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int failures = 0;
static const char *scenario_name = "";
static char *step_text = NULL;

#define EXPECT(what)                                                                    \
  do {                                                                                  \
    if (!(what)) {                                                                      \
      fprintf(stderr, "%s\n  %s\n  line %d: %s\n", scenario_name, step_text, __LINE__, #what); \
      failures++;                                                                       \
    }                                                                                   \
  } while (0)

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  *length = (size_t)ftell(file);
  rewind(file);
  char *bytes = malloc(*length + 1);
  *length = fread(bytes, 1, *length, file);
  bytes[*length] = 0;
  fclose(file);
  return bytes;
}

static const char *get(const cJSON *step, const char *key) {
  return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(step, key));
}

static const cJSON *item(const cJSON *step, const char *key) { return cJSON_GetObjectItemCaseSensitive(step, key); }

static bool is(const cJSON *step, const char *key, double value) {
  const cJSON *wanted = item(step, key);
  return !wanted || wanted->valuedouble == value;
}

static bool same(KeepsakeStr text, const char *wanted) {
  return wanted ? text.data && text.length == strlen(wanted) && memcmp(text.data, wanted, text.length) == 0 : !text.data;
}

// ---- a model that says what it is told to ----

typedef struct {
  const cJSON *next;
} Script;

static uint64_t count_tokens(void *user, KeepsakeStr text) {
  (void)user;
  return text.length / 4 + 1;
}

static int32_t complete(void *user, const KeepsakeRequest *request, KeepsakeReply *reply) {
  Script *script = user;
  const cJSON *says = script->next;
  (void)request;
  if (!says) return -1;
  script->next = says->next;
  const char *text = cJSON_GetStringValue(says);
  if (!text) return -1;
  while (*text) {
    const char *end = strchr(text + 1, ' ');
    size_t length = end ? (size_t)(end - text) : strlen(text);
    KeepsakeStr piece = {(const uint8_t *)text, length};
    if (!keepsake_reply_write(reply, piece)) break;
    text += length;
  }
  return 0;
}

// ---- one scenario under way ----

typedef struct {
  char bank[512], document[512], folder[512];
  KeepsakeModel model;
  KeepsakeEngine engine;
  uint64_t last_turn;
  const cJSON *step;
  // What callbacks collect.
  char pieces[1024];
  int piece_count, shown;
  const cJSON *wanted;
  bool same;
  uint64_t found;
  KeepsakeUnit units[10];
  uint64_t unit_count;
} Run;

static const uint8_t *key_of(const cJSON *step, const char *name, uint8_t key[32]) {
  const cJSON *value = item(step, name);
  if (!value) return NULL;
  memset(key, value->valueint, 32);
  return key;
}

static KeepsakeStatus open_bank(Run *run) {
  uint8_t key[32];
  KeepsakeOptions options = {.size = sizeof options, .key = key_of(run->step, "key", key), .model = run->model};
  return keepsake_open(keepsake_text(run->bank), &options, &run->engine);
}

static KeepsakeNewTurn turn_of(const cJSON *step) {
  KeepsakeNewTurn turn = {.size = sizeof turn,
                          .speaker = keepsake_text(get(step, "speaker")),
                          .text = keepsake_text(get(step, "text")),
                          .time = keepsake_text(get(step, "time")),
                          .space = keepsake_text(get(step, "space")),
                          .reference = keepsake_text(get(step, "reference"))};
  return turn;
}

static const char *const OPERATIONS[] = {"ADD", "UPDATE", "DELETE", "NOOP"};

static bool is_in_upper_case(KeepsakeStr word, const char *wanted) {
  bool equal = word.length == strlen(wanted);
  for (size_t at = 0; equal && at < word.length; at++) {
    char upper = word.data[at] >= 'a' && word.data[at] <= 'z' ? (char)(word.data[at] - 32) : (char)word.data[at];
    equal = upper == wanted[at];
  }
  return equal;
}

static bool check_receipt(void *user, const KeepsakeReceipt *receipt) {
  Run *run = user;
  run->shown++;
  run->last_turn = receipt->turn;
  const char *failed = get(run->step, "failed");
  EXPECT(!failed || (receipt->outcome == KEEPSAKE_OUTCOME_FAILED && is_in_upper_case(receipt->reason, failed)));
  const cJSON *operations = item(run->step, "operations"), *guards = item(run->step, "guards");
  if (operations) EXPECT((size_t)cJSON_GetArraySize(operations) == receipt->applied_count);
  for (size_t at = 0; at < receipt->applied_count; at++) {
    const KeepsakeApplied *applied = &receipt->applied[at];
    const char *operation = cJSON_GetStringValue(cJSON_GetArrayItem(operations, (int)at));
    const char *guard = cJSON_GetStringValue(cJSON_GetArrayItem(guards, (int)at));
    EXPECT(!operation || strcmp(OPERATIONS[applied->operation], operation) == 0);
    EXPECT(!guard || is_in_upper_case(applied->guard, guard));
  }
  return true;
}

static bool take_piece(void *user, KeepsakeStr piece) {
  Run *run = user;
  size_t there = strlen(run->pieces);
  if (there + piece.length < sizeof run->pieces) memcpy(run->pieces + there, piece.data, piece.length);
  run->piece_count++;
  return !item(run->step, "stop_after") || item(run->step, "stop_after")->valueint != run->piece_count;
}

static void check_answer(void *user, const KeepsakeAnswer *answer) {
  Run *run = user;
  run->shown++;
  const char *streamed = run->pieces + strspn(run->pieces, " ");
  if (get(run->step, "text")) {
    EXPECT(same(answer->text, get(run->step, "text")) && strcmp(streamed, get(run->step, "streamed")) == 0);
    EXPECT(answer->used_count > 0 && answer->used[0].text.length > 0);
  }
  if (item(run->step, "streamed_is_text")) EXPECT(answer->text.length > 0 && strlen(streamed) >= answer->text.length);
}

// Compares what is shown with the texts that the step wants, one after the other.
static void next_text(Run *run, KeepsakeStr text) {
  run->same = run->same && run->wanted && same(text, cJSON_GetStringValue(run->wanted));
  run->wanted = run->wanted ? run->wanted->next : NULL;
}

static bool compare_memory(void *user, const KeepsakeMemory *memory) {
  next_text(user, memory->text);
  return true;
}

static bool compare_name(void *user, KeepsakeStr name) {
  next_text(user, name);
  return true;
}

static bool find_memory(void *user, const KeepsakeMemory *memory) {
  Run *run = user;
  if (same(memory->text, get(run->step, "of"))) run->found = memory->id;
  return !run->found;
}

static bool first_found(void *user, const KeepsakeFound *found) {
  Run *run = user;
  run->same = same(found->text, get(run->step, "first"));
  run->found++;
  return false;
}

static bool take_unit(void *user, const KeepsakeFound *found) {
  Run *run = user;
  run->units[run->unit_count++] = found->unit;
  return run->unit_count < sizeof run->units / sizeof *run->units;
}

static uint64_t memory_of(Run *run) {
  KeepsakeStr all = {0};
  run->found = 0;
  EXPECT(keepsake_memories(run->engine, all, find_memory, run) == KEEPSAKE_STATUS_OK && run->found);
  return run->found;
}

static bool has_bytes(const char *folder, const char *text) {
  DIR *files = opendir(folder);
  bool found = !files;
  for (struct dirent *entry; files && (entry = readdir(files));) {
    char path[1024];
    struct stat about;
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
      found |= has_bytes(path, text);
      continue;
    }
    size_t length = 0, wanted = strlen(text);
    char *bytes = read_file(path, &length);
    for (size_t at = 0; bytes && at + wanted <= length; at++) found |= memcmp(bytes + at, text, wanted) == 0;
    free(bytes);
  }
  if (files) closedir(files);
  return found;
}

static KeepsakeStatus remember(Run *run) {
  KeepsakeNewTurn turn = turn_of(run->step);
  KeepsakeCancel never = {0};
  return keepsake_remember(run->engine, &turn, never, check_receipt, run);
}

static KeepsakeStatus append(Run *run) {
  KeepsakeNewTurn turn = turn_of(run->step);
  bool is_new = false;
  KeepsakeStatus status = keepsake_append(run->engine, &turn, NULL, &is_new);
  if (status == KEEPSAKE_STATUS_OK) EXPECT(is_new == cJSON_IsTrue(item(run->step, "is_new")));
  return status;
}

static KeepsakeStatus process(Run *run) {
  static const char *const ENDED[] = {"EMPTY", "BUDGET", "CANCELLED", "PAUSED", "NO_MODEL"};
  KeepsakeCancel cancel;
  KeepsakeProgress progress;
  const cJSON *turns = item(run->step, "turns");
  EXPECT(keepsake_cancel_new(&cancel) == KEEPSAKE_STATUS_OK);
  if (item(run->step, "cancelled")) keepsake_cancel_throw(cancel);
  KeepsakeStatus status =
      keepsake_process(run->engine, turns ? (uint64_t)turns->valueint : 0, 0, cancel, NULL, NULL, &progress);
  EXPECT(status == KEEPSAKE_STATUS_OK && is(run->step, "worked", (double)progress.turns));
  EXPECT(strcmp(ENDED[progress.ended], get(run->step, "ended")) == 0);
  keepsake_cancel_close(cancel);
  return status;
}

static KeepsakeStatus ask(Run *run) {
  KeepsakeStr space = {0};
  KeepsakeCancel never = {0};
  memset(run->pieces, 0, sizeof run->pieces);
  run->piece_count = 0;
  return keepsake_ask(run->engine, keepsake_text(get(run->step, "question")), space, never, take_piece, check_answer, run);
}

static KeepsakeSearch search_of(const cJSON *step) {
  const char *kind = get(step, "kind");
  KeepsakeSearch search = {.size = sizeof search,
                           .text = keepsake_text(get(step, "text")),
                           .space = keepsake_text(get(step, "space")),
                           .kind = !kind ? 0 : strcmp(kind, "MEMORY") == 0 ? 1 : 2,
                           .speaker = keepsake_text(get(step, "speaker")),
                           .until_time = keepsake_text(get(step, "until_time"))};
  return search;
}

static KeepsakeStatus search(Run *run) {
  KeepsakeSearch search = search_of(run->step);
  run->found = 0, run->same = false;
  KeepsakeStatus status = keepsake_search(run->engine, &search, first_found, run);
  EXPECT(get(run->step, "first") ? run->same : run->found == 0);
  return status;
}

static KeepsakeStatus forget_found(Run *run) {
  KeepsakeSearch search = search_of(run->step);
  uint64_t gone = 0;
  run->unit_count = 0;
  EXPECT(keepsake_search(run->engine, &search, take_unit, run) == KEEPSAKE_STATUS_OK);
  KeepsakeStatus status = keepsake_forget(run->engine, run->units, run->unit_count, &gone);
  EXPECT(is(run->step, "count", (double)gone));
  return status;
}

static KeepsakeStatus counts(Run *run) {
  KeepsakeStr space = {0};
  KeepsakeCounts counts = {0};
  KeepsakeStatus status = keepsake_counts(run->engine, space, &counts);
  EXPECT(is(run->step, "turns", (double)counts.turns) && is(run->step, "waiting", (double)counts.waiting) &&
         is(run->step, "current", (double)counts.current));
  return status;
}

static KeepsakeStatus list_texts(Run *run, KeepsakeStatus status) {
  EXPECT(run->same && !run->wanted);
  return status;
}

static KeepsakeStatus call(Run *run) {
  const cJSON *step = run->step;
  const char *name = get(step, "call");
  KeepsakeStr space = keepsake_text(get(step, "space"));
  uint8_t key[2][32];
  run->wanted = item(step, "texts") ? item(step, "texts")->child : NULL;
  run->same = true;
  run->shown = 0;
  if (!strcmp(name, "remember")) return remember(run);
  if (!strcmp(name, "append")) return append(run);
  if (!strcmp(name, "process")) return process(run);
  if (!strcmp(name, "ask")) return ask(run);
  if (!strcmp(name, "search")) return search(run);
  if (!strcmp(name, "counts")) return counts(run);
  if (!strcmp(name, "open")) return open_bank(run);
  if (!strcmp(name, "close")) return keepsake_close(run->engine);
  if (!strcmp(name, "open_another")) {
    snprintf(run->bank, sizeof run->bank, "%.480s/another", run->folder);
    return open_bank(run);
  }
  if (!strcmp(name, "open_again")) {
    KeepsakeEngine another;
    return keepsake_open(keepsake_text(run->bank), NULL, &another);
  }
  if (!strcmp(name, "load_model")) {
    KeepsakeModelFiles files = {.size = sizeof files, .model = keepsake_text(get(step, "file"))};
    KeepsakeModel model;
    return keepsake_model_load(&files, &model);
  }
  if (!strcmp(name, "change_key")) {
    char other[1024];
    snprintf(other, sizeof other, "%.480s/%.400s", run->folder, get(step, "folder") ? get(step, "folder") : "");
    const char *folder = get(step, "folder") ? other : run->bank;
    return keepsake_change_key(keepsake_text(folder), key_of(step, "old", key[0]), key_of(step, "new", key[1]));
  }
  if (!strcmp(name, "effort"))
    return keepsake_set_effort(run->engine, strcmp(get(step, "effort"), "PAUSED") == 0 ? 2 : 0);
  if (!strcmp(name, "retry")) {
    bool done = false;
    KeepsakeStatus status = keepsake_retry(run->engine, run->last_turn, &done);
    EXPECT(done == cJSON_IsTrue(item(step, "done")));
    return status;
  }
  if (!strcmp(name, "undo_last")) return keepsake_undo(run->engine, &run->last_turn, 1);
  if (!strcmp(name, "memories")) return list_texts(run, keepsake_memories(run->engine, space, compare_memory, run));
  if (!strcmp(name, "spaces")) return list_texts(run, keepsake_spaces(run->engine, compare_name, run));
  if (!strcmp(name, "history")) {
    uint64_t memory = memory_of(run);
    return list_texts(run, keepsake_history(run->engine, memory, compare_memory, run));
  }
  if (!strcmp(name, "forget")) {
    KeepsakeUnit unit = {.id = memory_of(run)};
    uint64_t gone = 0;
    KeepsakeStatus status = keepsake_forget(run->engine, &unit, 1, &gone);
    EXPECT(is(step, "count", (double)gone));
    return status;
  }
  if (!strcmp(name, "forget_found")) return forget_found(run);
  if (!strcmp(name, "forget_everything")) {
    uint64_t gone = 0;
    KeepsakeStatus status = keepsake_forget_everything(run->engine, space, &gone);
    EXPECT(is(step, "count", (double)gone));
    return status;
  }
  if (!strcmp(name, "export")) return keepsake_export(run->engine, keepsake_text(run->document), space, 0);
  if (!strcmp(name, "import")) return keepsake_import(run->engine, keepsake_text(run->document));
  if (!strcmp(name, "no_bytes")) {
    EXPECT(!has_bytes(run->bank, get(step, "text")));
    return KEEPSAKE_STATUS_OK;
  }
  EXPECT(!"the scenario has an unknown call");
  return KEEPSAKE_STATUS_OK;
}

static const char *const STATUSES[] = {"Ok",        "Invalid",     "BadHandle", "OpenElsewhere", "Folder",      "Key",
                                       "Damaged",   "TooNew",      "ModelFile", "OutOfMemory",   "NoModel",     "ModelFailed",
                                       "Stopped",   "Paused",      "Refused",   "Document",      "Disk",        "Panic"};

static void run_scenario(const cJSON *scenario, const char *folder, int nth, const char *model) {
  Run run = {0};
  Script script = {item(scenario, "model") ? item(scenario, "model")->child : NULL};
  scenario_name = get(scenario, "name");
  step_text = NULL;
  snprintf(run.folder, sizeof run.folder, "%.400s/%d", folder, nth);
  snprintf(run.bank, sizeof run.bank, "%.480s/bank", run.folder);
  snprintf(run.document, sizeof run.document, "%.480s/document", run.folder);
  EXPECT(mkdir(run.folder, 0700) == 0);
  if (item(scenario, "real")) {
    KeepsakeModelFiles files = {.size = sizeof files, .model = keepsake_text(model), .threads = 2};
    EXPECT(keepsake_model_load(&files, &run.model) == KEEPSAKE_STATUS_OK);
  } else {
    KeepsakeHostModel host = {.size = sizeof host,
                              .user = &script,
                              .context_tokens = 8192,
                              .count_tokens = count_tokens,
                              .complete = complete};
    EXPECT(keepsake_model_of_host(&host, &run.model) == KEEPSAKE_STATUS_OK);
  }
  run.step = scenario;
  EXPECT(open_bank(&run) == KEEPSAKE_STATUS_OK);
  const cJSON *step;
  cJSON_ArrayForEach(step, item(scenario, "steps")) {
    run.step = step;
    step_text = cJSON_PrintUnformatted(step);
    KeepsakeStatus status = call(&run);
    bool shows = !strcmp(get(step, "call"), "remember") || !strcmp(get(step, "call"), "ask");
    EXPECT(!shows || run.shown == (status == KEEPSAKE_STATUS_OK));
    const char *wanted = get(step, "error") ? get(step, "error") : "Ok";
    if (strcmp(STATUSES[status], wanted) != 0) {
      KeepsakeStr why = keepsake_last_error();
      fprintf(stderr, "%s\n  %s\n  ended with %s: %.*s\n", scenario_name, step_text, STATUSES[status], (int)why.length,
              (const char *)why.data);
      failures++;
    }
    free(step_text);
    step_text = NULL;
  }
  keepsake_close(run.engine);
  EXPECT(keepsake_model_close(run.model) == KEEPSAKE_STATUS_OK);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  size_t length = 0;
  char *text = read_file(argv[1], &length);
  cJSON *document = cJSON_Parse(text);
  int nth = 0;
  const cJSON *scenario;
  cJSON_ArrayForEach(scenario, item(document, "scenarios")) {
    int before = failures;
    run_scenario(scenario, argv[2], nth++, argv[3]);
    printf("%s %s\n", failures == before ? "passed" : "FAILED", scenario_name);
  }
  cJSON_Delete(document);
  free(text);
  printf("%d scenarios, %d failures\n", nth, failures);
  return failures || nth == 0 ? 1 : 0;
}
