/* Runs a fuzz target on files, for compilers that have no libFuzzer: prints how many there were. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    static unsigned char text[1 << 16];
    for (int i = 1; i < argc; ++i) {
        FILE *file = fopen(argv[i], "rb");
        if (!file) {
            perror(argv[i]);
            return 2;
        }
        size_t size = fread(text, 1, sizeof text, file);
        fclose(file);
        /* Memory of that very size, for a sanitizer to watch over. */
        unsigned char *input = malloc(size ? size : 1);
        if (!input) return 2;
        for (size_t k = 0; k < size; ++k) input[k] = text[k];
        /* Said beforehand: a target that fails ends the program. */
        fprintf(stderr, "%s\n", argv[i]);
        LLVMFuzzerTestOneInput(input, size);
        free(input);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
