/* Percentiles of call times in constant memory: a histogram with 16 buckets for each power of two of nanoseconds, so that a
 * percentile is at most a sixteenth too high. For C and C++. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>
#include <stdio.h>

enum { LATENCY_BUCKETS = 61 * 16 };

typedef struct latency {
    uint64_t buckets[LATENCY_BUCKETS];
    uint64_t calls;
} latency;

static inline void latency_add(latency *l, uint64_t ns)
{
    unsigned shift = 0; /* of ns, so that five bits are left */
    while (ns >> shift > 31) ++shift;
    l->buckets[shift * 16 + (unsigned)(ns >> shift)]++;
    l->calls++;
}

static inline void latency_merge(latency *l, const latency *other)
{
    for (int i = 0; i < LATENCY_BUCKETS; ++i) l->buckets[i] += other->buckets[i];
    l->calls += other->calls;
}

/* The end of the bucket that holds the call at `fraction` of all. */
static inline uint64_t latency_percentile(const latency *l, double fraction)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; ++i) {
        seen += l->buckets[i];
        if (seen > 0 && (double)seen >= fraction * (double)l->calls) {
            unsigned shift = i < 32 ? 0 : i / 16 - 1;
            return (uint64_t)(i - shift * 16) << shift;
        }
    }
    return 0;
}

static inline void latency_print(const latency *l, unsigned long pairs_per_call)
{
    printf("%llu calls of up to %lu pairs: p50 %llu ns, p90 %llu ns, p99 %llu ns, p99.9 %llu ns\n",
           (unsigned long long)l->calls, pairs_per_call, (unsigned long long)latency_percentile(l, 0.5),
           (unsigned long long)latency_percentile(l, 0.9), (unsigned long long)latency_percentile(l, 0.99),
           (unsigned long long)latency_percentile(l, 0.999));
}

#endif
