/* Every float32 logit, all 2^32 bit patterns, for every function of a logit on every instruction set. Writes a report
 * of the largest errors and of the logits that attain them, and fails if one is beyond its bound.
 *
 *     exhaustive [--jobs N] [--report FILE] [--every N] [--isa NAME]...
 *
 * The reference is in double, of which log(1 + exp(-|x|)) is evaluated once for x and -x and for all functions; its
 * error is about 1e-8 ULP of a float. Whether a result is the correctly rounded one is decided by it too, but within
 * 1e-6 ULP of a tie by long double. One instruction set is compared with the reference, the others with its bits; where
 * they differ, with the reference. --isa, once or more, chooses the sets: the first named is the one compared with the
 * reference. --jobs N shares the logits among N processes. --every N takes every Nth chunk of logits, for a trial. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "bounds.h"
#include "harness.h"
#include "reference.h"

#include <stdio.h>
#include <stdlib.h>

#if !defined(_WIN32)
#  include <sys/mman.h>
#  include <sys/wait.h>
#  include <unistd.h>
#endif

enum { CHUNK = 1 << 14, MOST_ISAS = 8, MOST_JOBS = 64 };

static const uint32_t infinity_bits = 0x7f800000;

/* Of one function on one instruction set. */
typedef struct {
    double error, at;
    unsigned long long over, not_nearest, different, descents;
    double first_descent;
} tally;

typedef struct {
    tally of[MOST_ISAS][LOGIT_FUNCTION_COUNT];
    unsigned long long tested, broken_identities;
} totals;

static const char *isas[MOST_ISAS];
static int isa_count;

/* Nearer to a tie than double can tell. */
static double error_in_long_double(logit_function function, double x, float computed)
{
    long double t = fabsl((long double)x), e = expl(-t), exact;
    int positive = x > 0;
    switch (function) {
    case LOSS_0:
    case SOFTPLUS: exact = positive ? t + log1pl(e) : log1pl(e); break;
    case LOSS_1: exact = positive ? log1pl(e) : t + log1pl(e); break;
    case LOG_SIGMOID: exact = -(positive ? log1pl(e) : t + log1pl(e)); break;
    case GRADIENT_0:
    case SIGMOID: exact = positive ? 1 / (1 + e) : e / (1 + e); break;
    case GRADIENT_1: exact = -(positive ? e / (1 + e) : 1 / (1 + e)); break;
    default: exact = e / ((1 + e) * (1 + e)); break;
    }
    return (double)(fabsl((long double)computed - exact) / (long double)ulp_of_f32((double)exact));
}

static int ascends(logit_function function)
{
    return function == SIGMOID || function == LOG_SIGMOID || function == SOFTPLUS;
}

/* Faster than ulp_error_f32: the exponent from the bits. */
static double quick_error(float computed, double exact)
{
    uint64_t exponent = bits_of_f64(exact) >> 52 & 0x7ff;
    if (exponent < 1023 - 126) exponent = 1023 - 126;
    return fabs((double)computed - exact) * f64_of_bits((uint64_t)(1023 + 1023 + 23 - exponent) << 52);
}

static void tally_chunk(tally *t, logit_function function, const float *x, const float *computed,
                        const logit_values *values, size_t n)
{
    double limit = bound_of(row_of_function(function), "hard")->float32;
    for (size_t i = 0; i < n; ++i) {
        double exact = exact_of_f32(function, &values[i]), error = quick_error(computed[i], exact);
        if (!(error <= t->error)) {
            t->error = error;
            t->at = (double)x[i];
        }
        t->over += !(error <= limit);
        if (error > 0.5 - 1e-6) {
            if (error < 0.5 + 1e-6) error = error_in_long_double(function, (double)x[i], computed[i]);
            t->not_nearest += error > 0.5;
        }
    }
}

