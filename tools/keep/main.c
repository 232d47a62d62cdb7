// SPDX-License-Identifier: Apache-2.0
// coracle-keep: what s6-supervise starts as ./run and ./finish of every service: links to this
// file, and the name says which. One program and no shell, for between the death of a service and
// the next one's first instruction a start of a program more is time in which the service is away.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/keep/keep.h"

static int number(const char *text)
{
    int64_t n = 0;
    return cor_view_i64(cor_view_of(text), &n) && n >= 0 && n <= 256 ? (int)n : 1;
}

/* Everything is told where the log of the tree reads. */
static void take_stdio(void)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null > 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)close(null);
    }
    (void)dup2(STDOUT_FILENO, STDERR_FILENO);
}

int main(int argc, char **argv)
{
    const char *slash = argc < 1 ? NULL : strrchr(argv[0], '/');
    const char *name = argc < 1 ? "" : slash == NULL ? argv[0] : slash + 1;
    if (strcmp(name, "run") == 0) {
        bool checked = argc > 1 && strcmp(argv[1], "--checked") == 0;
        take_stdio();
        return keep_run(checked);
    }
    if (strcmp(name, "finish") == 0 && argc > 2) {
        take_stdio();
        return keep_finish(number(argv[1]), number(argv[2]));
    }
    bool help = argc > 1 && strcmp(argv[1], "--help") == 0;
    (void)fputs(
        "Usage: a link to this file is ./run, another ./finish, of a service's folder of s6.\n"
        "run starts what ./row says, with the rights that it says; finish CODE SIGNAL sees to\n"
        "the next start, and takes an upgrade back that fails.\n",
        help ? stdout : stderr);
    return help ? 0 : KEEP_EXIT_CONFIG;
}
