// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/ctl.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/mem.h"
#include "common/clock/clock.h"

enum { ANSWER_MAX = 64 << 20, HWM = 100000 };

struct tool_ctl {
    void *context;
    void *sock;
    zmq_msg_t msg; /* the last one received */
    struct cor_arena *arena;
    uint64_t next_id;
};

/* ---- finding ------------------------------------------------------------------------------------
 */

static void add(struct tool_services *services, const char *run, const char *name)
{
    services->items = cor_realloc(services->items, services->count + 1, sizeof(*services->items));
    services->items[services->count++] = (struct tool_service){
        .name = cor_strdup(name),
        .path = cor_sprintf("%s/ctl/%s", run, name),
        .run = cor_strdup(run),
    };
}

static void find_in(const char *run, struct tool_services *services)
{
    auto_(cor_freep) char *folder = cor_sprintf("%s/ctl", run);
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", folder, entries[i]->d_name);
        struct stat st;
        if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
            add(services, run, entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
}

void tool_find(const char *run, struct tool_services *services_r)
{
    *services_r = (struct tool_services){0};
    find_in(run, services_r);
    struct dirent **entries = NULL;
    int count = scandir(run, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            auto_(cor_freep) char *below = cor_sprintf("%s/%s", run, entries[i]->d_name);
            find_in(below, services_r);
        }
        free(entries[i]);
    }
    free(entries);
}

void tool_services_free(struct tool_services *services)
{
    for (size_t i = 0; i < services->count; i++) {
        cor_free(services->items[i].name);
        cor_free(services->items[i].path);
        cor_free(services->items[i].run);
    }
    cor_free(services->items);
    *services = (struct tool_services){0};
}

/* ---- talking ------------------------------------------------------------------------------------
 */

static void set_int(void *sock, int option, int value)
{
    (void)zmq_setsockopt(sock, option, &value, sizeof(value));
}

enum cor_code tool_ctl_open(const char *path, struct tool_ctl **ctl_r, struct cor_err *err)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        return cor_err_set(err, COR_NOTFOUND, "%s: no service there", path);
    }
    if (access(path, W_OK) != 0) {
        return cor_err_set(err, COR_DENIED, "%s: only root and the service's user may ask", path);
    }
    struct tool_ctl *ctl = cor_alloc(sizeof(*ctl));
    ctl->context = zmq_ctx_new();
    ctl->sock = zmq_socket(ctl->context, ZMQ_DEALER);
    ctl->arena = cor_arena_new(1 << 20);
    ctl->next_id = 1;
    (void)zmq_msg_init(&ctl->msg);
    set_int(ctl->sock, ZMQ_LINGER, 0);
    set_int(ctl->sock, ZMQ_RCVHWM, HWM);
    auto_(cor_freep) char *address = cor_sprintf("ipc://%s", path);
    if (zmq_connect(ctl->sock, address) != 0) {
        (void)cor_err_set(err, COR_IO, "%s: %s", path, zmq_strerror(zmq_errno()));
        tool_ctl_close(&ctl);
        return COR_IO;
    }
    *ctl_r = ctl;
    return COR_OK;
}

void tool_ctl_close(struct tool_ctl **ctl)
{
    if (*ctl != NULL) {
        (void)zmq_msg_close(&(*ctl)->msg);
        (void)zmq_close((*ctl)->sock);
        (void)zmq_ctx_term((*ctl)->context);
        cor_arena_free(&(*ctl)->arena);
        cor_freep(ctl);
    }
}

static enum cor_code send(struct tool_ctl *ctl, enum cor_wire number, const void *body,
                          struct cor_err *err)
{
    const struct cor_message *m = cor_message_find(cor_wire_messages(), (uint16_t)number);
    struct cor_wire_header header = {.number = number, .id = ctl->next_id++};
    auto_(cor_buf_free) struct cor_buf frame = {0};
    cor_frame_write(&header, m->body, body, &frame);
    if (zmq_send(ctl->sock, frame.data, frame.len, 0) < 0) {
        return cor_err_set(err, COR_IO, "%s", zmq_strerror(zmq_errno()));
    }
    return COR_OK;
}

