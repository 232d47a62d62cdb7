// SPDX-License-Identifier: Apache-2.0
#include "address.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/pipe/address.h"

/* Whether nobody listens on the socket file any more: what a process left that was killed. */
static bool is_stale(const union cor_address *address, socklen_t len)
{
    auto_(cor_fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, &address->any, len) != 0 && errno == ECONNREFUSED;
}

/* Linux gives the file the mode of the socket, so it is never open to others. */
static bool bind_file(int fd, const union cor_address *address, socklen_t len)
{
    if (fchmod(fd, S_IRUSR | S_IWUSR) != 0) {
        return false;
    }
    if (bind(fd, &address->any, len) == 0) {
        return true;
    }
    return errno == EADDRINUSE && is_stale(address, len) && unlink(address->local.sun_path) == 0 &&
           bind(fd, &address->any, len) == 0;
}

static bool bind_port(int fd, const union cor_address *address, socklen_t len)
{
    int yes = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
           (address->any.sa_family != AF_INET6 ||
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) == 0) &&
           bind(fd, &address->any, len) == 0;
}

static int port_of(const union cor_address *address)
{
    return address->any.sa_family == AF_INET6  ? ntohs(address->v6.sin6_port)
           : address->any.sa_family == AF_INET ? ntohs(address->v4.sin_port)
                                               : 0;
}

enum cor_code cor_address_listen(const char *text, int *fd_r, int *port_r, struct cor_err *err)
{
    union cor_address address;
    socklen_t len = 0;
    if (!cor_address_parse(text, &address, &len)) {
        return cor_err_set(err, COR_INVALID, "%s is no numeric address with a port", text);
    }
    bool file = address.any.sa_family == AF_UNIX;
    auto_(cor_fd_close) int fd =
        socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || !(file ? bind_file : bind_port)(fd, &address, len) || listen(fd, 1024) != 0 ||
        getsockname(fd, &address.any, &len) != 0) {
        return cor_err_sys(err, COR_IO, errno, "listening on %s", text);
    }
    *port_r = port_of(&address);
    *fd_r = fd;
    fd = -1;
    return COR_OK;
}
