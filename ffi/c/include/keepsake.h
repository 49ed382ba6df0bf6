// Keepsake: an embedded memory engine. The C interface.
//
// Threads: every function may be called from any thread at any time; engines, models, embedders and switches may be
// shared. A function of the caller's is called on the thread of the call that it was given to, unless its documentation
// says otherwise, with the `user` pointer it came with; what it is shown is good until it returns. It must return: no
// exception and no longjmp may leave it. Models, embedders and log functions of the caller's must not call the library
// (but for `keepsake_reply_write`): it may hold a lock then.
//
// Pointers: a NULL is refused, or means what the documentation says. Texts and lists are read during the call only. What
// a pointer points to must be as large as its length or its `size` says: that alone cannot be checked.
//
// Handles are numbers that are never given twice: one that was closed is told (KEEPSAKE_STATUS_BAD_HANDLE) and touches
// nothing. Structs that begin with `size` are to be zeroed and given their `sizeof`.
//
// Made from ffi/c/src by `make bindings`; do not edit.

#ifndef KEEPSAKE_H
#define KEEPSAKE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// The version of this interface. A library with the same number understands every program that was built with it; what is
// added keeps the number, and structs only grow at their end.
#define KEEPSAKE_ABI_VERSION 1

// How a call ended, by what can be done about it. Numbers are never given a new meaning; treat one that is not known like
// `KEEPSAKE_STATUS_MODEL_FAILED`.
enum KeepsakeStatus
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // It did what it says.
  KEEPSAKE_STATUS_OK = 0,
  // A value was refused: change it and call again.
  KEEPSAKE_STATUS_INVALID = 1,
  // The handle is of nothing that is open.
  KEEPSAKE_STATUS_BAD_HANDLE = 2,
  // The bank is open in another program, or by another engine: close that one.
  KEEPSAKE_STATUS_OPEN_ELSEWHERE = 3,
  // The bank's folder cannot be used: see that it exists and may be written.
  KEEPSAKE_STATUS_FOLDER = 4,
  // The bank needs another key, or none.
  KEEPSAKE_STATUS_KEY = 5,
  // The bank is damaged: restore it from a copy, or repair it.
  KEEPSAKE_STATUS_DAMAGED = 6,
  // A newer version wrote this: update the app.
  KEEPSAKE_STATUS_TOO_NEW = 7,
  // A file of a model, or the library that runs it, cannot be used: fetch it again, or give another.
  KEEPSAKE_STATUS_MODEL_FILE = 8,
  // The model does not fit into memory: close other apps, or take a smaller one.
  KEEPSAKE_STATUS_OUT_OF_MEMORY = 9,
  // The engine has no language model. A turn that was handed in is stored and waits.
  KEEPSAKE_STATUS_NO_MODEL = 10,
  // A model ran and failed, or the host's own did. A turn that was handed in is stored and waits.
  KEEPSAKE_STATUS_MODEL_FAILED = 11,
  // The host stopped it. A turn that was handed in is stored and waits.
  KEEPSAKE_STATUS_STOPPED = 12,
  // The queue is paused. A turn that was handed in is stored and waits.
  KEEPSAKE_STATUS_PAUSED = 13,
  // Things are not as the call takes them to be: read again, then decide.
  KEEPSAKE_STATUS_REFUSED = 14,
  // A document cannot be read or written.
  KEEPSAKE_STATUS_DOCUMENT = 15,
  // The disk failed: see to its free space and health.
  KEEPSAKE_STATUS_DISK = 16,
  // A fault of the library itself. What was to be changed may or may not be there, but never in part.
  KEEPSAKE_STATUS_PANIC = 17,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum KeepsakeStatus KeepsakeStatus;
#else
typedef int32_t KeepsakeStatus;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What became of a turn.
typedef enum {
  // It waits in the queue.
  KEEPSAKE_OUTCOME_WAITING = 0,
  // It was worked through.
  KEEPSAKE_OUTCOME_DONE = 1,
  // Nothing was written for it; `keepsake_retry` puts it back into the queue.
  KEEPSAKE_OUTCOME_FAILED = 2,
  // What it changed was taken back.
  KEEPSAKE_OUTCOME_UNDONE = 3,
} KeepsakeOutcome;

