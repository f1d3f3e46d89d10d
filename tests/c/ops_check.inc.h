/* How the operations of one precision are checked. Before it is included: PRECISION, real, real_bits, LANES, BITS (of
 * a mantissa), LOWEST and HIGHEST (exponents), FACTOR and COFACTOR (whose product is one more than a power of two, of
 * as many bits as two mantissas hold), OPERATIONS, SPECIFICATION_HASH and specials_PRECISION. */

/* A number with few bits in its mantissa every other time: sums and products of such are often halfway between two
 * others. */
static real N(sparse)(random_state *r, int low, int high)
{
    uint64_t shape = random_bits(r);
    uint64_t mantissa = UINT64_C(1) << (BITS - 1) | random_bits(r) >> (65 - BITS);
    int dropped = shape & 1 ? (int)((shape >> 8) % BITS) : 0;
    mantissa = mantissa >> dropped << dropped;
    if (shape & 2) mantissa |= 1;
    int exponent = low + (int)((shape >> 16) % (uint64_t)(high - low + 1)) - (BITS - 1);
    return (real)ldexp((double)mantissa * (shape & 4 ? -1 : 1), exponent);
}

/* a * b + c that is hard to round: the terms cancel but for a few last places, or one is about half a last place of
 * the other; in the middle and at both ends of the range. */
static void N(hard_triple)(random_state *r, real *a, real *b, real *c)
{
    uint64_t kind = random_bits(r);
    int target = 0, spread = 8, shift = 0;
    switch (kind & 7) {
    case 0: target = LOWEST - 2 + (int)((kind >> 8) % (3 * BITS)); break;
    case 1: target = HIGHEST - (int)((kind >> 8) % 4); break;
    case 2: target = LOWEST + (int)((kind >> 8) % (uint64_t)(HIGHEST - LOWEST)); break;
    case 3: spread = HIGHEST; break;
    default: break;
    }
    /* Equal factors, or one as far from 1 as the other allows. */
    if (kind >> 16 & 1) shift = (int)((kind >> 17) % (HIGHEST / 2)) - HIGHEST / 4;
    *a = N(sparse)(r, target / 2 + shift - spread, target / 2 + shift + spread);
    *b = N(sparse)(r, target - target / 2 - shift - spread, target - target / 2 - shift + spread);
    double sign = kind >> 31 & 1 ? -1 : 1;
    if ((kind >> 24 & 3) == 0) { /* (1 + u) (1 - u), just below a power of two */
        double u = ldexp(1, -1 - (int)((kind >> 26) % (BITS - 1)));
        *a = (real)ldexp(1 + u, target / 2 + shift);
        *b = (real)ldexp(sign * (1 - u), target - target / 2 - shift);
    } else if ((kind >> 24 & 3) == 1) { /* just above one */
        *a = (real)ldexp(FACTOR, target / 2 + shift - BITS);
        *b = (real)ldexp(sign * COFACTOR, target - target / 2 - shift - BITS);
    }
    real product = *a * *b;
    if (!(product - product == 0)) product = 0; /* the sign of a NaN depends on the machine */
    int exponent = LOWEST;
    if (product != 0) frexp((double)product, &exponent);
    switch (kind >> 32 & 3) {
    case 0: *c = -product + (real)ldexp((double)((int)(kind >> 40 & 7) - 4), exponent - BITS); break;
    case 1: *c = N(sparse)(r, exponent - 2 * BITS - 2, exponent - BITS + 2); break;
    case 2: *c = N(sparse)(r, exponent - 1, exponent + BITS + 3); break;
    default: *c = N(sparse)(r, exponent - 4, exponent + 4); break;
    }
}

static real N(special)(size_t i)
{
    size_t last = sizeof(real) * 8 - 1;
    return V(of_bits)((real_bits)(N(specials)[i / 2] | (real_bits)(i & 1) << last));
}

static int N(agree)(real a, real b, result how)
{
    if (how == RESULT_NUMBER && a == 0 && b == 0) return 1;
    return how == RESULT_BITS ? N(bits_of)(a) == N(bits_of)(b) : N(same)(a, b);
}

