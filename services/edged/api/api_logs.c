// SPDX-License-Identifier: Apache-2.0
// /containerLogs: the file that the runtime writes, read as fast as the client takes it. A follower
// waits for the file to grow, for a new one in its place (rotation), and for the container's end.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "logfollow.h"
#include "logline.h"
#include "services/edged/logs/logfiles.h"

/* Of the file at once; the longest line that is kept whole (the runtime cuts at 16 KiB); what is
 * read before it is somebody else's turn. */
enum { BLOCK = 32 * 1024, LINE_MAX_BYTES = 256 * 1024, TURN = 1024 * 1024, PATH_ROOM = 4096 };

struct reading {
    struct api_call *call;
    struct agent *agent;
    char *pod_uid;
    char *id; /* of the container */
    char *path;
    int fd;                   /* of what is not followed */
    struct logfollow *follow; /* NULL: not followed */
    struct log_options options;
    struct cor_buf rest; /* the beginning of a line */
    struct cor_timer *again;
    struct cor_link link;
};

struct api_followers {
    struct cor_loop *loop;
    struct cor_link list;
    struct logwatch *watch; /* NULL: nothing was followed yet */
    struct cor_io *io;      /* of watch */
};

static void free_reading(struct reading *reading)
{
    cor_list_del(&reading->link);
    cor_timer_free(&reading->again);
    logfollow_free(&reading->follow);
    cor_fd_close(&reading->fd);
    cor_buf_free(&reading->rest);
    cor_free(reading->pod_uid);
    cor_free(reading->id);
    cor_free(reading->path);
    cor_free(reading);
}

static void end(struct reading *reading, const char *error)
{
    struct api_call *call = reading->call;
    free_reading(reading);
    api_end(call, error);
}

/* ---- reading ---- */

static void show_lines(struct reading *reading, struct cor_view bytes, struct cor_buf *out)
{
    while (bytes.len > 0 && !log_is_over(&reading->options)) {
        const char *newline = memchr(bytes.ptr, '\n', bytes.len);
        size_t len = newline == NULL ? bytes.len : (size_t)(newline - bytes.ptr);
        struct cor_view line = {bytes.ptr, len};
        if (newline == NULL && reading->rest.len + len > LINE_MAX_BYTES) {
            cor_buf_clear(&reading->rest); /* no line of a runtime */
            return;
        }
        if (newline == NULL || reading->rest.len > 0) {
            cor_buf_view(&reading->rest, line);
            line = cor_buf_as_view(&reading->rest);
        }
        if (newline == NULL) {
            return;
        }
        log_line_show(line, &reading->options, out);
        cor_buf_clear(&reading->rest);
        bytes = (struct cor_view){newline + 1, bytes.len - len - 1};
    }
}

static int file_of(const struct reading *reading)
{
    return reading->follow != NULL ? logfollow_file(reading->follow) : reading->fd;
}

/* Reads a block and writes what of it is to be shown. Bytes that were read; < 0: failed. */
static ssize_t read_block(struct reading *reading)
{
    char block[BLOCK];
    auto_(cor_buf_free) struct cor_buf out = {0};
    ssize_t n = read(file_of(reading), block, sizeof(block));
    if (n > 0) {
        show_lines(reading, (struct cor_view){block, (size_t)n}, &out);
        api_write(reading->call, cor_buf_as_view(&out));
    }
    return n;
}

static bool is_running(const struct reading *reading)
{
    const struct agent_pod *pod = agent_find(reading->agent, reading->pod_uid);
    size_t index = pod == NULL ? 0 : run_find(pod->run, reading->id);
    return pod != NULL && index < pod->run->count &&
           pod->run->containers[index].state == RUN_RUNNING;
}

/* At the end of the file: whether there is another one to go on with. *waits_r: not yet. */
static bool next_file(struct reading *reading, bool *waits_r)
{
    enum logfollow_at at =
        reading->follow == NULL
            ? LOGFOLLOW_LAST
            : logfollow_turn(reading->follow, cor_loop_now(reading->agent->loop));
    if (at == LOGFOLLOW_NEXT) {
        cor_buf_clear(&reading->rest);
    }
    *waits_r = at == LOGFOLLOW_WAIT;
    return at == LOGFOLLOW_NEXT;
}

