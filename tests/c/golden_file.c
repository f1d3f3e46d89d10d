#include "golden_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1000, NAME = 80 };

static struct { char name[NAME]; uint64_t hash; int used; } rows[ROOM];
static int count;

static void stop(const char *what, const char *path)
{
    fprintf(stderr, "%s %s\n", what, path);
    exit(2);
}

void golden_add(const char *name, uint64_t hash)
{
    if (count == ROOM || strlen(name) >= NAME) stop("no room for", name);
    strcpy(rows[count].name, name);
    rows[count].hash = hash;
    rows[count++].used = 0;
}

void golden_read(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[200];
    if (!file) stop("cannot read", path);
    while (fgets(line, sizeof line, file)) {
        char *end, *name;
        if (line[0] == '#') continue;
        uint64_t hash = strtoull(line, &end, 16);
        name = end + strspn(end, " ");
        name[strcspn(name, "\r\n")] = 0;
        if (end == line || !*name) stop("a line of golden hashes is not one:", line);
        golden_add(name, hash);
    }
    fclose(file);
}

int golden_find(const char *name, uint64_t *hash)
{
    for (int i = 0; i < count; ++i)
        if (strcmp(rows[i].name, name) == 0) {
            rows[i].used = 1;
            *hash = rows[i].hash;
            return 1;
        }
    return 0;
}

const char *golden_unused(void)
{
    for (int i = 0; i < count; ++i)
        if (!rows[i].used) return rows[i].name;
    return NULL;
}

void golden_write(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) stop("cannot write", path);
    fprintf(file, "# Hashes of results over fixed inputs, the same on every instruction set with a fused multiply-add, under every\n"
                  "# compiler and on every machine. Written by `make -C tests/c golden`; a change is announced in CHANGELOG.md.\n");
    for (int i = 0; i < count; ++i) fprintf(file, "%016" PRIx64 " %s\n", rows[i].hash, rows[i].name);
    if (fclose(file)) stop("cannot write", path);
}