// The four operations of Memory-R1.
typedef enum {
  // A new memory.
  KEEPSAKE_OPERATION_ADD = 0,
  // A new version of a memory.
  KEEPSAKE_OPERATION_UPDATE = 1,
  // A memory no longer holds.
  KEEPSAKE_OPERATION_DELETE = 2,
  // Nothing to do.
  KEEPSAKE_OPERATION_NOOP = 3,
} KeepsakeOperation;

// Why working the queue ended.
typedef enum {
  // Nothing waits any more.
  KEEPSAKE_ENDED_EMPTY = 0,
  // The budget was used up.
  KEEPSAKE_ENDED_BUDGET = 1,
  // The host stopped it.
  KEEPSAKE_ENDED_CANCELLED = 2,
  // The queue is paused.
  KEEPSAKE_ENDED_PAUSED = 3,
  // There is no language model, and the queue waits.
  KEEPSAKE_ENDED_NO_MODEL = 4,
} KeepsakeEnded;

// What has become of a version of a memory.
typedef enum {
  // It holds.
  KEEPSAKE_STATE_CURRENT = 0,
  // A newer version stands in its place.
  KEEPSAKE_STATE_SUPERSEDED = 1,
  // It no longer holds.
  KEEPSAKE_STATE_RETIRED = 2,
  // It waits for the user to confirm it; nothing finds it until then.
  KEEPSAKE_STATE_QUARANTINED = 3,
} KeepsakeState;

// Who said it, and so how far it is trusted.
typedef enum {
  // The person whose memory this is, or somebody in conversation with them.
  KEEPSAKE_ORIGIN_USER = 0,
  // The assistant itself.
  KEEPSAKE_ORIGIN_ASSISTANT = 1,
  // Moved in from another system.
  KEEPSAKE_ORIGIN_IMPORTED = 2,
  // A document, web page or tool result: cannot change what the user stated.
  KEEPSAKE_ORIGIN_DOCUMENT = 3,
} KeepsakeOrigin;

// Where a host's model writes its reply; good until its `complete` returns, and on the thread of that call only.
typedef struct KeepsakeReply KeepsakeReply;

// UTF-8 text of `length` bytes. What the library hands out need not end with a NUL: print it with `"%.*s"`. What is handed in
// is read during the call only; `data` NULL and `length` 0 stand for "not given".
typedef struct {
  // The bytes.
  const uint8_t *data;
  // How many.
  size_t length;
} KeepsakeStr;

// A switch that stops running calls.
typedef struct {
  // Its number; 0 is none.
  uint64_t id;
} KeepsakeCancel;

// Files of a language model, and how it is loaded. All zeros but `size` and `model` are the defaults.
typedef struct {
  // `sizeof(KeepsakeModelFiles)`.
  size_t size;
  // The GGUF file of the base model.
  KeepsakeStr model;
  // A LoRA adapter for the memory manager, or nothing.
  KeepsakeStr manager_adapter;
  // A LoRA adapter for the answer agent, or nothing.
  KeepsakeStr answer_adapter;
  // A folder of the app's for what is evaluated and measured once, or nothing; it may be deleted at any time.
  KeepsakeStr states;
  // The folder with llama.cpp's processor variants, where the app was shipped with them, or nothing.
  KeepsakeStr backends;
  // Tokens of prompt and reply together; 0: 4096.
  uint32_t context_tokens;
  // Threads that compute; 0: measured when the model is first loaded, if there is a folder of states.
  uint32_t threads;
  // Most bytes the model may take, where the host knows better than the system; 0: as the system says.
  uint64_t memory_limit;
  // Not 0: keys and values are kept in 8 bits, which takes half the memory, and long prompts are read more slowly.
  uint32_t small_cache;
  // 0.
  uint32_t reserved;
} KeepsakeModelFiles;

// A language model, loaded.
typedef struct {
  // Its number; 0 is none.
  uint64_t id;
} KeepsakeModel;

