/* Stands between a process and what it does to files: loaded before the C library (LD_PRELOAD), it counts the calls
 * that change a file or make a change durable, and strikes at one of them. Standard output and error are passed over.
 *
 * KEEPSAKE_FAULT is a letter and the number of a call, from 1:
 *   c0   count, and print "points N" to standard error at the end
 *   k17  the process is killed in place of call 17
 *   h17  the same, but where it is a write, half of the bytes are written first
 *   e17  call 17 fails with an I/O error
 *   E17  it and every one after it fail
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;
static long at;
static char kind;

__attribute__((constructor)) static void begin(void) {
    const char *fault = getenv("KEEPSAKE_FAULT");
    if (fault && fault[0]) {
        at = atol(fault + 1);
        kind = fault[0];
    }
}

__attribute__((destructor)) static void end(void) {
    if (kind == 'c') fprintf(stderr, "points %ld\n", (long)calls);
}

/* What is to be done in place of this call: nothing, half of it and an end, or an error. */
enum strike { NONE, HALF, FAIL };

static enum strike strike(void) {
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (kind == 'k' && number == at) kill(getpid(), SIGKILL);
    if (kind == 'h' && number == at) return HALF;
    if ((kind == 'e' && number == at) || (kind == 'E' && number >= at)) {
        errno = EIO;
        return FAIL;
    }
    return NONE;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A call without halves. */
#define WHOLE(name, parameters, arguments)                        \
    int name parameters {                                         \
        enum strike what = strike();                              \
        if (what == HALF) kill(getpid(), SIGKILL);                \
        return what == FAIL ? -1 : REAL(name) arguments;          \
    }

WHOLE(fsync, (int file), (file))
WHOLE(fdatasync, (int file), (file))
WHOLE(sync_file_range, (int file, off64_t from, off64_t length, unsigned flags), (file, from, length, flags))
WHOLE(ftruncate64, (int file, off64_t length), (file, length))
WHOLE(rename, (const char *from, const char *to), (from, to))
WHOLE(unlink, (const char *path), (path))
WHOLE(unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
WHOLE(mkdir, (const char *path, mode_t mode), (path, mode))

ssize_t write(int file, const void *bytes, size_t length) {
    if (file <= STDERR_FILENO) return REAL(write)(file, bytes, length);
    enum strike what = strike();
    if (what == FAIL) return -1;
    if (what == HALF) {
        REAL(write)(file, bytes, length / 2);
        kill(getpid(), SIGKILL);
    }
    return REAL(write)(file, bytes, length);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t offset) {
    enum strike what = strike();
    if (what == FAIL) return -1;
    if (what == HALF) {
        REAL(pwrite64)(file, bytes, length / 2, offset);
        kill(getpid(), SIGKILL);
    }
    return REAL(pwrite64)(file, bytes, length, offset);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
        enum strike what = strike();
        if (what == HALF) kill(getpid(), SIGKILL);
        if (what == FAIL) return -1;
    }
    return REAL(open64)(path, flags, mode);
}
