// SPDX-License-Identifier: Apache-2.0
// Numeric socket addresses from text. Pure. Any thread.
#ifndef COR_PIPE_ADDRESS_H
#define COR_PIPE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

union cor_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

/* Reads "a.b.c.d:port", "[v6]:port" or "/path" (a unix socket). False: none of these, or a path
 * that is too long for a socket; *out_r is then of no use. */
bool cor_address_parse(const char *text, union cor_address *out_r, socklen_t *len_r);

#endif