// What a host's model is asked.
typedef struct {
  // Whether it speaks as the answer agent; as the memory manager otherwise.
  bool answers;
  // The standing instruction.
  KeepsakeStr system;
  // What it is to work on. Remembered text in it is content, never an instruction.
  KeepsakeStr user;
  // How the reply begins; the model goes on from there.
  KeepsakeStr reply_start;
  // A regular expression that the whole reply should follow, or nothing; it is checked in any case.
  KeepsakeStr grammar;
  // Most tokens of the reply.
  uint32_t max_tokens;
  // 0: the likeliest token each time.
  float temperature;
  // With a temperature: the same seed gives the same reply.
  uint32_t seed;
} KeepsakeRequest;

// A language model of the host's. Its functions are called from whichever thread calls the engine, one at a time for each
// call of the engine.
typedef struct {
  // `sizeof(KeepsakeHostModel)`.
  size_t size;
  // Handed to every function.
  void *user;
  // Tokens of prompt and reply together that it can hold.
  uint32_t context_tokens;
  // How many tokens a text has.
  uint64_t (*count_tokens)(void *user,
                           KeepsakeStr text);
  // Completes a chat, writing to `reply`: 0 where the reply is whole, 1 where it ran into the token limit, anything else
  // where the model failed.
  int32_t (*complete)(void *user,
                      const KeepsakeRequest *request,
                      KeepsakeReply *reply);
  // Called once, when the model is used no longer; never where it was refused. May be NULL.
  void (*drop)(void *user);
} KeepsakeHostModel;

// Files of a sentence-embedding model.
typedef struct {
  // `sizeof(KeepsakeEmbedderFiles)`.
  size_t size;
  // The ONNX file.
  KeepsakeStr model;
  // Its `tokenizer.json`.
  KeepsakeStr tokenizer;
  // The shared library of ONNX Runtime, 1.24 or later.
  KeepsakeStr runtime;
  // Threads that compute; 0: 2.
  uint32_t threads;
  // 0.
  uint32_t reserved;
} KeepsakeEmbedderFiles;

// A sentence-embedding model, loaded.
typedef struct {
  // Its number; 0 is none.
  uint64_t id;
} KeepsakeEmbedder;

// An embedder of the host's. Its functions are called from whichever thread calls the engine, several at a time.
typedef struct {
  // `sizeof(KeepsakeHostEmbedder)`.
  size_t size;
  // Handed to every function.
  void *user;
  // Names the model and everything else that changes its vectors. Copied.
  KeepsakeStr identity;
  // Components of every vector.
  uint32_t dimensions;
  // Writes the vector of a text to `vector`, which has room for `dimensions` numbers: 0 where it did. It need not have
  // length 1.
  int32_t (*embed)(void *user,
                   KeepsakeStr text,
                   float *vector);
  // Called once, when the embedder is used no longer; never where it was refused. May be NULL.
  void (*drop)(void *user);
} KeepsakeHostEmbedder;

// What an engine is made of. All zeros but `size` are the defaults.
typedef struct {
  // `sizeof(KeepsakeOptions)`.
  size_t size;
  // The host's key, 32 random bytes, or NULL. A new bank is sealed by it, and one that is there must have been.
  const uint8_t *key;
  // The language model; 0: none, so that turns are kept and can be searched, and the queue waits.
  KeepsakeModel model;
  // The embedder; 0: none, so that search is by words only.
  KeepsakeEmbedder embedder;
  // Memories and turns retrieved for a question; 0: 60.
  uint32_t retrieved;
  // Days after which turns that came in and memories that were last changed are forgotten; 0: never.
  uint32_t keep_days;
  // Not 0: it is noted when an answer was last given from a memory.
  uint32_t note_use;
  // 0.
  uint32_t reserved;
} KeepsakeOptions;

// An open bank with all that works on it.
typedef struct {
  // Its number; 0 is none.
  uint64_t id;
} KeepsakeEngine;

// What was said. All zeros but `size`, `speaker`, `text` and `time` are the defaults.
typedef struct {
  // `sizeof(KeepsakeNewTurn)`.
  size_t size;
  // Who said it.
  KeepsakeStr speaker;
  // The words.
  KeepsakeStr text;
  // When, on the speaker's wall clock: `2024-03-02T10:15:00` or `2024-03-02`.
  KeepsakeStr time;
  // The sitting it belongs to, or nothing: `1`.
  KeepsakeStr session;
  // Whose memory it is for, or nothing: `default`.
  KeepsakeStr space;
  // Caption of an image that was shared, or nothing.
  KeepsakeStr image;
  // The host's own name for it, or nothing. A second turn of the space with the same one is not stored again.
  KeepsakeStr reference;
  // How far it is trusted: one of `KeepsakeOrigin`.
  uint32_t origin;
  // 0.
  uint32_t reserved;
} KeepsakeNewTurn;

