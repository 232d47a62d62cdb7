// SPDX-License-Identifier: Apache-2.0
// For LD_PRELOAD: records what the process writes below TORTURE_DIR, when it syncs, and when it
// acknowledges an MQTT message, into TORTURE_LOG.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/torture/states/ops.h"

enum { FDS = 1024, PATHS = 64, PATH_BYTES = 256 };

/* A preloaded library has no other place for its state. */
static struct {
    pthread_mutex_t lock;
    int log;
    char dir[PATH_BYTES];
    uint32_t file_of[FDS]; /* 0: not recorded */
    char paths[PATHS][PATH_BYTES];
    uint32_t files;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .log = -1};

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void)
{
    const char *log = getenv("TORTURE_LOG");
    const char *dir = getenv("TORTURE_DIR");
    if (log == NULL || dir == NULL || strlen(dir) >= PATH_BYTES) {
        return;
    }
    strcpy(state.dir, dir);
    state.log = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* One writev, so that an operation is in the log as a whole or, at a kill, not at all. */
static void note(enum op_kind kind, uint32_t file, uint64_t offset, const void *data, size_t len)
{
    struct op op = {.kind = (uint32_t)kind, .file = file, .offset = offset, .len = len};
    struct iovec parts[] = {{&op, sizeof(op)}, {(void *)(uintptr_t)data, len}};
    (void)pthread_mutex_lock(&state.lock);
    if (writev(state.log, parts, len > 0 ? 2 : 1) < 0) {
        abort(); /* a recording with holes proves nothing */
    }
    (void)pthread_mutex_unlock(&state.lock);
}

static uint32_t number_of(const char *path)
{
    for (uint32_t i = 0; i < state.files; i++) {
        if (strcmp(state.paths[i], path) == 0) {
            return i + 1;
        }
    }
    if (state.files == PATHS || strlen(path) >= PATH_BYTES) {
        abort();
    }
    strcpy(state.paths[state.files], path);
    return ++state.files;
}

static bool is_ours(const char *path)
{
    return state.log >= 0 && strncmp(path, state.dir, strlen(state.dir)) == 0;
}

static int opened(int fd, const char *path, int flags)
{
    if (fd < 0 || fd >= FDS) {
        return fd;
    }
    state.file_of[fd] = 0;
    if (is_ours(path) && (flags & O_ACCMODE) != O_RDONLY) {
        uint32_t file = number_of(path);
        const char *below = path + strlen(state.dir);
        state.file_of[fd] = file;
        note(OP_OPEN, file, 0, below, strlen(below));
    }
    return fd;
}

static mode_t mode_of(int flags, va_list args)
{
    return (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = mode_of(flags, args);                                                        \
        va_end(args);                                                                              \
        return opened(REAL(name)(path, flags, mode), path, flags);                                 \
    }
OPEN(open)
OPEN(open64)

static uint32_t file_of(int fd)
{
    return fd >= 0 && fd < FDS ? state.file_of[fd] : 0;
}

int close(int fd)
{
    if (fd >= 0 && fd < FDS) {
        state.file_of[fd] = 0;
    }
    return REAL(close)(fd);
}

/* Before it is done: what follows in the log cannot have happened earlier. */
static ssize_t wrote(int fd, const void *data, ssize_t done, off_t offset)
{
    if (done > 0 && file_of(fd) != 0) {
        note(OP_WRITE, file_of(fd), (uint64_t)offset, data, (size_t)done);
    }
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return wrote(fd, data, REAL(pwrite)(fd, data, len, offset), offset);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return wrote(fd, data, REAL(pwrite64)(fd, data, len, offset), offset);
}

/* MQTT 3.1.1, 3.4: PUBACK is 0x40, length 2, packet id. */
static void watch_ack(int fd, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t at = 0; state.log >= 0 && len == 4 && at < 1; at++) {
        int type = 0;
        socklen_t size = sizeof(type);
        if (bytes[0] == 0x40 && bytes[1] == 2 &&
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0) {
            note(OP_ACK, 0, 0, NULL, 0);
        }
    }
}

ssize_t write(int fd, const void *data, size_t len)
{
    if (file_of(fd) != 0) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        return wrote(fd, data, REAL(write)(fd, data, len), at);
    }
    watch_ack(fd, data, len);
    return REAL(write)(fd, data, len);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    watch_ack(fd, data, len);
    return REAL(send)(fd, data, len, flags);
}

static int synced(int fd, int rc)
{
    if (rc == 0 && file_of(fd) != 0) {
        note(OP_SYNC, file_of(fd), 0, NULL, 0);
    }
    return rc;
}

int fdatasync(int fd)
{
    return synced(fd, REAL(fdatasync)(fd));
}

int fsync(int fd)
{
    return synced(fd, REAL(fsync)(fd));
}

static int truncated(int fd, int rc, off_t len)
{
    if (rc == 0 && file_of(fd) != 0) {
        note(OP_TRUNCATE, file_of(fd), (uint64_t)len, NULL, 0);
    }
    return rc;
}

int ftruncate(int fd, off_t len)
{
    return truncated(fd, REAL(ftruncate)(fd, len), len);
}

int ftruncate64(int fd, off64_t len)
{
    return truncated(fd, REAL(ftruncate64)(fd, len), len);
}

int unlink(const char *path)
{
    int rc = REAL(unlink)(path);
    if (rc == 0 && is_ours(path)) {
        note(OP_UNLINK, number_of(path), 0, NULL, 0);
    }
    return rc;
}
