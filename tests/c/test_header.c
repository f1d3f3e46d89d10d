/* bcelogits.h is the first line of a C99 program and of a C++11 program (header_cpp.cpp), without a warning. */
#include "bcelogits.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

const char *version_from_cpp(void);
double loss_from_cpp(double logit, double target);

static void test_c(void)
{
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", BCELOGITS_VERSION_MAJOR, BCELOGITS_VERSION_MINOR,
             BCELOGITS_VERSION_PATCH);
    CHECK(strcmp(version, BCELOGITS_VERSION) == 0);
    CHECK(strcmp(bcel_version(), BCELOGITS_VERSION) == 0);
    CHECK(bcel_version_number() == BCELOGITS_VERSION_NUMBER);
    CHECK(bcel_abi_version() == BCELOGITS_ABI_VERSION);
    CHECK(sizeof(((bcel_exact *)0)->limb) / sizeof(int64_t) * 32 >= 2098 + 64);
}

static void test_status_texts(void)
{
    for (int i = BCEL_OK; i <= BCEL_UNSUPPORTED_ISA; ++i) {
        CHECK(strlen(bcel_status_text((bcel_status)i)) > 0);
        for (int k = BCEL_OK; k < i; ++k)
            CHECK(strcmp(bcel_status_text((bcel_status)i), bcel_status_text((bcel_status)k)) != 0);
    }
    CHECK(strlen(bcel_status_text((bcel_status)99)) > 0);
}

#ifdef HAVE_CXX
static void test_cpp(void)
{
    CHECK(strcmp(version_from_cpp(), BCELOGITS_VERSION) == 0);
    CHECK(loss_from_cpp(0, 1) == 0x1.62e42fefa39efp-1);
    CHECK(loss_from_cpp(-1000, 1) == 1000);
}
#else
static void test_cpp(void) { test_skip("no C++ compiler"); }
#endif

int main(int argc, char **argv)
{
    static const test_case tests[] = {
        { "versions", test_c, 0 },
        { "status texts", test_status_texts, 0 },
        { "from C++", test_cpp, 0 },
    };
    return run_tests("header", tests, COUNT(tests), argc, argv);
}
