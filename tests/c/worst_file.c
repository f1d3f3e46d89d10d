#include "worst_file.h"

#include <stdlib.h>

static int find_function(const char *name)
{
    for (int f = 0; f < LOGIT_FUNCTION_COUNT; ++f)
        if (strcmp(name, name_of_function((logit_function)f)) == 0) return f;
    return -1;
}

/* "function: x value rest error": numbers in hexadecimal but for the last. strtod, unlike scanf, knows them under every
 * C library. */
static int read_line(char *line, worst_entry *entry)
{
    char *colon = strchr(line, ':');
    if (!colon) return 0;
    *colon = 0;
    int function = find_function(line);
    char *at = colon + 1;
    double *numbers[4] = { &entry->x, &entry->exact.value, &entry->exact.rest, &entry->error };
    for (int i = 0; i < 4; ++i) {
        char *end;
        *numbers[i] = strtod(at, &end);
        if (end == at) return 0;
        at = end;
    }
    entry->function = (logit_function)function;
    return function >= 0;
}

worst_entry *worst_file_read(const char *path, size_t *count)
{
    FILE *file = fopen(path, "r");
    worst_entry *entries = NULL;
    char line[200];
    *count = 0;
    if (!file) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    for (int number = 1; fgets(line, sizeof line, file); ++number) {
        if (line[0] == '#') continue;
        if (*count % 256 == 0) entries = realloc(entries, (*count + 256) * sizeof *entries);
        if (!entries || !read_line(line, &entries[*count])) {
            fprintf(stderr, "%s:%d: not a line of this file\n", path, number);
            exit(2);
        }
        ++*count;
    }
    fclose(file);
    return entries;
}

void worst_file_write(FILE *file, const worst_entry *entries, size_t count)
{
    fprintf(file, "# Logits with the largest errors found in float64, written by `make -C tests/c search`.\n"
                  "# function: logit, exact value rounded, the rest in units of its last place, error in ULP\n");
    for (size_t i = 0; i < count; ++i)
        fprintf(file, "%s: %a %a %a %.4f\n", name_of_function(entries[i].function), entries[i].x,
                entries[i].exact.value, entries[i].exact.rest, entries[i].error);
}
