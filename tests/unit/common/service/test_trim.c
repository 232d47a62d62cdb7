// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "trim.h"

static void only_clean_pages_of_files_are_given_back(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        const char *anonymous;
        bool clean;
    } ROWS[] = {
        {"7f10-7f20 r-xp 00001000 fe:00 99 /usr/lib/libx.so\n", "Anonymous:             0 kB\n",
         true},
        {"7f10-7f20 r--p 00001000 fe:00 99 /usr/lib/libx.so\n", "Anonymous:             0 kB\n",
         true},
        {"7f10-7f20 r--p 00001000 fe:00 99 /usr/lib/libx.so\n", "Anonymous:            12 kB\n",
         false},
        {"7f10-7f20 rw-p 00001000 fe:00 99 /usr/lib/libx.so\n", "Anonymous:             0 kB\n",
         false},
        {"7f10-7f20 r--s 00001000 fe:00 99 /var/x.db-shm\n", "Anonymous:             0 kB\n",
         false},
        {"7f10-7f20 r-xp 00000000 00:00 0 [vdso]\n", "Anonymous:             0 kB\n", false},
        {"7f10-7f20 rw-p 00000000 00:00 0 [heap]\n", "Anonymous:            80 kB\n", false},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_mapping m = {0};
        assert_int_equal(cor_mapping_line(ROWS[i].head, &m), COR_MAPPING_BEGIN);
        assert_int_equal(cor_mapping_line("Rss:                   4 kB\n", &m), COR_MAPPING_MORE);
        assert_int_equal(cor_mapping_line(ROWS[i].anonymous, &m), COR_MAPPING_MORE);
        assert_int_equal(cor_mapping_line("VmFlags: rd mr mw me \n", &m), COR_MAPPING_END);
        assert_int_equal(m.start, 0x7f10);
        assert_int_equal(m.end, 0x7f20);
        assert_int_equal(cor_mapping_is_clean(&m), ROWS[i].clean);
    }
}

static long file_kib(void)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "RssFile: %ld", &kib) == 1) {
            break;
        }
    }
    (void)fclose(file);
    return kib;
}

/* The process goes on as before, with less mapped. */
static void a_trimmed_process_goes_on(void **state)
{
    (void)state;
    static const char CONSTANT[] = "constants stay";
    long before = file_kib();
    cor_trim();
    assert_true(file_kib() < before);
    assert_string_equal(CONSTANT, "constants stay");
    char text[32];
    (void)snprintf(text, sizeof(text), "%d", 42);
    assert_string_equal(text, "42");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_clean_pages_of_files_are_given_back),
        cmocka_unit_test(a_trimmed_process_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