/* x and its successor in value, whichever way the bits run; results of both. */
static void count_descents(tally *t, const float *x, const float *computed, size_t n)
{
    for (size_t i = 1; i < n; ++i) {
        int descends = (x[i] > x[i - 1]) ? computed[i] < computed[i - 1] : computed[i] > computed[i - 1];
        if (descends && !t->descents++) t->first_descent = (double)x[i];
    }
}

/* No result is a negative zero, so what is the opposite of another is compared by value. */
static void check_identities(totals *sum, float results[LOGIT_FUNCTION_COUNT][2][CHUNK], size_t n)
{
    for (int side = 0; side < 2; ++side)
        for (size_t i = 0; i < n; ++i) {
            int ok = same_f32(results[LOSS_1][side][i], results[LOSS_0][!side][i])
                     && results[GRADIENT_1][side][i] == -results[GRADIENT_0][!side][i]
                     && same_f32(results[SIGMOID][side][i], results[GRADIENT_0][side][i])
                     && same_f32(results[SOFTPLUS][side][i], results[LOSS_0][side][i])
                     && (results[LOG_SIGMOID][side][i] == -results[LOSS_1][side][i])
                     && same_f32(results[HESSIAN][side][i], results[HESSIAN][!side][i]);
            sum->broken_identities += !ok;
        }
}

/* Logits of bit patterns first to first + n - 1, and their opposites. */
static void run_chunk(totals *sum, uint32_t first, size_t n)
{
    static float x[2][CHUNK], other[CHUNK];
    static float results[LOGIT_FUNCTION_COUNT][2][CHUNK];
    static logit_values values[2][CHUNK];
    for (size_t i = 0; i < n; ++i) {
        x[0][i] = f32_of_bits(first + (uint32_t)i);
        x[1][i] = -x[0][i];
        const logit_values v = values[0][i] = values_of_logit((double)x[0][i]);
        values[1][i] = (logit_values){ v.softplus_minus, v.softplus, v.sigmoid_minus, v.sigmoid, v.hessian };
    }
    bcel_select_isa(isas[0]);
    for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f)
        for (int side = 0; side < 2; ++side) {
            tally *t = &sum->of[0][f];
            float *result = results[f][side];
            compute((logit_function)f, BCEL_FLOAT32, x[side], result, n);
            tally_chunk(t, (logit_function)f, x[side], result, values[side], n);
            if (ascends((logit_function)f)) count_descents(t, x[side], result, n);
        }
    check_identities(sum, results, n);
    for (int k = 1; k < isa_count; ++k) {
        bcel_select_isa(isas[k]);
        for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f)
            for (int side = 0; side < 2; ++side) {
                tally *t = &sum->of[k][f];
                compute((logit_function)f, BCEL_FLOAT32, x[side], other, n);
                if (memcmp(other, results[f][side], n * sizeof *other) == 0) continue;
                for (size_t i = 0; i < n; ++i) t->different += !same_f32(other[i], results[f][side][i]);
                tally_chunk(t, (logit_function)f, x[side], other, values[side], n);
            }
    }
    sum->tested += 2 * n;
}

static void run_job(totals *sum, unsigned job, unsigned jobs, unsigned every)
{
    const uint32_t chunks = infinity_bits / CHUNK;
    for (uint32_t c = job * every; c < chunks; c += jobs * every) {
        run_chunk(sum, c * CHUNK, CHUNK);
        if (job == 0 && c / every / jobs % 512 == 0) fprintf(stderr, "\r%3u %%", (unsigned)(100ull * c / chunks));
    }
    if (job == 0) fprintf(stderr, "\r     \r");
}

static void add_tally(tally *to, const tally *from)
{
    if (!(from->error <= to->error)) {
        to->error = from->error;
        to->at = from->at;
    }
    to->over += from->over;
    to->not_nearest += from->not_nearest;
    to->different += from->different;
    if (from->descents && !to->descents) to->first_descent = from->first_descent;
    to->descents += from->descents;
}

#if defined(_WIN32)

static int run_all(totals *parts, unsigned jobs, unsigned every)
{
    for (unsigned job = 0; job < jobs; ++job) run_job(&parts[job], job, jobs, every);
    return 0;
}

