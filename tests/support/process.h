// SPDX-License-Identifier: Apache-2.0
// Programs that a test starts, and the folder it works in.
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct test_process {
    pid_t pid;
};

/* A fresh folder under /tmp. Returns owned (cor_free). */
char *test_dir_new(void);

/* Removes the folder with all that is in it, and frees the name. */
void test_dir_free(char **dir);

/* Writes text to dir/name. Aborts if it cannot. */
void test_write(const char *dir, const char *name, const char *text);

/* Reads dir/name; "" when it is not there. Returns owned. */
char *test_read(const char *dir, const char *name);

/* Starts argv (ends with NULL; the program in PATH or by path) with stderr appended to log (a
 * path); waits for its first line of output, on stdout or on the file descriptor that replaces an
 * argument "READY-FD", and copies it to line. Aborts after 20 s or when the program ends first. */
void test_process_start(struct test_process *process, const char *const *argv, const char *log,
                        char *line, size_t size);

/* Sends signal and waits for the end; returns the status of waitpid(2). */
int test_process_stop(struct test_process *process, int signal);

/* Number behind "name=" in the last line of text that has it, -1 if none. */
long test_number(const char *text, const char *name);

#endif
