// SPDX-License-Identifier: Apache-2.0
// Listening TCP sockets. Loop thread only; nothing blocks: addresses are numeric.
#ifndef COR_BASE_SOCKET_H
#define COR_BASE_SOCKET_H

#include <stdbool.h>

#include "common/base/attr.h"
#include "common/base/err.h"

/* Binds address (numeric; NULL: all of IPv4) and port (0: any), and listens; the socket does not
 * block and is closed on exec. COR_INVALID: no address; COR_IO. Returns owned in *fd_r. */
COR_NODISCARD enum cor_code cor_socket_listen(const char *address, int port, int *fd_r,
                                              struct cor_err *err);

/* Port that fd is bound to; 0: none. */
int cor_socket_port(int fd);

/* Whether fd listens on this address (numeric) and port (0: any). */
bool cor_socket_is_at(int fd, const char *address, int port);

#endif