static totals *shared_totals(size_t n) { return calloc(n, sizeof(totals)); }

#else

/* A process for each job, for the choice of an instruction set is one for a process. */
static int run_all(totals *parts, unsigned jobs, unsigned every)
{
    int failed = 0, status;
    for (unsigned job = 1; job < jobs; ++job)
        if (fork() == 0) {
            run_job(&parts[job], job, jobs, every);
            _exit(0);
        }
    run_job(&parts[0], 0, jobs, every);
    for (unsigned job = 1; job < jobs; ++job) failed |= wait(&status) < 0 || status != 0;
    return failed;
}

static totals *shared_totals(size_t n)
{
    void *memory = mmap(NULL, n * sizeof(totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

#endif

/* Infinities and all NaN: the last 2^24 patterns. */
static unsigned long long check_rest(unsigned every)
{
    static float x[CHUNK], result[CHUNK];
    unsigned long long wrong = 0;
    for (int k = 0; k < isa_count; ++k) {
        bcel_select_isa(isas[k]);
        for (uint32_t sign = 0; sign < 2; ++sign)
            for (uint32_t first = infinity_bits; first < UINT32_C(1) << 31; first += CHUNK * every)
                for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f) {
                    for (uint32_t i = 0; i < CHUNK; ++i) x[i] = f32_of_bits(sign << 31 | (first + i));
                    compute((logit_function)f, BCEL_FLOAT32, x, result, CHUNK);
                    for (uint32_t i = 0; i < CHUNK; ++i)
                        if (x[i] != x[i])
                            wrong += result[i] == result[i];
                        else {
                            logit_values v = values_of_logit((double)x[i]);
                            wrong += (double)result[i] != exact_of_f32((logit_function)f, &v);
                        }
                }
    }
    return wrong;
}

/* Of this machine's processor, where the system says so. */
static const char *processor(void)
{
    static char line[200];
    FILE *file = fopen("/proc/cpuinfo", "r");
    const char *found = NULL;
    while (file && !found && fgets(line, sizeof line, file))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) found = strchr(line, ':') + 1;
    if (file) fclose(file);
    if (!found) return "of unknown name";
    line[strcspn(line, "\r\n")] = 0;
    return found + strspn(found, " ");
}

static const char *compiler(void)
{
#if defined(__clang__)
    return __VERSION__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#else
    return "of unknown name";
#endif
}

static int report(FILE *to, const totals *sum, unsigned long long wrong_rest, unsigned every)
{
    int failed = wrong_rest != 0 || sum->broken_identities != 0;
    fprintf(to, "Errors of bcelogits %s over %s float32 logits\n\n", bcel_version(),
            every == 1 ? "all 2^32" : "a part of the");
    fprintf(to, "Processor: %s\nCompiler: %s\nInstruction sets:", processor(), compiler());
    for (int k = 0; k < isa_count; ++k) fprintf(to, "%s %s", k ? "," : "", isas[k]);
    fprintf(to, "\n\n%llu finite logits, each function on each instruction set; then the infinities and every NaN.\n\n",
            sum->tested);
    fprintf(to, "Instruction set %s, against the reference:\n\n", isas[0]);
    fprintf(to, "%-14s %9s  %-17s %6s %10s %14s %10s\n", "function", "max ULP", "at", "bound", "beyond it",
            "not nearest", "descents");
    for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f) {
        const tally *t = &sum->of[0][f];
        fprintf(to, "%-14s %9.6f  %-17a %6g %10llu %14llu ", name_of_function((logit_function)f), t->error, t->at,
                bound_of(row_of_function((logit_function)f), "hard")->float32, t->over, t->not_nearest);
        if (ascends((logit_function)f))
            fprintf(to, "%10llu\n", t->descents);
        else
            fprintf(to, "%10s\n", "-");
        failed |= t->over != 0;
    }
    for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f)
        if (sum->of[0][f].descents)
            fprintf(to, "first descent of %s: at %a\n", name_of_function((logit_function)f),
                    sum->of[0][f].first_descent);
    for (int k = 1; k < isa_count; ++k) {
        unsigned long long different = 0, over = 0;
        tally all = { 0 };
        for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f) {
            different += sum->of[k][f].different;
            over += sum->of[k][f].over;
            add_tally(&all, &sum->of[k][f]);
        }
        fprintf(to, "\nInstruction set %s: %llu results differ from those of %s", isas[k], different, isas[0]);
        if (different) fprintf(to, "; max %.6f ULP at %a, %llu beyond the bound", all.error, all.at, over);
        fprintf(to, ".\n");
        failed |= over != 0 || different != 0;
    }
    fprintf(to, "\nloss(x, 1) = loss(-x, 0), gradient(x, 1) = -gradient(-x, 0), sigmoid = gradient(x, 0), softplus = loss(x, 0),\n"
                "log_sigmoid = -loss(x, 1), hessian(x) = hessian(-x), bit for bit but for the sign of a zero: broken for %llu logits.\n",
            sum->broken_identities);
    fprintf(to, "Infinities and NaN: %llu wrong results.\n", wrong_rest);
    return failed;
}

