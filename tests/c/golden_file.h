/* The committed hashes: a name and a hash on each line. */
#ifndef GOLDEN_FILE_H
#define GOLDEN_FILE_H

#include <stdint.h>

/* The process ends if the file cannot be read. */
void golden_read(const char *path);
/* The hash of a name, which counts as used from then on; 0 if there is none. */
int golden_find(const char *name, uint64_t *hash);
/* A name that was never asked for, or NULL. */
const char *golden_unused(void);

void golden_add(const char *name, uint64_t hash);
void golden_write(const char *path);

#endif