/* Until the client has enough for now, or the file has no more. */
static void go_on(void *self)
{
    struct reading *reading = self;
    bool running = is_running(reading); /* before the last read: it may end meanwhile */
    bool waits = false;
    ssize_t n = 1;
    size_t sum = 0;
    while (n > 0 && sum < TURN && api_room(reading->call) > 0 && !log_is_over(&reading->options)) {
        n = read_block(reading);
        sum += n > 0 ? (size_t)n : 0;
        if (n == 0 && next_file(reading, &waits)) {
            n = 1;
        }
    }
    if (waits) {
        cor_timer_start(reading->again, COR_SEC(1));
    } else if (n > 0 && sum >= TURN) {
        cor_timer_start(reading->again, 0);
    } else if (n < 0) {
        end(reading, "the log cannot be read");
    } else if (log_is_over(&reading->options) ||
               (n == 0 && (!reading->options.follow || !running))) {
        end(reading, NULL);
    }
}

static void on_gone(void *self)
{
    free_reading(self);
}

static const struct api_handler HANDLER = {.room = go_on, .gone = on_gone};

static void on_changed(void *self)
{
    cor_timer_start(((struct reading *)self)->again, 0);
}

void api_logs_look(struct agent_pod *pod)
{
    struct api *api = pod->agent->api;
    if (api == NULL) {
        return; /* stopping */
    }
    COR_LIST_EACH (node, &api_followers(api)->list) {
        struct reading *reading = COR_LIST_OBJECT(node, struct reading, link);
        if (strcmp(reading->pod_uid, pod->uid) == 0) {
            cor_timer_start(reading->again, 0);
        }
    }
}

/* ---- those who follow ---- */

struct api_followers *api_followers_new(struct cor_loop *loop)
{
    struct api_followers *followers = cor_alloc(sizeof(*followers));
    followers->loop = loop;
    cor_list_init(&followers->list);
    return followers;
}

void api_followers_free(struct api_followers **followers)
{
    if (*followers != NULL) {
        cor_io_free(&(*followers)->io);
        logwatch_free(&(*followers)->watch);
        cor_freep(followers);
    }
}

static void on_watch(void *self, int fd, int events)
{
    (void)fd;
    (void)events;
    logwatch_look(((struct api_followers *)self)->watch);
}

static enum cor_code watch_log(struct reading *reading, struct cor_err *err)
{
    struct api_followers *all = api_followers(reading->agent->api);
    if (all->watch == NULL) {
        enum cor_code code = logwatch_new(&all->watch, err);
        if (code != COR_OK) {
            return code;
        }
        all->io = cor_io_new(all->loop, logwatch_notify(all->watch), COR_READ, on_watch, all);
    }
    return logfollow_open(all->watch, reading->path, on_changed, reading, &reading->follow, err);
}

/* ---- where it begins ---- */

static enum cor_code seek_tail(struct reading *reading)
{
    char block[BLOCK];
    int64_t left = reading->options.tail;
    int fd = file_of(reading);
    off_t at = lseek(fd, 0, SEEK_END);
    size_t offset = 0;
    while (at > 0) {
        size_t len = at < BLOCK ? (size_t)at : BLOCK;
        at -= (off_t)len;
        ssize_t n = pread(fd, block, len, at);
        if (n != (ssize_t)len) {
            return COR_IO;
        }
        if (log_tail((struct cor_view){block, len}, &left, &offset)) {
            at += (off_t)offset;
            break;
        }
    }
    return lseek(fd, at < 0 ? 0 : at, SEEK_SET) < 0 ? COR_IO : COR_OK;
}

static enum cor_code open_log(struct reading *reading, struct cor_err *err)
{
    if (reading->options.follow) {
        return watch_log(reading, err);
    }
    const char *slash = strrchr(reading->path, '/');
    auto_(cor_freep) char *path = cor_memdup(reading->path, (size_t)(slash - reading->path));
    auto_(cor_fd_close) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    reading->fd = folder < 0 ? -1 : logfiles_open(folder, slash + 1);
    return reading->fd >= 0
               ? COR_OK
               : cor_err_set(err, errno == ENOENT ? COR_NOTFOUND : COR_IO, "%s", strerror(errno));
}

