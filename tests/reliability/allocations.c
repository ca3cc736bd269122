// A library for LD_PRELOAD: one allocation fails, of those that a thread makes with at least some number of bytes. Python calls
// `fail`; a command finds the same numbers in its environment, for its whole process.
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

// How many allocations of at least `least` bytes succeed before the one that fails. Below 0: it has failed, or none is to fail.
static _Thread_local long before = -1;
static _Thread_local size_t least;
static atomic_long before_all = -1;
static size_t least_all;
static const char *report;

void fail(long number, size_t bytes) {
    before = number;
    least = bytes;
}

// Whether the allocation has failed. None fails any more.
int failed(void) {
    int done = before < 0;
    before = -1;
    return done;
}

__attribute__((constructor)) static void begin(void) {
    const char *number = getenv("FAILING_ALLOCATION"), *bytes = getenv("FAILING_BYTES");
    report = getenv("FAILING_REPORT");
    if (number && bytes && report) {
        least_all = strtoul(bytes, NULL, 10);
        before_all = strtol(number, NULL, 10);
    }
}

static int fails(size_t bytes) {
    if (before >= 0 && bytes >= least && before-- == 0) {
        errno = ENOMEM;
        return 1;
    }
    if (least_all && bytes >= least_all && atomic_fetch_sub(&before_all, 1) == 0) {
        close(open(report, O_CREAT | O_WRONLY, 0600));
        errno = ENOMEM;
        return 1;
    }
    return 0;
}

void *malloc(size_t bytes) { return fails(bytes) ? NULL : __libc_malloc(bytes); }

void *calloc(size_t count, size_t bytes) {
    return bytes && fails(count > (size_t)-1 / bytes ? (size_t)-1 : count * bytes) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes) { return fails(bytes) ? NULL : __libc_realloc(old, bytes); }

void *aligned_alloc(size_t alignment, size_t bytes) { return fails(bytes) ? NULL : __libc_memalign(alignment, bytes); }

int posix_memalign(void **to, size_t alignment, size_t bytes) {
    void *found = fails(bytes) ? NULL : __libc_memalign(alignment, bytes);
    if (!found)
        return ENOMEM;
    *to = found;
    return 0;
}