// What was done with one fact.
typedef struct {
  // What was done.
  KeepsakeOperation operation;
  // The fact.
  KeepsakeStr fact;
  // The memory that was made, changed or retired; 0: none.
  uint64_t memory;
  // Its text afterwards, or the text that was retired.
  KeepsakeStr text;
  // The memory that keeps the fact beside a retired one; 0: none.
  uint64_t beside;
  // Why the engine departed from what the model said, in a word: `merged`, `not_contradicted`, ... Nothing where it did not.
  KeepsakeStr guard;
} KeepsakeApplied;

// What became of a turn, in detail.
typedef struct {
  // The turn.
  uint64_t turn;
  // What became of it.
  KeepsakeOutcome outcome;
  // The step that failed, `extract` or `manage`; nothing where none did.
  KeepsakeStr step;
  // Why, in a word: `unparseable`, `cut_off`, `ungrounded`, `unknown_id`, `too_long`.
  KeepsakeStr reason;
  // One entry for each fact, in order.
  const KeepsakeApplied *applied;
  // How many there are.
  size_t applied_count;
} KeepsakeReceipt;

// Shows what became of a turn. False stops the work after it.
typedef bool (*KeepsakeReceiptFn)(void *user,
                                  const KeepsakeReceipt *receipt);

// What working the queue did.
typedef struct {
  // Turns worked through, failures included.
  uint64_t turns;
  // Of these, turns whose outcome is a failure.
  uint64_t failed;
  // Memories and turns that are kept no longer, by the settings.
  uint64_t forgotten;
  // Why it ended.
  KeepsakeEnded ended;
} KeepsakeProgress;

// Shows a piece of an answer. False stops the answer.
typedef bool (*KeepsakeTextFn)(void *user,
                               KeepsakeStr piece);

// A memory or a turn, for what is found, used and forgotten.
typedef struct {
  // 0: a memory; 1: a turn.
  uint32_t is_turn;
  // 0.
  uint32_t reserved;
  // Its number.
  uint64_t id;
} KeepsakeUnit;

// A memory or turn that was found, or that an answer was given from.
typedef struct {
  // Which.
  KeepsakeUnit unit;
  // How well it fits: larger is better, and comparable within one search only. 0 behind an answer.
  float score;
  // Who said it.
  KeepsakeStr speaker;
  // When, on the speaker's wall clock.
  KeepsakeStr time;
  // The words.
  KeepsakeStr text;
} KeepsakeFound;

// An answer with what it rests on.
typedef struct {
  // The answer, or nothing where nothing at all is remembered in this space.
  KeepsakeStr text;
  // Whether it ran into its token limit.
  bool cut_off;
  // The memories and turns it was given from, the most useful first.
  const KeepsakeFound *used;
  // How many there are.
  size_t used_count;
  // From the call to the first piece of the answer, milliseconds.
  double first_token_ms;
} KeepsakeAnswer;

// Shows an answer, once it is whole.
typedef void (*KeepsakeAnswerFn)(void *user,
                                 const KeepsakeAnswer *answer);

// What is searched for. All zeros but `size` and `text` are the defaults.
typedef struct {
  // `sizeof(KeepsakeSearch)`.
  size_t size;
  // The words.
  KeepsakeStr text;
  // Whose memory is searched, or nothing: `default`.
  KeepsakeStr space;
  // Said by somebody of exactly this name, or nothing: by anybody.
  KeepsakeStr speaker;
  // Said, or holding from, no earlier than this, or nothing.
  KeepsakeStr from_time;
  // Said, or holding from, no later than this, or nothing.
  KeepsakeStr until_time;
  // How many are wanted; 0: 10.
  uint32_t count;
  // 0: memories and turns; 1: memories; 2: turns.
  uint32_t kind;
} KeepsakeSearch;

