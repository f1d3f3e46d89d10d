#include <immintrin.h>
void __cpuidex(int registers[4], int leaf, int subleaf);
