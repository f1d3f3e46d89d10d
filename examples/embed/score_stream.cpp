// Scores a stream of pairs of a logit and a label from standard input, with threads, in constant memory.
//
//     score_stream_threads [--f32 | --f64] [--threads N] [--every N] < pairs
//
// As score_stream.c, but the pairs are binary (doubles unless --f32), and N threads take batches by turns: they share the
// stream and the total, each under a mutex. Sums merge exactly, so that the last line's loss has the same bits whatever
// thread took which batch; those before it depend on what had been scored when they were printed.
#include <bcelogits.h>

#include "latency.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t batch = 4 * BCEL_BLOCK;

struct Options {
    bool single = false;
    unsigned threads = std::max(1u, std::thread::hardware_concurrency());
    std::uint64_t every = 1000000;
};

// What the threads share.
struct Shared {
    std::mutex reading, merging;
    std::uint64_t read = 0, printed = 0;
    bcel_accumulator total;
    latency times{};
    std::string error;
};

template <class T> constexpr bcel_dtype dtype_of() { return sizeof(T) == 4 ? BCEL_FLOAT32 : BCEL_FLOAT64; }

template <class T> void print_loss(const bcel_accumulator &total)
{
    T mean = 0;
    const bcel_output output = {&mean, nullptr, dtype_of<T>(), 0};
    bcel_accumulator_result(&total, BCEL_MEAN, &output);
    std::printf("%llu pairs", static_cast<unsigned long long>(total.count));
    if (total.count) std::printf(": loss %.*g", sizeof(T) == 4 ? 9 : 17, static_cast<double>(mean));
    std::printf("\n");
}

// The next batch of the stream and the number of pairs before it; an empty one at the end.
template <class T> std::uint64_t read_batch(Shared &shared, std::vector<T> &pairs)
{
    const std::lock_guard<std::mutex> lock(shared.reading);
    pairs.resize(2 * batch); // within its capacity
    const std::uint64_t before = shared.read;
    const std::size_t pair = 2 * sizeof(T), bytes = std::fread(pairs.data(), 1, batch * pair, stdin);
    shared.read += bytes / pair;
    if (std::ferror(stdin) || bytes % pair)
        throw std::runtime_error("pair " + std::to_string(shared.read + 1) + ": "
                                 + (bytes % pair ? "the stream ends in the middle of it" : "it cannot be read"));
    pairs.resize(bytes / sizeof(T));
    return before;
}

template <class T> void score(const Options &options, Shared &shared)
{
    std::vector<T> pairs(2 * batch);
    const std::ptrdiff_t stride = 2 * sizeof(T);
    std::size_t n;
    bcel_call call;
    bcel_call_init(&call);
    call.ndim = 1;
    call.shape = &n;
    call.input = {pairs.data(), &stride, dtype_of<T>(), 0};
    call.target = {pairs.data() + 1, &stride, dtype_of<T>(), 0};
    for (;;) {
        const std::uint64_t before = read_batch(shared, pairs);
        if ((n = pairs.size() / 2) == 0) return;
        bcel_accumulator part;
        bcel_accumulator_init(&part);
        const auto start = std::chrono::steady_clock::now();
        const bcel_status status = bcel_accumulate(&part, &call, 0, SIZE_MAX);
        const std::chrono::nanoseconds time = std::chrono::steady_clock::now() - start;
        if (status != BCEL_OK)
            throw std::runtime_error("pair " + std::to_string(before + bcel_find_bad_target(&call) + 1) + ": "
                                     + bcel_status_text(status));

        const std::lock_guard<std::mutex> lock(shared.merging);
        latency_add(&shared.times, static_cast<std::uint64_t>(time.count()));
        bcel_accumulator_merge(&shared.total, &part);
        if (shared.total.count / options.every > shared.printed / options.every) {
            print_loss<T>(shared.total);
            shared.printed = shared.total.count;
        }
    }
}

// In a thread of its own: an exception ends the work of this thread and is told by main().
template <class T> void try_to_score(const Options &options, Shared &shared)
{
    try {
        score<T>(options, shared);
    } catch (const std::exception &e) {
        const std::lock_guard<std::mutex> lock(shared.merging);
        if (shared.error.empty()) shared.error = e.what();
    }
}

template <class T> int run(const Options &options)
{
    Shared shared;
    bcel_accumulator_init(&shared.total);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < options.threads; ++i)
        threads.emplace_back(try_to_score<T>, std::cref(options), std::ref(shared));
    for (std::thread &thread : threads) thread.join();
    if (!shared.error.empty()) {
        std::fprintf(stderr, "score_stream_threads: %s\n", shared.error.c_str());
        return 1;
    }
    if (shared.total.count == 0 || shared.printed < shared.total.count) print_loss<T>(shared.total);
    latency_print(&shared.times, batch);
    return 0;
}

Options parse(char **argv)
{
    Options options;
    const auto usage = [] {
        std::fprintf(stderr, "usage: score_stream_threads [--f32 | --f64] [--threads 1..256] [--every N] < pairs\n");
        std::exit(2);
    };
    while (*++argv) {
        const std::string name = *argv;
        if (name == "--f32" || name == "--f64") {
            options.single = name == "--f32";
            continue;
        }
        if (!argv[1]) usage();
        char *end;
        const long long value = std::strtoll(*++argv, &end, 10);
        if (*end || value < 1 || (name == "--threads" && value > 256)) usage();
        if (name == "--threads") options.threads = static_cast<unsigned>(value);
        else if (name == "--every") options.every = static_cast<std::uint64_t>(value);
        else usage();
    }
    return options;
}

} // namespace

int main(int, char **argv)
{
    const Options options = parse(argv);
    return options.single ? run<float>(options) : run<double>(options);
}