/* The instruction sets to run: those asked for, or all, that this processor has. Returns 0 if there is none. */
static int choose_isas(const char *const *wanted, int count)
{
    for (int i = 0; i < count; ++i) {
        if (bcel_select_isa(wanted[i]) != BCEL_OK) {
            fprintf(stderr, "exhaustive: %s is no instruction set of this build, or this processor cannot run it\n", wanted[i]);
            return 0;
        }
        isas[isa_count++] = wanted[i];
    }
    for (int i = 0; !count && bcel_isa_name(i) && isa_count < MOST_ISAS; ++i)
        if (bcel_isa_supported(bcel_isa_name(i)))
            isas[isa_count++] = bcel_isa_name(i);
        else
            printf("skip %s: this processor cannot run it\n", bcel_isa_name(i));
    return isa_count;
}

int main(int argc, char **argv)
{
    unsigned jobs = 1, every = 1;
    int wanted_count = 0, understood = argc % 2;
    const char *path = NULL, *wanted[MOST_ISAS];
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--jobs") == 0)
            jobs = (unsigned)atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--every") == 0)
            every = (unsigned)atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--report") == 0)
            path = argv[i + 1];
        else if (strcmp(argv[i], "--isa") == 0 && wanted_count < MOST_ISAS)
            wanted[wanted_count++] = argv[i + 1];
        else
            understood = 0;
    }
    if (!understood || jobs < 1 || jobs > MOST_JOBS || every < 1) {
        fprintf(stderr, "usage: exhaustive [--jobs N] [--report FILE] [--every N] [--isa NAME]...\n");
        return 2;
    }
    if (!choose_isas(wanted, wanted_count)) return 2;
    totals *parts = shared_totals(jobs + 1), *sum = parts ? &parts[jobs] : NULL;
    if (!sum || run_all(parts, jobs, every)) {
        fprintf(stderr, "exhaustive: a part did not run\n");
        return 2;
    }
    for (unsigned job = 0; job < jobs; ++job) {
        for (int k = 0; k < isa_count; ++k)
            for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f) add_tally(&sum->of[k][f], &parts[job].of[k][f]);
        sum->tested += parts[job].tested;
        sum->broken_identities += parts[job].broken_identities;
    }
    unsigned long long wrong_rest = check_rest(every);
    int failed = report(stdout, sum, wrong_rest, every);
    FILE *file = path ? fopen(path, "w") : NULL;
    if (path && !file) {
        fprintf(stderr, "cannot write %s\n", path);
        return 2;
    }
    if (file) {
        report(file, sum, wrong_rest, every);
        if (fclose(file)) {
            fprintf(stderr, "cannot write %s\n", path);
            return 2;
        }
        printf("\nThis report is in %s\n", path);
    }
    return failed;
}
