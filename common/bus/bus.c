// SPDX-License-Identifier: Apache-2.0
#include "common/bus/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "room.h"

/* Bodies are views into the frame; only lists need memory of their own. */
enum { ARENA_BYTES = 8 << 20 };

static enum cor_code make_folder(const struct cor_bus *bus, const char *name, struct cor_err *err)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", bus->spec.run_dir, name);
    return cor_mkdirs(path, 0750, err);
}

enum cor_code cor_bus_lock(const struct cor_bus *bus, const char *name, int *fd_r,
                           struct cor_err *err)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/bus/%s.lock", bus->spec.run_dir, name);
    auto_(cor_fd_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK
                   ? cor_err_set(err, COR_BUSY, "%s: another process has this role", path)
                   : cor_err_sys(err, COR_IO, errno, "%s", path);
    }
    *fd_r = fd;
    fd = -1;
    return COR_OK;
}

enum cor_code cor_bus_new(const struct cor_bus_spec *spec, struct cor_bus **bus_r,
                          struct cor_err *err)
{
    struct cor_bus *bus = cor_alloc(sizeof(*bus));
    bus->spec = *spec;
    cor_list_init(&bus->ports);
    must(getrandom(&bus->boot, sizeof(bus->boot), 0) == (ssize_t)sizeof(bus->boot));
    bus->next_id = bus->boot << 40 | 1;
    bus->arena = cor_arena_new(ARENA_BYTES);
    bus->counters = cor_map_new(cor_free);
    bus->context = zmq_ctx_new();
    if (bus->context == NULL) {
        cor_die("ZeroMQ context: %s", zmq_strerror(zmq_errno()));
    }
    enum cor_code code = make_folder(bus, "bus", err);
    if (code == COR_OK) {
        code = make_folder(bus, "ctl", err);
    }
    if (code == COR_OK) {
        code = cor_ctl_open(bus, err);
    }
    if (code != COR_OK) {
        cor_bus_free(&bus);
        return code;
    }
    *bus_r = bus;
    return COR_OK;
}

void cor_bus_free(struct cor_bus **bus)
{
    if (*bus == NULL) {
        return;
    }
    struct cor_bus *self = *bus;
    *bus = NULL;
    must(cor_list_empty(&self->ports));
    cor_ctl_close(self);
    (void)zmq_ctx_term(self->context);
    cor_map_free(&self->counters);
    cor_arena_free(&self->arena);
    cor_free(self);
}

uint64_t cor_bus_boot(const struct cor_bus *bus)
{
    return bus->boot;
}

uint64_t cor_bus_cause(const struct cor_bus *bus)
{
    return bus->cause;
}

void cor_bus_set_cause(struct cor_bus *bus, uint64_t cause)
{
    bus->cause = cause;
    cor_log_set_cause(cause);
}

uint64_t cor_bus_next_id(struct cor_bus *bus)
{
    return bus->next_id++;
}

static void count(struct cor_bus *bus, uint16_t number, bool sent)
{
    const struct cor_message *m = cor_message_find(
        number <= COR_WIRE_LAST ? cor_wire_messages() : bus->spec.messages, number);
    if (m == NULL) {
        return;
    }
    struct cor_view name = cor_view_of(m->name);
    struct cor_counter *counter = cor_map_get(bus->counters, name);
    if (counter == NULL) {
        counter = cor_alloc(sizeof(*counter));
        cor_map_set(bus->counters, name, counter);
    }
    counter->sent += sent ? 1 : 0;
    counter->received += sent ? 0 : 1;
}

void cor_bus_saw(struct cor_port *port, uint16_t number, struct cor_view frame, bool sent)
{
    struct cor_bus *bus = port->bus;
    count(bus, number, sent);
    if (!cor_ctl_watched(bus)) {
        return;
    }
    const char *us = bus->spec.service;
    const char *them = port->session.peer;
    struct cor_wire_tapped tapped = {
        .endpoint = cor_view_of(port->endpoint->name),
        .from = cor_view_of(sent ? us : them),
        .to = cor_view_of(sent ? them : us),
        .sent = sent,
        .time_us = cor_wall_now().us,
        .size = frame.len,
        .frame = frame,
    };
    cor_ctl_tap(bus, &tapped);
}

bool cor_bus_watched(const struct cor_bus *bus)
{
    return cor_ctl_watched(bus);
}

void cor_bus_show(struct cor_bus *bus, const struct cor_foreign *foreign)
{
    int64_t now = cor_wall_now().us;
    struct cor_wire_header header = {
        .number = foreign->number, .id = foreign->id, .cause = foreign->cause, .time_us = now};
    auto_(cor_buf_free) struct cor_buf made = {0};
    struct cor_view frame = foreign->frame;
    if (frame.ptr == NULL) {
        const struct cor_message *m = cor_message_find(bus->spec.messages, foreign->number);
        must(m != NULL);
        cor_frame_write(&header, m->body, foreign->body, &made);
        frame = cor_buf_as_view(&made);
    }
    struct cor_wire_tapped tapped = {
        .endpoint = cor_view_of(foreign->wire),
        .from = cor_view_of(foreign->from),
        .to = cor_view_of(foreign->to),
        .sent = foreign->sent,
        .time_us = now,
        .size = frame.len,
        .frame = frame,
    };
    cor_ctl_tap(bus, &tapped);
}