/* Every operation on one triple of vectors. Where there is a hash the results of the specification go into it. */
static void N(compare)(const vocabulary *with, random_state *r, const vector v[3], hash_state *hash)
{
    vector numbers[3], exponents[3], expected, found;
    memcpy(numbers, v, sizeof numbers);
    memcpy(exponents, v, sizeof exponents);
    for (int i = 0; i < LANES; ++i) {
        for (int k = 0; k < 3; ++k)
            if (numbers[k].PRECISION[i] != numbers[k].PRECISION[i]) numbers[k].PRECISION[i] = 1;
        real middle = (real)ldexp(1.5, BITS - 1);
        exponents[0].PRECISION[i] = middle + (real)((int)random_below(r, 2 * HIGHEST) - HIGHEST + 1);
    }
    for (int o = 0; o < OPERATIONS; ++o) {
        const description *d = &descriptions[o];
        const vector *from = d->operands == OPERANDS_ANY ? v : d->operands == OPERANDS_NUMBERS ? numbers : exponents;
        run(ops_scalar.PRECISION[o], from, sizeof(real), &expected);
        run(with->PRECISION[o], from, sizeof(real), &found);
        if (d->result == RESULT_DOUBLES) {
            if (hash) hash_f64(hash, expected.f64, 8);
            for (int i = 0; i < 8; ++i)
                if (!same_f64(found.f64[i], expected.f64[i]))
                    test_fail("%s, lane %d: %a, not %a", d->name, i, found.f64[i], expected.f64[i]);
            continue;
        }
        if (hash && d->result != RESULT_NUMBER) N(hash)(hash, expected.PRECISION, LANES);
        for (int i = 0; i < LANES; ++i)
            if (!N(agree)(found.PRECISION[i], expected.PRECISION[i], d->result))
                test_fail("%s(%a, %a, %a), lane %d: %a, not %a", d->name, (double)from[0].PRECISION[i],
                          (double)from[1].PRECISION[i], (double)from[2].PRECISION[i], i,
                          (double)found.PRECISION[i], (double)expected.PRECISION[i]);
    }
}

static void N(check_specials)(void)
{
    const vocabulary *with = active_vocabulary();
    const size_t count = 2 * COUNT(N(specials)), triples = count * count * count;
    size_t step = triples / sampled(triples);
    random_state r = { 1 };
    vector v[3];
    for (size_t n = 0; n < triples; n += LANES * step) {
        for (size_t i = 0; i < LANES; ++i) {
            size_t t = (n + i * step) % triples;
            v[0].PRECISION[i] = N(special)(t % count);
            v[1].PRECISION[i] = N(special)(t / count % count);
            v[2].PRECISION[i] = N(special)(t / count / count);
        }
        N(compare)(with, &r, v, NULL);
    }
    test_note("%zu triples", triples / step);
}

static void N(random_vectors)(random_state *r, vector v[3])
{
    for (int k = 0; k < 3; ++k)
        for (int i = 0; i < LANES; ++i) v[k].PRECISION[i] = V(of_bits)((real_bits)random_bits(r));
}

static void N(hard_vectors)(random_state *r, vector v[3])
{
    for (int i = 0; i < LANES; ++i)
        N(hard_triple)(r, &v[0].PRECISION[i], &v[1].PRECISION[i], &v[2].PRECISION[i]);
}

static void N(check_random)(void)
{
    const vocabulary *with = active_vocabulary();
    size_t rounds = sampled(rounds_wanted());
    random_state r = { 2 };
    vector v[3];
    for (size_t n = 0; n < rounds; ++n) {
        N(random_vectors)(&r, v);
        N(compare)(with, &r, v, NULL);
        N(hard_vectors)(&r, v);
        N(compare)(with, &r, v, NULL);
    }
    test_note("%zu triples", 2 * LANES * rounds);
}

/* The same number of triples whatever SAMPLE is: the hash depends on it. */
static void N(check_specification)(void)
{
    random_state r = { 3 };
    hash_state hash;
    vector v[3];
    hash_init(&hash);
    for (int n = 0; n < SPECIFICATION_ROUNDS; ++n) {
        N(random_vectors)(&r, v);
        N(compare)(&ops_scalar, &r, v, &hash);
        N(hard_vectors)(&r, v);
        N(compare)(&ops_scalar, &r, v, &hash);
    }
    if (hash.value != SPECIFICATION_HASH)
        test_fail("%016" PRIx64 ", not %016" PRIx64, hash.value, SPECIFICATION_HASH);
}
