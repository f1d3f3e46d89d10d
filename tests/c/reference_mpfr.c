#include "reference.h"

#ifdef HAVE_MPFR

#include "reference_mpfr.h"

#include <stdlib.h>

exact_f64 exact_from_mpfr(mpfr_t value)
{
    static mpfr_t rest;
    if (!rest[0]._mpfr_d) mpfr_init2(rest, EXACT_BITS);
    exact_f64 r = { mpfr_get_d(value, MPFR_RNDN), 0 };
    if (!mpfr_number_p(value) || isinf(r.value)) return r;
    /* The conversion rounds to a subnormal number where it must: the rest is relative to what remains. */
    mpfr_sub_d(rest, value, r.value, MPFR_RNDN);
    int e;
    (void)frexp(r.value, &e);
    if (r.value == 0 || e - 1 < -1022) e = -1021;
    mpfr_mul_2si(rest, rest, 53 - e, MPFR_RNDN);
    r.rest = mpfr_get_d(rest, MPFR_RNDN);
    return r;
}

void mpfr_logit_init(mpfr_logit *l)
{
    mpfr_inits2(EXACT_BITS, l->softplus, l->softplus_minus, l->sigmoid, l->sigmoid_minus, l->hessian, (mpfr_ptr)0);
}

void mpfr_logit_clear(mpfr_logit *l)
{
    mpfr_clears(l->softplus, l->softplus_minus, l->sigmoid, l->sigmoid_minus, l->hessian, (mpfr_ptr)0);
}

void mpfr_logit_set(mpfr_logit *l, double x)
{
    static mpfr_t e, d, t;
    if (!e[0]._mpfr_d) mpfr_inits2(EXACT_BITS, e, d, t, (mpfr_ptr)0);
    mpfr_set_d(t, -fabs(x), MPFR_RNDN);
    mpfr_exp(e, t, MPFR_RNDN);
    mpfr_add_ui(d, e, 1, MPFR_RNDN);
    mpfr_ptr log1p_e = x > 0 ? l->softplus_minus : l->softplus, other = x > 0 ? l->softplus : l->softplus_minus;
    mpfr_log1p(log1p_e, e, MPFR_RNDN);
    mpfr_add_d(other, log1p_e, fabs(x), MPFR_RNDN);
    mpfr_ptr large = x > 0 ? l->sigmoid : l->sigmoid_minus, small = x > 0 ? l->sigmoid_minus : l->sigmoid;
    mpfr_ui_div(large, 1, d, MPFR_RNDN);
    mpfr_div(small, e, d, MPFR_RNDN);
    mpfr_div(l->hessian, small, d, MPFR_RNDN);
}

exact_f64 exact_of_f64(logit_function function, double x)
{
    static mpfr_logit l;
    static int ready;
    exact_f64 r = { (double)NAN, 0 };
    if (!ready) mpfr_logit_init(&l);
    ready = 1;
    mpfr_logit_set(&l, x);
    switch (function) {
    case LOSS_0:
    case SOFTPLUS: return exact_from_mpfr(l.softplus);
    case LOSS_1: return exact_from_mpfr(l.softplus_minus);
    case GRADIENT_0:
    case SIGMOID: return exact_from_mpfr(l.sigmoid);
    case GRADIENT_1: r = exact_from_mpfr(l.sigmoid_minus); break;
    case HESSIAN: return exact_from_mpfr(l.hessian);
    case LOG_SIGMOID: r = exact_from_mpfr(l.softplus_minus); break;
    case LOGIT_FUNCTION_COUNT: return r;
    }
    r.value = -r.value;
    r.rest = -r.rest;
    return r;
}

#else
typedef int reference_needs_mpfr; /* ISO C forbids an empty translation unit. */
#endif