// Shows something that was found. False ends the list.
typedef bool (*KeepsakeFoundFn)(void *user,
                                const KeepsakeFound *found);

// A fact in the bank: one version of it.
typedef struct {
  // Its number; the same for all versions.
  uint64_t id;
  // Which version, from 1.
  uint32_t version;
  // Whether it holds.
  KeepsakeState state;
  // Where it came from.
  KeepsakeOrigin origin;
  // Whose it is.
  KeepsakeStr space;
  // The fact.
  KeepsakeStr text;
  // Who said it.
  KeepsakeStr speaker;
  // From when it holds, on the speaker's wall clock: `2024-03-02T10:15:00`.
  KeepsakeStr valid_from;
  // When this version was stored, UTC.
  KeepsakeStr recorded;
  // The turns it was taken from, oldest first.
  const uint64_t *sources;
  // How many there are.
  size_t sources_count;
} KeepsakeMemory;

// Shows a memory. False ends the list.
typedef bool (*KeepsakeMemoryFn)(void *user,
                                 const KeepsakeMemory *memory);

// What was said, as the bank keeps it.
typedef struct {
  // Its number, in the order of `keepsake_append`.
  uint64_t id;
  // Where it came from.
  KeepsakeOrigin origin;
  // Whose it is.
  KeepsakeStr space;
  // The sitting it belongs to.
  KeepsakeStr session;
  // Who said it.
  KeepsakeStr speaker;
  // The words.
  KeepsakeStr text;
  // Caption of a shared image, or nothing.
  KeepsakeStr image;
  // When it was said, on the speaker's wall clock.
  KeepsakeStr time;
  // When it was stored, UTC.
  KeepsakeStr recorded;
  // The host's own name for it, or nothing.
  KeepsakeStr reference;
} KeepsakeTurn;

// Shows a turn. False ends the list.
typedef bool (*KeepsakeTurnFn)(void *user,
                               const KeepsakeTurn *turn);

// A space in numbers.
typedef struct {
  // Turns kept.
  uint64_t turns;
  // Turns that wait in the queue.
  uint64_t waiting;
  // Turns whose outcome is a failure.
  uint64_t failed;
  // Memories that hold.
  uint64_t current;
  // Memories that were retired.
  uint64_t retired;
  // Memories that wait to be confirmed.
  uint64_t quarantined;
  // Versions of memories, all told.
  uint64_t versions;
} KeepsakeCounts;

// Takes a log line: its level from 1 (what failed) to 4 (every detail), the part of the engine it comes from, and the line.
// Lines quote nothing that is remembered. Called from any thread; must not call the library.
typedef void (*KeepsakeLogFn)(void *user,
                              uint32_t level,
                              KeepsakeStr target,
                              KeepsakeStr line);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The `KEEPSAKE_ABI_VERSION` of the library, to be compared with the header's.
uint32_t keepsake_abi_version(void);

// The version of the engine, which ends with a NUL and stays for the life of the program.
KeepsakeStr keepsake_version(void);

// Makes a switch that stops the calls it is given to.
KeepsakeStatus keepsake_cancel_new(KeepsakeCancel *out);

// Throws a switch: calls that have it stop at the next token. It stays thrown.
KeepsakeStatus keepsake_cancel_throw(KeepsakeCancel switch_);

// Closes a switch. Calls under way keep theirs.
KeepsakeStatus keepsake_cancel_close(KeepsakeCancel switch_);

// Checks and loads a language model.
KeepsakeStatus keepsake_model_load(const KeepsakeModelFiles *files,
                                   KeepsakeModel *out);

// Takes a language model of the host's.
KeepsakeStatus keepsake_model_of_host(const KeepsakeHostModel *host,
                                      KeepsakeModel *out);

// Closes a model. Engines that have it keep it.
KeepsakeStatus keepsake_model_close(KeepsakeModel model);

// Checks and loads an embedding model.
KeepsakeStatus keepsake_embedder_load(const KeepsakeEmbedderFiles *files,
                                      KeepsakeEmbedder *out);

// Takes an embedder of the host's.
KeepsakeStatus keepsake_embedder_of_host(const KeepsakeHostEmbedder *host,
                                         KeepsakeEmbedder *out);

