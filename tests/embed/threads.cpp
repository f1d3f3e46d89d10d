// Threads that call the library at the same time, for ThreadSanitizer to watch. Compares each result with that of one
// thread alone, which is computed last: the first call of the process, that chooses the instruction set, is theirs.
//
//   threads         each calls everything, beginning with something else
//   threads FIRST   each calls this function of the list below, and nothing before it
#include <bcelogits.h>

#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t threads = 8, columns = 3, rows = (2 * BCEL_BLOCK + 1000) / columns, n = rows * columns;

void require(bool holds, const char *what)
{
    if (holds) return;
    std::fprintf(stderr, "threads: %s\n", what);
    std::exit(1);
}

void require(bcel_status status)
{
    require(status == BCEL_OK, bcel_status_text(status));
}

// Operands that all threads read: one weight for each element, one pos_weight for each column.
struct Problem {
    std::vector<float> x, y, weight;
    std::vector<double> pos_weight;
    const std::size_t shape[2];
    const std::ptrdiff_t by_column[2];
    bcel_call call;

    Problem()
        : x(n), y(n), weight(n), pos_weight(columns), shape{rows, columns},
          by_column{0, static_cast<std::ptrdiff_t>(sizeof(double))}
    {
        std::uint32_t state = 1;
        for (std::size_t i = 0; i < n; ++i) {
            state = state * 1664525u + 1013904223u;
            x[i] = static_cast<float>(state >> 12) / 32768 - 16;
            y[i] = static_cast<float>(i % 3) / 2;
            weight[i] = static_cast<float>(1 + i % 7) / 4;
        }
        for (std::size_t i = 0; i < columns; ++i) pos_weight[i] = 0.5 + static_cast<double>(i);
        bcel_call_init(&call);
        call.ndim = 2;
        call.shape = shape;
        call.input = {x.data(), nullptr, BCEL_FLOAT32, 0};
        call.target = {y.data(), nullptr, BCEL_FLOAT32, 0};
        call.weight = {weight.data(), nullptr, BCEL_FLOAT32, 0};
        call.pos_weight = {pos_weight.data(), by_column, BCEL_FLOAT64, 0};
        call.label_smoothing = 0.125;
    }
};

// What a thread computed, number by number.
class Results {
public:
    void add(double value)
    {
        values.push_back(value);
    }
    void add(const std::vector<float> &array)
    {
        for (float value : array) add(static_cast<double>(value));
    }
    void add(const bcel_accumulator &sums)
    {
        for (bcel_reduction reduction : {BCEL_SUM, BCEL_MEAN, BCEL_WEIGHTED_MEAN}) {
            double value;
            const bcel_output output = {&value, nullptr, BCEL_FLOAT64, 0};
            require(bcel_accumulator_result(&sums, reduction, &output));
            add(value);
        }
        for (const bcel_exact *sum : {&sums.loss, &sums.weight, &sums.positive}) {
            double value;
            const bcel_output output = {&value, nullptr, BCEL_FLOAT64, 0};
            require(bcel_exact_result(sum, &output));
            add(value);
        }
    }
    bool operator==(const Results &other) const
    {
        return values.size() == other.values.size()
               && std::memcmp(values.data(), other.values.data(), values.size() * sizeof(double)) == 0;
    }

private:
    std::vector<double> values;
};

bcel_output output_of(std::vector<float> &array)
{
    return {array.data(), nullptr, BCEL_FLOAT32, 0};
}

const bcel_function functions[] = {BCEL_LOSS,          BCEL_GRAD,    BCEL_GRAD_TARGET, BCEL_GRAD_WEIGHT,
                                   BCEL_GRAD_POS_WEIGHT, BCEL_SIGMOID, BCEL_LOG_SIGMOID, BCEL_SOFTPLUS};
const bcel_function summed[] = {BCEL_GRAD_WEIGHT, BCEL_GRAD_POS_WEIGHT};
const bcel_reduction reductions[] = {BCEL_SUM, BCEL_MEAN, BCEL_WEIGHTED_MEAN};

