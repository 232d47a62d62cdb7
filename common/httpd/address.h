// SPDX-License-Identifier: Apache-2.0
// Listening sockets from text.
#ifndef COR_HTTPD_ADDRESS_H
#define COR_HTTPD_ADDRESS_H

#include "common/base/err.h"

/* Listens on "a.b.c.d:port" or "[v6]:port"; port 0 lets the system choose. The socket does not
 * block. COR_INVALID: no numeric address with a port. COR_IO: taken or not ours. */
COR_NODISCARD enum cor_code cor_address_listen(const char *text, int *fd_r, int *port_r,
                                               struct cor_err *err);

#endif
