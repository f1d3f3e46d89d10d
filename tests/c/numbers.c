#include "numbers.h"

static int exponent_of(double a)
{
    int e;
    (void)frexp(a, &e);
    return e - 1;
}

double ulp_of_f32(double a)
{
    int e = a == 0 ? -126 : exponent_of(a);
    return ldexp(1.0, (e < -126 ? -126 : e) - 23);
}

double ulp_of_f64(double a)
{
    int e = a == 0 ? -1022 : exponent_of(a);
    return ldexp(1.0, (e < -1022 ? -1022 : e) - 52);
}

/* What is beyond the largest number counts as the power of two there: an infinity is then the right answer, and as
 * wrong as it is far for anything less. */
static double clamp(double a, double limit)
{
    return fabs(a) > limit ? copysign(limit, a) : a;
}

double ulp_error_at_f32(float computed, double exact, double scale)
{
    const double limit = 0x1p128;
    double error = fabs(clamp((double)computed, limit) - clamp(exact, limit));
    return error / ulp_of_f32(clamp(scale, 0x1.fffffep127));
}

double ulp_error_f32(float computed, double exact)
{
    return ulp_error_at_f32(computed, exact, exact);
}

double ulp_error_at_f64(double computed, exact_f64 exact, double scale)
{
    /* Both infinite: right. One alone counts as 2^1024, by halves. */
    const double limit = 0x1p1023, largest = 0x1.fffffffffffffp1023;
    double unit = ulp_of_f64(clamp(exact.value, largest)), last = ulp_of_f64(clamp(scale, largest));
    if (isinf(computed) && isinf(exact.value)) return computed == exact.value ? 0 : computed;
    if (isinf(computed) || isinf(exact.value))
        return 2 * fabs(clamp(computed / 2, limit) - clamp(exact.value / 2, limit)) / last;
    /* Near each other the difference is exact. */
    double error = fabs((computed - exact.value) / unit - exact.rest);
    return error * (unit / last);
}

double ulp_error_f64(double computed, exact_f64 exact)
{
    double error = ulp_error_at_f64(computed, exact, exact.value);
    /* Just below a power of two the last place is half as large. */
    int e;
    double mantissa = frexp(fabs(exact.value), &e);
    int below = exact.rest != 0 && (exact.rest < 0) == (exact.value > 0);
    return mantissa == 0.5 && below && e - 1 > -1022 ? 2 * error : error;
}

double random_wide(random_state *r, int low, int high)
{
    uint64_t bits = random_bits(r);
    double mantissa = 1.0 + (double)(bits >> 12) * 0x1p-52;
    int exponent = low + (int)random_below(r, (size_t)(high - low + 1));
    return ldexp(bits & 1 ? -mantissa : mantissa, exponent);
}

double random_normal(random_state *r)
{
    double sum = 0;
    for (int i = 0; i < 12; ++i) sum += random_unit(r);
    return sum - 6;
}
