#include "scaled.h"

#include "fma.h"

#include <math.h>
#include <string.h>

/* a * 2^n, exact unless it over- or underflows, for any n. */
static double times_power(double a, int n)
{
    for (; n > 1000; n -= 1000) a *= 0x1p1000;
    for (; n < -1000; n += 1000) a *= 0x1p-1000;
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return a * power;
}

static int exponent_of(double a)
{
    uint64_t bits;
    int subnormal = fabs(a) < 0x1p-1022;
    if (subnormal) a *= 0x1p64;
    memcpy(&bits, &a, sizeof bits);
    return (int)(bits >> 52 & 0x7ff) - (subnormal ? 1023 + 64 : 1023);
}

bcel_scaled bcel_scaled_normalized(bcel_scaled a)
{
    if (!bcel_is_finite(a.value.hi) || a.value.hi == 0) {
        a.value.lo = 0;
        a.exponent = 0;
        return a;
    }
    int e = exponent_of(a.value.hi);
    a.value.hi = times_power(a.value.hi, -e);
    a.value.lo = times_power(a.value.lo, -e);
    a.exponent += e;
    return a;
}

static bcel_scaled special(double a)
{
    bcel_scaled r = { { a, 0 }, 0 };
    return r;
}

bcel_scaled bcel_scaled_of(double a)
{
    return bcel_scaled_normalized(special(a));
}

bcel_pair bcel_scaled_value(bcel_scaled a)
{
    bcel_pair r = { times_power(a.value.hi, a.exponent), 0 };
    if (bcel_is_finite(r.hi)) r.lo = times_power(a.value.lo, a.exponent);
    return r;
}

bcel_scaled bcel_scaled_minus(bcel_scaled a)
{
    a.value.hi = -a.value.hi;
    a.value.lo = -a.value.lo;
    return a;
}

bcel_scaled bcel_scaled_product(bcel_scaled a, bcel_scaled b)
{
    if (a.value.hi == 0 || b.value.hi == 0) return special(0);
    bcel_scaled r = special(a.value.hi * b.value.hi);
    if (!bcel_is_finite(r.value.hi)) return r;
    double lost = bcel_fma(a.value.hi, b.value.hi, -r.value.hi);
    r.value = bcel_two_sum(r.value.hi, lost + (a.value.hi * b.value.lo + a.value.lo * b.value.hi));
    r.exponent = a.exponent + b.exponent;
    return bcel_scaled_normalized(r);
}

bcel_scaled bcel_scaled_sum(bcel_scaled a, bcel_scaled b)
{
    if (a.value.hi == 0) return b;
    if (b.value.hi == 0) return a;
    if (!bcel_is_finite(a.value.hi) || !bcel_is_finite(b.value.hi)) return special(a.value.hi + b.value.hi);
    if (a.exponent < b.exponent) {
        bcel_scaled larger = b;
        b = a;
        a = larger;
    }
    int down = a.exponent - b.exponent;
    if (down > 200) return a;
    bcel_pair shifted = { times_power(b.value.hi, -down), times_power(b.value.lo, -down) };
    a.value = bcel_pair_add(a.value, shifted);
    return bcel_scaled_normalized(a);
}

/* Two steps of long division. */
bcel_scaled bcel_scaled_quotient(bcel_scaled a, bcel_scaled b)
{
    a = bcel_scaled_normalized(a);
    b = bcel_scaled_normalized(b);
    bcel_scaled r = special(a.value.hi / b.value.hi);
    if (!bcel_is_finite(r.value.hi) || r.value.hi == 0) return r;
    double remainder = bcel_fma(-r.value.hi, b.value.hi, a.value.hi);
    r.value = bcel_two_sum(r.value.hi, (remainder + (a.value.lo - r.value.hi * b.value.lo)) / b.value.hi);
    r.exponent = a.exponent - b.exponent;
    return bcel_scaled_normalized(r);
}