/* The next frame, waiting until deadline. COR_TIMEOUT. */
static enum cor_code receive(struct tool_ctl *ctl, struct cor_mono deadline,
                             struct cor_wire_header *head, struct cor_view *raw,
                             struct cor_err *err)
{
    for (;;) {
        int64_t left = cor_mono_since(deadline, cor_mono_now()) / 1000;
        zmq_pollitem_t item = {.socket = ctl->sock, .events = ZMQ_POLLIN};
        if (left < 0 || zmq_poll(&item, 1, left) == 0) {
            return cor_err_set(err, COR_TIMEOUT, "no answer in time");
        }
        if (zmq_msg_recv(&ctl->msg, ctl->sock, ZMQ_DONTWAIT) < 0) {
            continue;
        }
        struct cor_view frame = {zmq_msg_data(&ctl->msg), zmq_msg_size(&ctl->msg)};
        if (cor_frame_read(frame, head, raw, err) == COR_OK) {
            return COR_OK;
        }
    }
}

enum cor_code tool_ctl_ask(struct tool_ctl *ctl, const char *verb, struct cor_view args,
                           int within_ms, struct cor_buf *answer, struct cor_err *err)
{
    struct cor_mono deadline = cor_mono_add(cor_mono_now(), COR_MS(within_ms));
    struct cor_wire_ctl_call call = {.verb = cor_view_of(verb), .args = args};
    uint64_t id = ctl->next_id;
    enum cor_code code = send(ctl, COR_WIRE_CTL_CALL, &call, err);
    while (code == COR_OK) {
        struct cor_wire_header head;
        struct cor_view raw;
        code = receive(ctl, deadline, &head, &raw, err);
        cor_arena_reset(ctl->arena);
        struct cor_wire_error error;
        struct cor_wire_ctl_reply reply;
        if (code != COR_OK || head.re != id) {
            continue;
        }
        if (head.number == COR_WIRE_ERROR &&
            cor_decode(&cor_wire_error_table, raw, ctl->arena, &error, err) == COR_OK) {
            code = error.code > 0 && error.code < COR_CODE_COUNT ? (enum cor_code)error.code
                                                                 : COR_INTERNAL;
            return cor_err_set(err, code, "%.*s", COR_VIEW_ARG(error.text));
        }
        code = cor_decode(&cor_wire_ctl_reply_table, raw, ctl->arena, &reply, err);
        if (code == COR_OK) {
            cor_buf_view(answer, reply.result);
        }
        return code;
    }
    return code;
}

enum cor_code tool_ask(const char *path, const char *verb, struct cor_view args, int within_ms,
                       struct cor_buf *answer, struct cor_err *err)
{
    auto_(tool_ctl_close) struct tool_ctl *ctl = NULL;
    enum cor_code code = tool_ctl_open(path, &ctl, err);
    return code == COR_OK ? tool_ctl_ask(ctl, verb, args, within_ms, answer, err) : code;
}

enum cor_code tool_ask_json(const char *path, const char *verb, struct cor_view args, int within_ms,
                            struct cor_json **answer_r, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf answer = {0};
    *answer_r = NULL;
    enum cor_code code = tool_ask(path, verb, args, within_ms, &answer, err);
    return code == COR_OK ? cor_json_parse(cor_buf_as_view(&answer), ANSWER_MAX, 0, answer_r, err)
                          : code;
}

enum cor_code tool_ctl_watch(struct tool_ctl *ctl, struct cor_err *err)
{
    struct cor_wire_tap tap = {.on = true};
    return send(ctl, COR_WIRE_TAP, &tap, err);
}

bool tool_ctl_next(struct tool_ctl *ctl, struct cor_wire_tapped *tapped_r)
{
    while (zmq_msg_recv(&ctl->msg, ctl->sock, ZMQ_DONTWAIT) >= 0) {
        struct cor_wire_header head;
        struct cor_view raw;
        struct cor_err err;
        struct cor_view frame = {zmq_msg_data(&ctl->msg), zmq_msg_size(&ctl->msg)};
        cor_arena_reset(ctl->arena);
        if (cor_frame_read(frame, &head, &raw, &err) == COR_OK && head.number == COR_WIRE_TAPPED &&
            cor_decode(&cor_wire_tapped_table, raw, ctl->arena, tapped_r, &err) == COR_OK) {
            return true;
        }
    }
    return false;
}

bool tool_ctl_wait(struct tool_ctl *const *ctls, size_t count, int within_ms)
{
    zmq_pollitem_t *items = cor_calloc(count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        items[i] = (zmq_pollitem_t){.socket = ctls[i]->sock, .events = ZMQ_POLLIN};
    }
    int n = zmq_poll(items, (int)count, within_ms);
    cor_free(items);
    return n >= 0;
}
