// What an embedder does in C++: the same sums and gradient, shared by threads of its own.
#include <bcelogits.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t n = 2 * BCEL_BLOCK + 1000;

template <class Bits, class T> Bits bits_of(T value)
{
    Bits bits;
    static_assert(sizeof bits == sizeof value, "as many bits");
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

void require(bcel_status status)
{
    if (status == BCEL_OK) return;
    std::fprintf(stderr, "bcelogits: %s\n", bcel_status_text(status));
    std::exit(1);
}

void merge(bcel_accumulator &total, const std::array<bcel_accumulator, 3> &parts)
{
    bcel_accumulator_init(&total);
    for (const bcel_accumulator &part : parts) bcel_accumulator_merge(&total, &part);
}

// Each block by a thread and into an accumulator of its own.
template <class F> void for_each_block(std::array<bcel_accumulator, 3> &parts, F f)
{
    std::vector<std::thread> threads;
    for (std::size_t block = 0; block < parts.size(); ++block) {
        bcel_accumulator_init(&parts[block]);
        threads.emplace_back([&parts, f, block] { require(f(&parts[block], block)); });
    }
    for (std::thread &thread : threads) thread.join();
}

} // namespace

int main()
{
    std::vector<float> x(n), y(n), grad(n);
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < n; ++i) {
        state = state * 1664525u + 1013904223u;
        x[i] = static_cast<float>(state >> 12) / 32768 - 16;
        y[i] = i % 3 == 0;
    }
    bcel_call call;
    bcel_call_init(&call);
    call.ndim = 1;
    call.shape = &n;
    call.input = {x.data(), nullptr, BCEL_FLOAT32, 0};
    call.target = {y.data(), nullptr, BCEL_FLOAT32, 0};

    bcel_accumulator total;
    std::array<bcel_accumulator, 3> parts;
    for_each_block(parts, [&call](bcel_accumulator *part, std::size_t block) {
        return bcel_reduce_blocks(part, BCEL_SUM, &call, block, block + 1);
    });
    merge(total, parts);
    double sum;
    const bcel_output of_sum = {&sum, nullptr, BCEL_FLOAT64, 0};
    require(bcel_accumulator_result(&total, BCEL_SUM, &of_sum));

    // The gradient of the mean, in two passes.
    const bcel_output of_grad = {grad.data(), nullptr, BCEL_FLOAT32, 0};
    for_each_block(parts, [&](bcel_accumulator *part, std::size_t block) {
        return bcel_count_blocks(part, BCEL_MEAN, &call, &of_grad, block, block + 1);
    });
    bcel_accumulator counted;
    merge(counted, parts);
    for_each_block(parts, [&](bcel_accumulator *part, std::size_t block) {
        return bcel_value_and_grad_blocks(part, BCEL_MEAN, 1, &counted, &call, &of_grad, block, block + 1);
    });
    merge(total, parts);
    float mean;
    const bcel_output of_mean = {&mean, nullptr, BCEL_FLOAT32, 0};
    require(bcel_accumulator_result(&total, BCEL_MEAN, &of_mean));

    std::uint64_t hash = 0xcbf29ce484222325;
    for (float g : grad) hash = (hash ^ bits_of<std::uint32_t>(g)) * 0x100000001b3;
    std::printf("mean %08lx\n", static_cast<unsigned long>(bits_of<std::uint32_t>(mean)));
    std::printf("sum %016llx\n", static_cast<unsigned long long>(bits_of<std::uint64_t>(sum)));
    std::printf("mean_grad %016llx\n", static_cast<unsigned long long>(hash));
    return 0;
}
