/* Multiply, then add, through a vocabulary: three roundings of which none may go missing. */
#ifndef CONTRACTION_H
#define CONTRACTION_H

typedef struct {
    const char *name;
    /* a * b + c, a * b - c and c - a * b, in results[0], [1] and [2], of as many lanes as a vector has. */
    void (*single)(const float *a, const float *b, const float *c, float *const results[3]);
    void (*wide)(const double *a, const double *b, const double *c, double *const results[3]);
} contraction;

extern const contraction contraction_scalar, contraction_sse2, contraction_avx2, contraction_avx512, contraction_neon;

#endif
