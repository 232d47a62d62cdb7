// SPDX-License-Identifier: Apache-2.0
#include "tests/support/usage/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"

enum { TEXT_MAX = 65536 };

static void read_proc(pid_t pid, const char *name, struct cor_buf *text)
{
    auto_(cor_freep) char *path = cor_sprintf("/proc/%d/%s", (int)pid, name);
    must(cor_file_read(path, TEXT_MAX, text, NULL) == COR_OK);
}

int64_t test_usage_us(pid_t pid)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    unsigned long user = 0;
    unsigned long kernel = 0;
    read_proc(pid, "stat", &text);
    const char *behind = strrchr(text.data, ')'); /* its name may have blanks */
    must(behind != NULL);
    must(sscanf(behind + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                &kernel) == 2);
    return (int64_t)(user + kernel) * (1000000 / sysconf(_SC_CLK_TCK));
}

static int64_t kib_of(pid_t pid, const char *file, const char *name)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_freep) char *head = cor_sprintf("\n%s:", name);
    read_proc(pid, file, &text);
    const char *line = strstr(text.data, head);
    return line == NULL ? 0 : strtoll(line + strlen(head), NULL, 10);
}

int64_t test_usage_kib(pid_t pid, const char *name)
{
    return kib_of(pid, "status", name);
}

int64_t test_usage_pss_kib(pid_t pid)
{
    return kib_of(pid, "smaps_rollup", "Pss");
}
