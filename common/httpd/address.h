// SPDX-License-Identifier: Apache-2.0
// Listening sockets from text.
#ifndef COR_HTTPD_ADDRESS_H
#define COR_HTTPD_ADDRESS_H

#include "common/base/err.h"

/* Listens on "a.b.c.d:port", "[v6]:port" (port 0 lets the system choose) or "/path", a unix socket
 * that only its owner may open (mode 0600); one that nobody listens on any more is replaced. The
 * socket does not block; *port_r of a path is 0. COR_INVALID: no such address. COR_IO: taken or not
 * ours. */
COR_NODISCARD enum cor_code cor_address_listen(const char *text, int *fd_r, int *port_r,
                                               struct cor_err *err);

#endif
