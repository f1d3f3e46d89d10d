#define INFINITY ((float)(1e+300 * 1e+300))
#define NAN ((float)(INFINITY * 0.0F))
double fabs(double x);
double fma(double x, double y, double z);
float fmaf(float x, float y, float z);
double ldexp(double x, int n);
double log1p(double x);
int isfinite(double x);
