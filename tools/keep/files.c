// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tools/keep/keep.h"

int64_t keep_now(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 100 + now.tv_nsec / 10000000;
}

void keep_read(const char *name, int64_t *out, int count)
{
    char text[128] = "";
    auto_(cor_fd_close) int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    text[n < 0 ? 0 : n] = '\0';
    struct cor_view rest = cor_view_trim(cor_view_of(text));
    for (int i = 0; i < count; i++) {
        struct cor_view part = {0};
        out[i] = 0;
        if (cor_view_split(&rest, ' ', &part)) {
            (void)cor_view_i64(part, &out[i]);
        }
    }
}

void keep_write(const char *name, const char *text)
{
    auto_(cor_fd_close) int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        perror(name);
    }
}

void keep_say(const char *level, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    /* One write: the log's fifo has others that write, too. */
    (void)dprintf(STDERR_FILENO, "supervisor %s %s\n", level, text);
}