void isa(const Problem &, Results &results)
{
    const std::string active = bcel_active_isa();
    for (int i = 0; bcel_isa_name(i); ++i) {
        results.add(active == bcel_isa_name(i));
        results.add(bcel_isa_supported(bcel_isa_name(i)));
    }
}

// Not promised, but the tests in Python do it; and what is chosen is what there is.
void select(const Problem &, Results &results)
{
    results.add(bcel_select_isa(bcel_active_isa()));
}

void map(const Problem &problem, Results &results)
{
    std::vector<float> first(n), second(n);
    const bcel_output outputs[2] = {output_of(first), output_of(second)};
    for (bcel_function function : functions) {
        require(bcel_map(function, &problem.call, outputs));
        results.add(first);
    }
    for (bcel_function function : {BCEL_LOSS_AND_GRAD, BCEL_GRAD_AND_HESS}) {
        require(bcel_map(function, &problem.call, outputs));
        results.add(first);
        results.add(second);
    }
}

void map_blocks(const Problem &problem, Results &results)
{
    std::vector<float> loss(n), grad(n);
    const bcel_output outputs[2] = {output_of(loss), output_of(grad)};
    for (std::size_t block = 3; block-- > 0;)
        require(bcel_map_blocks(BCEL_LOSS_AND_GRAD, &problem.call, outputs, block, block + 1));
    results.add(loss);
    results.add(grad);
}

void reduce(const Problem &problem, Results &results)
{
    for (bcel_reduction reduction : reductions)
        for (int kept : {0, 1}) {
            std::vector<float> values(kept ? rows : 1);
            const bcel_output output = output_of(values);
            require(bcel_reduce(reduction, kept, &problem.call, &output));
            results.add(values);
        }
}

void value_and_grad(const Problem &problem, Results &results)
{
    for (bcel_reduction reduction : reductions) {
        std::vector<float> value(1), grad(n);
        const bcel_output of_value = output_of(value), of_grad = output_of(grad);
        require(bcel_value_and_grad(reduction, 0.5, &problem.call, &of_value, &of_grad));
        results.add(value);
        results.add(grad);
    }
}

void reduce_grad(const Problem &problem, Results &results)
{
    for (bcel_function function : summed) {
        std::vector<float> grad(rows);
        const bcel_output output = output_of(grad);
        require(bcel_reduce_grad(function, BCEL_WEIGHTED_MEAN, 0.5, 1, &problem.call, &output));
        results.add(grad);
    }
}

void sum_grad(const Problem &problem, Results &results)
{
    for (bcel_function function : summed) {
        std::vector<float> grad(1);
        const bcel_output output = output_of(grad);
        require(bcel_sum_grad(function, 0, &problem.call, &output));
        results.add(grad);
    }
}

void accumulate(const Problem &problem, Results &results)
{
    bcel_accumulator total, part;
    bcel_accumulator_init(&total);
    for (std::size_t block = 3; block-- > 0;) {
        bcel_accumulator_init(&part);
        require(bcel_accumulate(&part, &problem.call, block, block + 1));
        bcel_accumulator_merge(&total, &part);
    }
    results.add(total);
}

void accumulate_each(const Problem &problem, Results &results)
{
    const std::size_t some = 5;
    std::vector<bcel_accumulator> sums(some);
    for (bcel_accumulator &sum : sums) bcel_accumulator_init(&sum);
    bcel_call call = problem.call;
    const std::size_t shape[2] = {some, columns};
    call.shape = shape;
    require(bcel_accumulate_each(sums.data(), 1, &call));
    for (const bcel_accumulator &sum : sums) results.add(sum);
}

void reduce_blocks(const Problem &problem, Results &results)
{
    bcel_accumulator sums;
    bcel_accumulator_init(&sums);
    require(bcel_reduce_blocks(&sums, BCEL_WEIGHTED_MEAN, &problem.call, 0, SIZE_MAX));
    results.add(sums);
}

