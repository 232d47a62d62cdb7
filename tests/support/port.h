// SPDX-License-Identifier: Apache-2.0
// A port for a program under test to listen on.
#ifndef TESTS_SUPPORT_PORT_H
#define TESTS_SUPPORT_PORT_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/file.h"
#include "common/base/must.h"

/* Whether no other test has the port: a name in the abstract namespace says so, for as long as this
 * process lives (its descriptor is not kept anywhere). */
static inline bool test_port_claim(uint16_t port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "coracle-test-port-%u", port);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&name, size) == 0) {
        return true;
    }
    cor_fd_close(&fd);
    return false;
}

/* A port of 127.0.0.1 that nobody listens on now, and that no other test is given while this one
 * runs, so that what is started again finds it free. Below those that the kernel gives to clients:
 * another program's connection would take it before it is listened on. */
static inline int test_free_port(void)
{
    enum { FIRST = 20000, COUNT = 12000, TRIES = 100 };
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < TRIES; i++) {
        uint16_t random = 0;
        auto_(cor_fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(getrandom(&random, sizeof(random), 0) == sizeof(random));
        uint16_t port = (uint16_t)(FIRST + random % COUNT);
        address.sin_port = htons(port);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && test_port_claim(port)) {
            return port;
        }
    }
    must(false);
    return 0;
}

#endif
