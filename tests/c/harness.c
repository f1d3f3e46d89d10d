#include "harness.h"

#include "bounds.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_FAILURES = 5 };

static struct {
    int failures, skipped;
    char messages[SHOWN_FAILURES][400];
    char reason[200];
    char notes[400];
} current;

void test_fail(const char *format, ...)
{
    if (current.failures < SHOWN_FAILURES) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(current.messages[current.failures], sizeof current.messages[0], format, arguments);
        va_end(arguments);
    }
    ++current.failures;
}

void test_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(current.reason, sizeof current.reason, format, arguments);
    va_end(arguments);
    current.skipped = 1;
}

void test_note(const char *format, ...)
{
    size_t used = strlen(current.notes);
    va_list arguments;
    va_start(arguments, format);
    used += (size_t)snprintf(current.notes + used, sizeof current.notes - used, used ? ", " : "  ");
    if (used < sizeof current.notes)
        vsnprintf(current.notes + used, sizeof current.notes - used, format, arguments);
    va_end(arguments);
}

size_t sampled(size_t n)
{
    const char *text = getenv("SAMPLE");
    size_t by = text ? (size_t)strtoul(text, NULL, 10) : 1;
    return by > 1 ? (n + by - 1) / by : n;
}

void *allocate(size_t n, size_t size)
{
    char *memory = n < SIZE_MAX / size - 64 ? malloc(n * size + 64) : NULL;
    if (!memory) {
        fprintf(stderr, "no memory for %zu elements of %zu bytes\n", n, size);
        exit(2);
    }
    size_t offset = 64 - (uintptr_t)memory % 64;
    memory[offset - 1] = (char)offset;
    return memory + offset;
}

void release(void *memory)
{
    char *aligned = memory;
    if (aligned) free(aligned - aligned[-1]);
}

static const bound bounds[] = {
#define ROW(function, targets, float32, float64) { function, targets, float32, float64 },
    BOUNDS(ROW)
#undef ROW
};

const bound *bound_of(const char *function, const char *targets)
{
    for (size_t i = 0; i < COUNT(bounds); ++i)
        if (strcmp(bounds[i].function, function) == 0 && strcmp(bounds[i].targets, targets) == 0) return &bounds[i];
    fprintf(stderr, "bounds.h has no row for %s, %s\n", function, targets);
    exit(2);
}

/* Whether ISAS, if it is set, has the name between its blanks. */
static int asked_for(const char *isa)
{
    const char *at = getenv("ISAS");
    size_t length = strlen(isa);
    if (!at || !*at) return 1;
    for (; *at; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        if (strncmp(at, isa, length) == 0 && (at[length] == ' ' || !at[length])) return 1;
    }
    return 0;
}

typedef struct { int passed, failed, skipped; } totals;

static void run_one(const char *suite, const test_case *test, const char *isa, totals *sum)
{
    memset(&current, 0, sizeof current);
    if (isa && !asked_for(isa))
        test_skip("ISAS does not name %s", isa);
    else if (isa && bcel_select_isa(isa) == BCEL_UNSUPPORTED_ISA)
        test_skip("this processor cannot run %s", isa);
    else
        test->run();
    const char *outcome = current.failures ? "FAIL" : current.skipped ? "skip" : "ok  ";
    printf("%s %s: %s", outcome, suite, test->name);
    if (isa) printf(" [%s]", isa);
    printf("%s", current.notes);
    if (!current.failures && current.skipped) printf("  (%s)", current.reason);
    printf("\n");
    for (int i = 0; i < current.failures && i < SHOWN_FAILURES; ++i) printf("       %s\n", current.messages[i]);
    if (current.failures > SHOWN_FAILURES) printf("       ... %d failures in all\n", current.failures);
    fflush(stdout);
    if (current.failures)
        ++sum->failed;
    else if (current.skipped)
        ++sum->skipped;
    else
        ++sum->passed;
}

int run_tests(const char *suite, const test_case *tests, size_t count, int argc, char **argv)
{
    totals sum = { 0, 0, 0 };
    for (size_t i = 0; i < count; ++i) {
        int wanted = argc < 2;
        for (int a = 1; a < argc; ++a) wanted |= strstr(tests[i].name, argv[a]) != NULL;
        if (!wanted) continue;
        const char *best = bcel_active_isa();
        if (!tests[i].each_isa) {
            run_one(suite, &tests[i], NULL, &sum);
        } else {
            for (int k = 0; bcel_isa_name(k); ++k) run_one(suite, &tests[i], bcel_isa_name(k), &sum);
            bcel_select_isa(best);
        }
    }
    printf("%s: %d passed, %d failed, %d skipped\n", suite, sum.passed, sum.failed, sum.skipped);
    return sum.failed != 0;
}
