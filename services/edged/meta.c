// SPDX-License-Identifier: Apache-2.0
#include "meta.h"

#include "common/base/list.h"
#include "common/base/mem.h"

/* An answer from the cloud may take as long as EdgeCore's would: 60 s, and a bit for metamanager to
 * say so itself. */
enum { CALL_S = 62 };

struct meta {
    struct cor_port *port;
    const struct meta_events *events;
    void *self;
    struct cor_link calls;
};

struct call {
    struct cor_link link;
    meta_fn fn;
    void *self; /* NULL: forgotten */
};

static void on_up(void *self, struct cor_port *port)
{
    (void)port;
    struct meta *meta = self;
    meta->events->session(meta->self, true);
}

static void on_down(void *self, struct cor_port *port)
{
    (void)port;
    struct meta *meta = self;
    meta->events->session(meta->self, false);
}

static enum cor_code on_object(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)err;
    struct meta *meta = self;
    meta->events->object(meta->self, body);
    return COR_OK;
}

static enum cor_code on_objects_done(void *self, struct cor_in *in, const void *body,
                                     struct cor_err *err)
{
    (void)in;
    (void)body;
    (void)err;
    struct meta *meta = self;
    meta->events->done(meta->self);
    return COR_OK;
}

static enum cor_code on_link(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)err;
    struct meta *meta = self;
    const struct px_link *link = body;
    meta->events->link(meta->self, link->up);
    return COR_OK;
}

static const struct cor_handler handlers[] = {
    {PX_object, on_object}, {PX_objects_done, on_objects_done}, {PX_link, on_link}};

static const struct cor_port_ops ops = {
    .up = on_up, .down = on_down, .handlers = handlers, .handler_count = COR_COUNT(handlers)};

enum cor_code meta_open(struct cor_bus *bus, const struct meta_events *events, void *self,
                        struct meta **meta_r, struct cor_err *err)
{
    struct meta *meta = cor_alloc(sizeof(*meta));
    meta->events = events;
    meta->self = self;
    cor_list_init(&meta->calls);
    enum cor_code code =
        cor_port_open(bus, px_endpoint(PX_ENDPOINT_META_EDGED), &ops, meta, &meta->port, err);
    if (code != COR_OK) {
        cor_freep(&meta);
    }
    *meta_r = meta;
    return code;
}

void meta_close(struct meta **meta)
{
    if (*meta == NULL) {
        return;
    }
    cor_port_close(&(*meta)->port);
    cor_freep(meta);
}

static void on_reply(void *self, const void *body, const struct cor_err *err)
{
    struct call *call = self;
    const struct px_api_reply *reply = body;
    cor_list_del(&call->link);
    if (call->self != NULL) {
        int status = reply == NULL || reply->status > 999 ? 0 : (int)reply->status;
        call->fn(call->self, status, reply != NULL ? reply->body : cor_view_of(err->text));
    }
    cor_free(call);
}

bool meta_call(struct meta *meta, enum px_verb verb, const char *key, enum px_patch patch,
               struct cor_view body, meta_fn fn, void *self)
{
    if (meta->port == NULL) {
        return false; /* closing */
    }
    const struct px_api_call request = {
        .verb = verb,
        .key = cor_view_of(key),
        .patch = patch,
        .body = body,
        .brief = verb == PX_VERB_PATCH || verb == PX_VERB_DELETE, /* no fn reads it */
    };
    struct call *call = cor_alloc(sizeof(*call));
    *call = (struct call){.fn = fn, .self = self};
    cor_list_add(&meta->calls, &call->link);
    if (cor_call(meta->port, PX_api_call, &request, COR_SEC(CALL_S), on_reply, call) != COR_OK) {
        cor_list_del(&call->link);
        cor_free(call);
        return false;
    }
    return true;
}

void meta_forget(struct meta *meta, const void *self)
{
    COR_LIST_EACH (link, &meta->calls) {
        struct call *call = COR_LIST_OBJECT(link, struct call, link);
        if (call->self == self) {
            call->self = NULL;
        }
    }
}
