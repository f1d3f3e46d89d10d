#include "reference.h"

logit_values values_of_logit(double x)
{
    logit_values v;
    double e = exp(-fabs(x)), log1p_e = log1p(e), d = 1 + e;
    v.softplus = x > 0 ? x + log1p_e : log1p_e;
    v.softplus_minus = x > 0 ? log1p_e : log1p_e - x;
    v.sigmoid = x > 0 ? 1 / d : e / d;
    v.sigmoid_minus = x > 0 ? e / d : 1 / d;
    v.hessian = e / (d * d);
    if (x != x) v.softplus = v.softplus_minus = v.sigmoid = v.sigmoid_minus = v.hessian = x;
    return v;
}

double exact_of_f32(logit_function function, const logit_values *v)
{
    switch (function) {
    case LOSS_0:
    case SOFTPLUS: return v->softplus;
    case LOSS_1: return v->softplus_minus;
    case GRADIENT_0:
    case SIGMOID: return v->sigmoid;
    case GRADIENT_1: return -v->sigmoid_minus;
    case HESSIAN: return v->hessian;
    case LOG_SIGMOID: return -v->softplus_minus;
    case LOGIT_FUNCTION_COUNT: break;
    }
    return (double)NAN;
}
