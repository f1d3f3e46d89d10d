/* The file of the worst float64 logits found: a line for each, with its exact value, so that it can be checked without
 * MPFR. */
#ifndef WORST_FILE_H
#define WORST_FILE_H

#include "calls.h"
#include "numbers.h"

#include <stdio.h>

typedef struct {
    logit_function function;
    double x;
    exact_f64 exact;
    double error; /* of the library that was searched */
} worst_entry;

/* All entries, to be freed; the process ends if the file cannot be read. */
worst_entry *worst_file_read(const char *path, size_t *count);
void worst_file_write(FILE *file, const worst_entry *entries, size_t count);

#endif
