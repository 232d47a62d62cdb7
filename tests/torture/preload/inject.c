// SPDX-License-Identifier: Apache-2.0
// For LD_PRELOAD: the call number TORTURE_NTH of the function TORTURE_CALL fails with errno
// TORTURE_ERRNO (EIO, or what malloc says); with TORTURE_COUNT=FILE the number of calls is written
// there at the end instead. Failures go on as long as the file TORTURE_WHILE exists, if it is
// given.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A preloaded library has no other place for its state. */
static struct {
    const char *call;
    const char *while_file;
    long nth;
    int error;
    int slow_ms;
    atomic_long calls;
    atomic_bool excused;
    bool ready;
} state;

__attribute__((constructor)) static void begin(void)
{
    const char *nth = getenv("TORTURE_NTH");
    const char *error = getenv("TORTURE_ERRNO");
    const char *slow = getenv("TORTURE_SLOW_MS");
    state.call = getenv("TORTURE_CALL");
    state.while_file = getenv("TORTURE_WHILE");
    state.nth = nth == NULL ? 0 : atol(nth);
    state.slow_ms = slow == NULL ? 0 : atoi(slow);
    state.ready = state.call != NULL;
    bool memory = state.ready && strcmp(state.call, "malloc") == 0;
    state.error = error != NULL ? atoi(error) : memory ? ENOMEM : EIO;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("TORTURE_COUNT");
    if (state.ready && path != NULL) {
        char text[32];
        int len = snprintf(text, sizeof(text), "%ld\n", atomic_load(&state.calls));
        int fd = REAL(open)(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        (void)!write(fd, text, (size_t)len);
        (void)REAL(close)(fd);
    }
}

/* Whether this call of name is to fail; errno is set then. */
static bool fails(const char *name)
{
    if (!state.ready || strcmp(name, state.call) != 0 || atomic_load(&state.excused)) {
        return false;
    }
    long number = atomic_fetch_add(&state.calls, 1) + 1;
    if (state.slow_ms > 0) {
        (void)usleep((useconds_t)state.slow_ms * 1000);
    }
    bool now = state.while_file != NULL ? access(state.while_file, F_OK) == 0 : number == state.nth;
    if (now) {
        errno = state.error;
    }
    return now;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return fails("pwrite") ? -1 : REAL(pwrite64)(fd, data, len, offset);
}

int fdatasync(int fd)
{
    return fails("fdatasync") ? -1 : REAL(fdatasync)(fd);
}

int fsync(int fd)
{
    return fails("fdatasync") ? -1 : REAL(fsync)(fd);
}

/* Of sockets and files: a process's own eventfd cannot fail, and libraries rely on it. */
static bool can_fail(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISREG(st.st_mode));
}

ssize_t read(int fd, void *data, size_t len)
{
    return can_fail(fd) && fails("read") ? -1 : REAL(read)(fd, data, len);
}

/* SQLite writes with pwrite. */
ssize_t write(int fd, const void *data, size_t len)
{
    return can_fail(fd) && fails("write") ? -1 : REAL(write)(fd, data, len);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    return fails("send") ? -1 : REAL(send)(fd, data, len, flags);
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
    return fails("recv") ? -1 : REAL(recv)(fd, data, len, flags);
}

int socket(int domain, int type, int protocol)
{
    return fails("socket") ? -1 : REAL(socket)(domain, type, protocol);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return fails("accept") ? -1 : REAL(accept4)(fd, address, len, flags);
}

/* malloc before dlsym works, and dlsym itself, must not come here: the aliases of glibc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);

/* Debian's libzmq begins with OpenPGM, which ends in glibc's name service, and both crash without
 * memory. */
void *zmq_ctx_new(void);

void *zmq_ctx_new(void)
{
    atomic_store(&state.excused, true);
    void *context = REAL(zmq_ctx_new)();
    atomic_store(&state.excused, false);
    return context;
}

void *malloc(size_t size)
{
    return fails("malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails("malloc") ? NULL : __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    return fails("malloc") ? NULL : __libc_realloc(ptr, size);
}