// Closes an embedder. Engines that have it keep it.
KeepsakeStatus keepsake_embedder_close(KeepsakeEmbedder embedder);

// Opens the bank in a folder and verifies it, or makes one there. `options` may be NULL.
KeepsakeStatus keepsake_open(KeepsakeStr folder,
                             const KeepsakeOptions *options,
                             KeepsakeEngine *out);

// Closes an engine. Returns at once; the bank closes when the last call under way ends.
KeepsakeStatus keepsake_close(KeepsakeEngine engine);

// Stores a turn, durably, and puts it into the queue: milliseconds. `id` and `is_new` may be NULL.
KeepsakeStatus keepsake_append(KeepsakeEngine engine,
                               const KeepsakeNewTurn *turn,
                               uint64_t *id,
                               bool *is_new);

// Works the queue: at most `turns` of it and for at most `milliseconds`, 0 for no limit. `show` hears of every turn and may
// stop the work; it must not call `keepsake_process`, `keepsake_remember` or `keepsake_import`, which wait for this call. `switch` may
// be 0, `show` and `progress` NULL.
KeepsakeStatus keepsake_process(KeepsakeEngine engine,
                                uint64_t turns,
                                uint64_t milliseconds,
                                KeepsakeCancel switch_,
                                KeepsakeReceiptFn show,
                                void *user,
                                KeepsakeProgress *progress);

// Stores a turn and works the queue up to it. `switch` may be 0, `show` NULL.
KeepsakeStatus keepsake_remember(KeepsakeEngine engine,
                                 const KeepsakeNewTurn *turn,
                                 KeepsakeCancel switch_,
                                 KeepsakeReceiptFn show,
                                 void *user);

// Answers a question from what a space holds (nothing: `default`). `piece` is shown the answer while it is written, `show`
// the whole of it; both may be NULL, and `switch` 0.
KeepsakeStatus keepsake_ask(KeepsakeEngine engine,
                            KeepsakeStr question,
                            KeepsakeStr space,
                            KeepsakeCancel switch_,
                            KeepsakeTextFn piece,
                            KeepsakeAnswerFn show,
                            void *user);

// Shows the memories and turns that fit a search best, best first.
KeepsakeStatus keepsake_search(KeepsakeEngine engine,
                               const KeepsakeSearch *search,
                               KeepsakeFoundFn show,
                               void *user);

// Shows the memories of a space (nothing: `default`) that hold, oldest first.
KeepsakeStatus keepsake_memories(KeepsakeEngine engine,
                                 KeepsakeStr space,
                                 KeepsakeMemoryFn show,
                                 void *user);

// Shows all versions of a memory, oldest first; none where there is no such memory.
KeepsakeStatus keepsake_history(KeepsakeEngine engine,
                                uint64_t memory,
                                KeepsakeMemoryFn show,
                                void *user);

// Shows the memories of a space (nothing: `default`) that wait to be confirmed.
KeepsakeStatus keepsake_quarantined(KeepsakeEngine engine,
                                    KeepsakeStr space,
                                    KeepsakeMemoryFn show,
                                    void *user);

// The user vouches for a quarantined memory: it holds from now on.
KeepsakeStatus keepsake_confirm(KeepsakeEngine engine,
                                uint64_t memory);

// Shows the turns of a space (nothing: `default`), oldest first.
KeepsakeStatus keepsake_turns(KeepsakeEngine engine,
                              KeepsakeStr space,
                              KeepsakeTurnFn show,
                              void *user);

// Shows one turn; nothing where there is no such turn.
KeepsakeStatus keepsake_turn(KeepsakeEngine engine,
                             uint64_t turn,
                             KeepsakeTurnFn show,
                             void *user);

// Shows what became of a turn.
KeepsakeStatus keepsake_outcome(KeepsakeEngine engine,
                                uint64_t turn,
                                KeepsakeReceiptFn show,
                                void *user);

// Puts a turn that failed back into the queue; `done` (may be NULL) is false where it did not fail.
KeepsakeStatus keepsake_retry(KeepsakeEngine engine,
                              uint64_t turn,
                              bool *done);

