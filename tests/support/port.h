// SPDX-License-Identifier: Apache-2.0
// A port for a program under test to listen on.
#ifndef TESTS_SUPPORT_PORT_H
#define TESTS_SUPPORT_PORT_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "common/base/file.h"
#include "common/base/must.h"

/* A port of 127.0.0.1 that nobody listens on now. Below those that the kernel gives to clients:
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
        address.sin_port = htons((uint16_t)(FIRST + random % COUNT));
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
            return ntohs(address.sin_port);
        }
    }
    must(false);
    return 0;
}

#endif
