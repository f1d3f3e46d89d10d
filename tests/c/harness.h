/* A small test harness: one line for each test, then the totals. A test that cannot run says why.
 *
 * Environment: SAMPLE=n takes one in n of the random samples (for emulators); ISAS="neon baseline" keeps to the
 * instruction sets named, in the tests that run on each. Arguments: tests whose name contains
 * one of them are run, all without any. */
#ifndef HARNESS_H
#define HARNESS_H

#include "bcelogits.h"

#include <stddef.h>

#if defined(__GNUC__) && !defined(__MINGW32__)
#  define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#  define PRINTF_LIKE(text, first)
#endif

typedef struct {
    const char *name;
    void (*run)(void);
    int each_isa; /* run once with each instruction set built in */
} test_case;

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Returns what main returns: 0 if nothing failed. */
int run_tests(const char *suite, const test_case *tests, size_t count, int argc, char **argv);

/* To be called within a test. The first few failures of a test are printed; it goes on after them. */
void test_fail(const char *format, ...) PRINTF_LIKE(1, 2);
void test_skip(const char *format, ...) PRINTF_LIKE(1, 2);
/* A word printed behind the name of the test, such as the largest error seen. */
void test_note(const char *format, ...) PRINTF_LIKE(1, 2);

#define CHECK(condition)                                                                     \
    do {                                                                                     \
        if (!(condition)) test_fail("%s:%d: not true: %s", __FILE__, __LINE__, #condition);  \
    } while (0)

/* n under SAMPLE, at least 1. */
size_t sampled(size_t n);

/* All or nothing: memory for n elements of a size, aligned to 64 bytes. */
void *allocate(size_t n, size_t size);
void release(void *memory);

#endif
