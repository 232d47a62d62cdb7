// SPDX-License-Identifier: Apache-2.0
#include "common/service/sockets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/socket.h"
#include "common/base/view.h"

/* SD_LISTEN_FDS_START; and more than any service has. */
enum { FIRST_FD = 3, SOCKETS_MAX = 16 };

int cor_sockets_find(const struct cor_listen_env *env, pid_t pid, const char *name)
{
    int64_t for_pid = 0;
    int64_t count = 0;
    if (env->pid == NULL || env->count == NULL || env->names == NULL ||
        !cor_view_i64(cor_view_of(env->pid), &for_pid) || for_pid != pid ||
        !cor_view_i64(cor_view_of(env->count), &count)) {
        return -1;
    }
    struct cor_view rest = cor_view_of(env->names);
    struct cor_view one;
    for (int i = 0; i < count && i < SOCKETS_MAX && cor_view_split(&rest, ':', &one); i++) {
        if (cor_view_is(one, name)) {
            return FIRST_FD + i;
        }
    }
    return -1;
}

int cor_service_socket(const struct cor_service *service, const char *name, const char *address,
                       int port)
{
    const struct cor_listen_env env = {getenv("LISTEN_PID"), getenv("LISTEN_FDS"),
                                       getenv("LISTEN_FDNAMES")};
    int fd = cor_sockets_find(&env, getpid(), name);
    if (fd < 0) {
        return -1;
    }
    if (!cor_socket_is_at(fd, address, port)) {
        LOGW(service->log, "service.socket-unused", "name=%s fd=%d wanted=%s:%d held=%d", name, fd,
             address, port, cor_socket_port(fd));
        (void)close(fd);
        return -1;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    LOGI(service->log, "service.socket-held", "name=%s port=%d", name, cor_socket_port(fd));
    return fd;
}
