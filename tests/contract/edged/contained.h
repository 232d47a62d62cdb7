// SPDX-License-Identifier: Apache-2.0
// Runs a test program again inside tests/contract/edged/contained.
#ifndef TEST_CONTAINED_H
#define TEST_CONTAINED_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns when inside; else runs self there and exits with its code (77 is a skip). */
static inline void be_contained(char **argv)
{
    if (getenv("CRI_SOCKET") != NULL) {
        return;
    }
    char *wrap = getenv("CORACLE_CONTAINED");
    pid_t child = wrap == NULL ? 0 : fork();
    if (wrap != NULL && child == 0) {
        execl(wrap, wrap, argv[0], (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (wrap == NULL || waitpid(child, &status, 0) < 0 || WEXITSTATUS(status) == 77) {
        (void)printf("skipped: needs root, containerd and CORACLE_CONTAINED\n");
        exit(77);
    }
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

#endif