static void begin(struct reading *reading)
{
    static const struct api_header HEADERS[] = {{"Content-Type", "text/plain; charset=utf-8"}};
    struct api_call *call = reading->call;
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = open_log(reading, &err);
    if (code != COR_OK) {
        api_refuse(call, code == COR_NOTFOUND ? 404 : 500, "failed to open log file \"%s\": %s",
                   reading->path, err.text);
        free_reading(reading);
        return;
    }
    if (reading->options.has_tail && seek_tail(reading) != COR_OK) {
        api_refuse(call, 500, "the log cannot be read: %s", strerror(errno));
        free_reading(reading);
        return;
    }
    if (reading->options.follow) {
        cor_list_add(&api_followers(reading->agent->api)->list, &reading->link);
    }
    api_handle(call, &HANDLER, reading);
    api_head(call, 200, HEADERS, COR_COUNT(HEADERS));
    go_on(reading);
}

/* ---- which container ---- */

/* The life of the container whose log is asked for: its number and id; NULL: refused. The words are
 * those of the kubelet (pkg/kubelet/kubelet_pods.go, validateContainerLogStatus). */
static const char *choose(struct api_call *call, const struct agent_pod *pod, size_t index,
                          bool previous, uint32_t *attempt_r)
{
    const struct run_container *c = &pod->run->containers[index];
    const char *name = pod_container(pod->pod, index)->name;
    bool has_last = c->last.id != NULL && c->last.id[0] != '\0';
    bool made = c->state == RUN_RUNNING || c->state == RUN_EXITED || c->state == RUN_UNKNOWN;
    if (previous ? has_last : made) {
        *attempt_r = previous ? c->attempt - (c->attempt > 0) : c->attempt;
        return previous ? c->last.id : c->id;
    }
    if (previous) {
        api_refuse(call, 400, "previous terminated container \"%s\" in pod \"%s\" not found", name,
                   pod->pod->name);
        return NULL;
    }
    if (has_last) { /* the next one has not begun */
        uint32_t next = c->state == RUN_NONE ? c->next_attempt : c->attempt;
        *attempt_r = next - (next > 0);
        return c->last.id;
    }
    const char *reason = c->wait_reason == NULL ? "ContainerCreating" : c->wait_reason;
    const char *words = strcmp(reason, "ErrImagePull") == 0 ? "image can't be pulled"
                        : strcmp(reason, "ImagePullBackOff") == 0
                            ? "trying and failing to pull image"
                            : reason;
    api_refuse(call, 400, "container \"%s\" in pod \"%s\" is waiting to start: %s", name,
               pod->pod->name, words);
    return NULL;
}

void api_logs(struct api_call *call)
{
    struct agent *agent = api_agent(call);
    struct cor_err err = COR_ERR_NONE;
    struct log_options options;
    size_t index = 0;
    uint32_t attempt = 0;
    struct agent_pod *pod = api_find_container(call, 1, &index);
    if (pod == NULL) {
        return;
    }
    if (log_options_read(api_query(call), cor_wall_now().us * 1000, &options, &err) != COR_OK) {
        api_refuse(call, 422, "%s", err.text);
        return;
    }
    const char *id = choose(call, pod, index, options.previous, &attempt);
    if (id == NULL) {
        return;
    }
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(PATH_ROOM);
    struct reading *reading = cor_alloc(sizeof(*reading));
    *reading = (struct reading){.call = call, .agent = agent, .fd = -1, .options = options};
    cor_list_init(&reading->link);
    reading->again = cor_timer_new(agent->loop, go_on, reading);
    reading->pod_uid = cor_strdup(pod->uid);
    reading->id = cor_strdup(id);
    reading->path =
        cor_sprintf("%s/%s/%" PRIu32 ".log", crispec_log_dir(arena, &agent->node, pod->pod),
                    pod_container(pod->pod, index)->name, attempt);
    begin(reading);
}