void value_and_grad_blocks(const Problem &problem, Results &results)
{
    std::vector<float> grad(n);
    const bcel_output output = output_of(grad);
    bcel_accumulator counted, sums;
    bcel_accumulator_init(&counted);
    bcel_accumulator_init(&sums);
    require(bcel_count_blocks(&counted, BCEL_WEIGHTED_MEAN, &problem.call, &output, 0, SIZE_MAX));
    require(bcel_value_and_grad_blocks(&sums, BCEL_WEIGHTED_MEAN, 1, &counted, &problem.call, &output, 0, SIZE_MAX));
    results.add(sums);
    results.add(grad);
}

void look(const Problem &problem, Results &results)
{
    require(bcel_find_bad_target(&problem.call) == SIZE_MAX, "a bad target");
    require(bcel_find_negative(2, problem.shape, &problem.call.weight) == SIZE_MAX, "a negative weight");
    results.add(bcel_version_number());
}

struct Kind {
    const char *name;
    void (*call)(const Problem &, Results &);
};

const Kind kinds[] = {
    {"isa", isa},
    {"select", select},
    {"map", map},
    {"map_blocks", map_blocks},
    {"reduce", reduce},
    {"value_and_grad", value_and_grad},
    {"reduce_grad", reduce_grad},
    {"sum_grad", sum_grad},
    {"accumulate", accumulate},
    {"accumulate_each", accumulate_each},
    {"reduce_blocks", reduce_blocks},
    {"value_and_grad_blocks", value_and_grad_blocks},
    {"look", look},
};
constexpr std::size_t all = sizeof kinds / sizeof kinds[0];

// Lets none go on until all are there.
class Barrier {
public:
    void wait()
    {
        std::unique_lock<std::mutex> lock(mutex);
        if (++waiting == threads) go.notify_all();
        go.wait(lock, [this] { return waiting == threads; });
    }

private:
    std::mutex mutex;
    std::condition_variable go;
    std::size_t waiting = 0;
};

// Calls f(i) in each thread, at the same time.
template <class F> void together(F f)
{
    Barrier barrier;
    std::vector<std::thread> started;
    for (std::size_t i = 0; i < threads; ++i)
        started.emplace_back([&barrier, f, i] {
            barrier.wait();
            f(i);
        });
    for (std::thread &thread : started) thread.join();
}

void call_at_once(const Problem &problem, std::size_t first, std::size_t count, std::size_t step)
{
    std::vector<std::vector<Results>> found(threads, std::vector<Results>(all));
    together([&](std::size_t i) {
        for (std::size_t k = 0; k < count; ++k) {
            const std::size_t kind = (first + i * step + k) % all;
            kinds[kind].call(problem, found[i][kind]);
        }
    });
    for (std::size_t kind = first; kind < first + count; ++kind) {
        Results alone;
        kinds[kind % all].call(problem, alone);
        for (const std::vector<Results> &own : found) require(own[kind % all] == alone, kinds[kind % all].name);
    }
}

// Sums that nobody adds to: all threads read them and merge them into their own.
void read_at_once(const Problem &problem)
{
    bcel_accumulator shared;
    bcel_accumulator_init(&shared);
    require(bcel_accumulate(&shared, &problem.call, 0, SIZE_MAX));
    const bcel_accumulator &sums = shared;
    std::vector<Results> found(threads);
    together([&](std::size_t i) {
        bcel_accumulator own;
        bcel_accumulator_init(&own);
        bcel_accumulator_merge(&own, &sums);
        found[i].add(sums);
        found[i].add(own);
    });
    Results alone;
    alone.add(sums);
    alone.add(sums);
    for (const Results &own : found) require(own == alone, "sums that all read");
}

} // namespace

int main(int argc, char **argv)
{
    const Problem problem;
    if (argc == 1) {
        call_at_once(problem, 0, all, 1);
        read_at_once(problem);
        for (const Kind &kind : kinds) std::puts(kind.name);
        return 0;
    }
    for (std::size_t kind = 0; kind < all; ++kind)
        if (std::strcmp(kinds[kind].name, argv[1]) == 0) {
            call_at_once(problem, kind, 1, 0);
            return 0;
        }
    require(false, "no such function");
}