// Takes back what these turns changed, as one step. The turns stay.
KeepsakeStatus keepsake_undo(KeepsakeEngine engine,
                             const uint64_t *turns,
                             size_t count);

// Removes memories and turns with everything kept about them, as one step: no byte of them is left in the bank. `gone` (may
// be NULL): how many there were.
KeepsakeStatus keepsake_forget(KeepsakeEngine engine,
                               const KeepsakeUnit *units,
                               size_t count,
                               uint64_t *gone);

// Removes all that a space (nothing: `default`) holds. `gone` (may be NULL): how many memories and turns there were.
KeepsakeStatus keepsake_forget_everything(KeepsakeEngine engine,
                                          KeepsakeStr space,
                                          uint64_t *gone);

// A space as it was, as an engine of its own in memory: what was recorded by a moment (UTC), or with `held` what held then on
// the speakers' clocks, as far as is known now.
KeepsakeStatus keepsake_as_of(KeepsakeEngine engine,
                              KeepsakeStr moment,
                              uint32_t held,
                              KeepsakeStr space,
                              KeepsakeEngine *out);

// Writes what a space holds (nothing: all spaces) into a new file, whole or not at all: to be imported again, or with
// `markdown` a page for people.
KeepsakeStatus keepsake_export(KeepsakeEngine engine,
                               KeepsakeStr file,
                               KeepsakeStr space,
                               uint32_t markdown);

// Takes in an export; the bank must be empty.
KeepsakeStatus keepsake_import(KeepsakeEngine engine,
                               KeepsakeStr file);

// Shows the names of all spaces that hold something.
KeepsakeStatus keepsake_spaces(KeepsakeEngine engine,
                               KeepsakeTextFn show,
                               void *user);

// A space (nothing: `default`) in numbers.
KeepsakeStatus keepsake_counts(KeepsakeEngine engine,
                               KeepsakeStr space,
                               KeepsakeCounts *out);

// Says how hard the queue may be worked from now on. 0: fully; 1: resting as long as it computes; 2: not at all, and work
// under way stops within about 60 ms.
KeepsakeStatus keepsake_set_effort(KeepsakeEngine engine,
                                   uint32_t effort);

// Gives back memory that the system is short of. Nothing is lost; what comes next takes longer.
KeepsakeStatus keepsake_release_memory(KeepsakeEngine engine);

// Reads the whole bank on the disk again and compares it with what was written to it.
KeepsakeStatus keepsake_verify(KeepsakeEngine engine);

// Writes the bank's files anew, as small as they can be.
KeepsakeStatus keepsake_compact(KeepsakeEngine engine);

// Gives a sealed bank another key, both of 32 bytes. The bank must not be open.
KeepsakeStatus keepsake_change_key(KeepsakeStr folder,
                                   const uint8_t *old,
                                   const uint8_t *new_);

// Makes a sound bank of what can be read in a folder where opening says it is damaged, with its key (NULL: none). `show` is
// shown what could not be read, in sentences.
KeepsakeStatus keepsake_repair(KeepsakeStr folder,
                               const uint8_t *key,
                               KeepsakeTextFn show,
                               void *user);

// Why this thread's last call failed, in a sentence that names the remedy; empty where it did not. Stays until the thread's
// next call. It quotes nothing that is remembered.
KeepsakeStr keepsake_last_error(void);

// Writes the next piece of a reply: UTF-8, whose characters may be cut between two pieces. False: no more is wanted, so
// return.
bool keepsake_reply_write(KeepsakeReply *reply,
                          KeepsakeStr piece);

// Sends the log to this function from now on, lines up to this level (1 to 4); NULL: nowhere. One function for the process.
// When this returns the one before is no longer called.
KeepsakeStatus keepsake_set_log(KeepsakeLogFn log,
                                void *user,
                                uint32_t level);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* KEEPSAKE_H */


#ifndef KEEPSAKE_TEXT_H
#define KEEPSAKE_TEXT_H
#include <string.h>

// A text that ends with a NUL, as the interface wants it; NULL is "not given". It must outlive the call.
static inline KeepsakeStr keepsake_text(const char *text) {
  KeepsakeStr view = {(const uint8_t *)text, text ? strlen(text) : 0};
  return view;
}
#endif
