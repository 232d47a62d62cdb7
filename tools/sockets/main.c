// SPDX-License-Identifier: Apache-2.0
// coracle-sockets: opens listening sockets and becomes a supervisor that holds them for its
// services, from file descriptor 7 on (a shell's redirections have one digit). CORACLE_SOCKETS says
// their names; coracle-keep passes them to the service that has them in its row. A socket that
// cannot be opened is told, and then none is held: the service binds its own, and says what is
// wrong.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/socket.h"

enum { FIRST_FD = 7, SOCKETS_MAX = 3, EXIT_USAGE = 100, EXIT_EXEC = 127 };

/* NAME=ADDRESS:PORT; the address may be in brackets. Opens it as file descriptor number. */
static enum cor_code hold(const char *spec, int number, struct cor_buf *names, struct cor_err *err)
{
    int64_t port = 0;
    const char *equal = strchr(spec, '=');
    const char *colon = strrchr(spec, ':');
    if (equal == NULL || colon == NULL || colon < equal ||
        !cor_view_i64(cor_view_of(colon + 1), &port) || port < 1 || port > 65535) {
        return cor_err_set(err, COR_INVALID, "%s: expected NAME=ADDRESS:PORT", spec);
    }
    bool bracket = equal[1] == '[' && colon[-1] == ']';
    const char *from = equal + (bracket ? 2 : 1);
    auto_(cor_freep) char *address = cor_memdup(from, (size_t)(colon - from) - (bracket ? 1 : 0));
    int fd = -1;
    enum cor_code code = cor_socket_listen(address, (int)port, &fd, err);
    if (code != COR_OK) {
        return code;
    }
    /* dup2 to itself would leave it closed on exec. */
    if (fd == number ? fcntl(fd, F_SETFD, 0) != 0 : dup2(fd, number) < 0 || close(fd) != 0) {
        return cor_err_sys(err, COR_IO, 0, "%s: no file descriptor %d", spec, number);
    }
    cor_buf_fmt(names, "%s%.*s", number == FIRST_FD ? "" : ":", (int)(equal - spec), spec);
    return COR_OK;
}

/* Holds those before "--"; the index of what comes after it, 0: there is none. */
static int hold_all(char **argv)
{
    auto_(cor_buf_free) struct cor_buf names = {0};
    struct cor_err err = COR_ERR_NONE;
    int i = 1;
    for (; argv[i] != NULL && strcmp(argv[i], "--") != 0; i++) {
        if (i <= SOCKETS_MAX && err.code == COR_OK) {
            (void)hold(argv[i], FIRST_FD + i - 1, &names, &err);
        }
    }
    if (err.code != COR_OK) {
        (void)fprintf(stderr, "coracle-sockets: %s; no socket is held\n", err.text);
        for (int fd = FIRST_FD; fd < FIRST_FD + SOCKETS_MAX; fd++) {
            (void)close(fd);
        }
        (void)unsetenv("CORACLE_SOCKETS");
    } else if (names.len > 0) {
        (void)setenv("CORACLE_SOCKETS", names.data, 1);
    }
    return argv[i] == NULL || argv[i + 1] == NULL ? 0 : i + 1;
}

int main(int argc, char **argv)
{
    static const char usage[] = "Usage: coracle-sockets [NAME=ADDRESS:PORT]... -- PROGRAM ARG...\n"
                                "Opens listening sockets from file descriptor 7 on, at most 3, and "
                                "becomes the program.\n";
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(usage, stdout);
        return 0;
    }
    int program = argc < 2 ? 0 : hold_all(argv);
    if (program == 0) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    (void)execvp(argv[program], argv + program);
    perror(argv[program]);
    return EXIT_EXEC;
}
