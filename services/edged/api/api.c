// SPDX-License-Identifier: Apache-2.0
#include "api.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/httpd/uri.h"

/* Bytes of an answer that wait for the client; parts of a path that are looked at. */
enum { HIGH = 256 * 1024, PARTS_MAX = 6, TEXT_MAX = 1024 };

struct api {
    struct agent *agent;
    struct cor_link calls;
    struct api_followers *followers;
    struct stats_source *source;
    size_t count;
};

struct api_call {
    struct cor_link link;
    struct api *api;
    char *method;
    char *query;
    char *parts[PARTS_MAX];
    struct api_header *headers; /* owned, with their strings */
    size_t header_count;
    const struct api_front *front;
    void *front_self;
    const struct api_handler *handler;
    void *handler_self;
    size_t credit;
    struct cor_buf out;
    size_t out_at; /* sent of it */
    bool begun;    /* the head was sent */
    bool last;     /* nothing more comes for the client... */
    bool told;     /* ...and it knows */
    bool ending;   /* by api_end */
    bool inside;   /* of api_begin */
    bool over;     /* gone; freed when api_begin returns */
};

static void free_call(struct api_call *call)
{
    cor_list_del(&call->link);
    call->api->count--;
    for (size_t i = 0; i < PARTS_MAX; i++) {
        cor_free(call->parts[i]);
    }
    for (size_t i = 0; i < call->header_count; i++) {
        cor_free((char *)(uintptr_t)call->headers[i].name);
        cor_free((char *)(uintptr_t)call->headers[i].value);
    }
    cor_free(call->headers);
    cor_free(call->method);
    cor_free(call->query);
    cor_buf_free(&call->out);
    cor_free(call);
}

static void drop(struct api_call *call)
{
    call->handler = NULL;
    call->over = true;
    if (!call->inside) {
        free_call(call);
    }
}

/* ---- sending ---- */

static size_t waiting(const struct api_call *call)
{
    return call->out.len - call->out_at;
}

/* False: the call is over. */
static bool flush(struct api_call *call)
{
    while (waiting(call) > 0 && call->credit > 0) {
        size_t len = waiting(call) < call->credit ? waiting(call) : call->credit;
        struct cor_view piece = {call->out.data + call->out_at, len};
        call->credit -= len;
        call->out_at += len;
        call->told = call->last && waiting(call) == 0;
        call->front->data(call->front_self, piece, call->told);
    }
    if (waiting(call) > 0) {
        return true;
    }
    cor_buf_clear(&call->out);
    call->out_at = 0;
    if (call->last && !call->told) {
        call->told = true;
        call->front->data(call->front_self, (struct cor_view){0}, true);
    }
    if (call->ending) {
        call->front->end(call->front_self, NULL);
        drop(call);
        return false;
    }
    return true;
}

void api_head(struct api_call *call, int status, const struct api_header *headers, size_t count)
{
    call->begun = true;
    call->front->head(call->front_self, status, headers, count);
}

size_t api_room(const struct api_call *call)
{
    size_t used = waiting(call);
    return used < HIGH && !call->last ? HIGH - used : 0;
}

void api_write(struct api_call *call, struct cor_view bytes)
{
    if (call->out_at > 0 && call->out_at == call->out.len) {
        cor_buf_clear(&call->out);
        call->out_at = 0;
    }
    cor_buf_view(&call->out, bytes);
    (void)flush(call);
}

void api_last(struct api_call *call)
{
    call->last = true;
    (void)flush(call);
}

void api_took(struct api_call *call, size_t bytes)
{
    call->front->took(call->front_self, bytes);
}

void api_end(struct api_call *call, const char *error)
{
    call->handler = NULL;
    if (error != NULL) {
        call->front->end(call->front_self, error);
        drop(call);
        return;
    }
    call->last = true;
    call->ending = true;
    (void)flush(call);
}

void api_answer(struct api_call *call, int status, const char *type, struct cor_view body)
{
    const struct api_header headers[] = {{"Content-Type", type}};
    api_head(call, status, headers, COR_COUNT(headers));
    call->handler = NULL;
    cor_buf_view(&call->out, body);
    api_end(call, NULL);
}

void api_refuse(struct api_call *call, int status, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    api_answer(call, status, "text/plain; charset=utf-8", cor_view_of(text));
}

/* ---- what is asked ---- */

struct agent *api_agent(const struct api_call *call)
{
    return call->api->agent;
}

struct cor_view api_method(const struct api_call *call)
{
    return cor_view_of(call->method);
}

struct cor_view api_query(const struct api_call *call)
{
    return cor_view_of(call->query);
}

const struct api_header *api_headers(const struct api_call *call, size_t *count_r)
{
    *count_r = call->header_count;
    return call->headers;
}

const char *api_header(const struct api_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++) {
        if (strcasecmp(call->headers[i].name, name) == 0) {
            return call->headers[i].value;
        }
    }
    return NULL;
}

const char *api_part(const struct api_call *call, size_t index)
{
    return index < PARTS_MAX && call->parts[index] != NULL ? call->parts[index] : "";
}

void api_handle(struct api_call *call, const struct api_handler *handler, void *self)
{
    call->handler = handler;
    call->handler_self = self;
}

/* Splits the path; false when it cannot be decoded or is too deep. */
static bool read_path(struct api_call *call, struct cor_view path)
{
    struct cor_view part;
    size_t count = 0;
    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    path = (struct cor_view){path.ptr + 1, path.len - 1};
    while (cor_view_split(&path, '/', &part)) {
        struct cor_buf text = {0};
        if (count == PARTS_MAX || !cor_uri_decode(part, false, &text)) {
            cor_buf_free(&text);
            return false;
        }
        call->parts[count++] = cor_buf_take(&text);
    }
    return true;
}

static const struct {
    const char *first; /* part of the path */
    void (*fn)(struct api_call *call);
} ROUTES[] = {
    {"containerLogs", api_logs},       {"exec", api_exec},       {"attach", api_attach},
    {"portForward", api_port_forward}, {"healthz", api_healthz}, {"pods", api_pods},
    {"runningpods", api_running_pods}, {"configz", api_configz}, {"stats", api_stats},
    {"metrics", api_metrics},          {"run", api_run},
};

static void dispatch(struct api_call *call, bool readable)
{
    for (size_t i = 0; readable && i < COR_COUNT(ROUTES); i++) {
        if (strcmp(api_part(call, 0), ROUTES[i].first) == 0) {
            ROUTES[i].fn(call);
            return;
        }
    }
    api_refuse(call, 404, "404 page not found\n");
}

static struct api_call *new_call(struct api *api, const struct api_request *request)
{
    struct api_call *call = cor_alloc(sizeof(*call));
    call->api = api;
    api->count++;
    cor_list_init(&call->link);
    cor_list_add(&api->calls, &call->link);
    call->method = cor_view_dup(request->method);
    call->headers = cor_alloc((request->header_count + 1) * sizeof(*call->headers));
    call->header_count = request->header_count;
    for (size_t i = 0; i < request->header_count; i++) {
        call->headers[i].name = cor_strdup(request->headers[i].name);
        call->headers[i].value = cor_strdup(request->headers[i].value);
    }
    return call;
}

struct api_call *api_begin(struct agent *agent, const struct api_request *request,
                           const struct api_front *front, void *self, size_t credit)
{
    struct api_call *call = new_call(agent->api, request);
    struct cor_view path;
    struct cor_view query;
    cor_uri_split(request->target, &path, &query);
    call->query = cor_view_dup(query);
    call->front = front;
    call->front_self = self;
    call->credit = credit;
    call->inside = true;
    dispatch(call, read_path(call, path));
    call->inside = false;
    if (call->over) {
        free_call(call);
        return NULL;
    }
    return call;
}

void api_gain(struct api_call *call, size_t bytes)
{
    call->credit += bytes;
    if (flush(call) && call->handler != NULL && call->handler->room != NULL && api_room(call) > 0) {
        call->handler->room(call->handler_self);
    }
}

void api_data(struct api_call *call, struct cor_view bytes, bool last)
{
    if (call->handler != NULL && call->handler->data != NULL) {
        call->handler->data(call->handler_self, bytes, last);
    } else {
        api_took(call, bytes.len);
    }
}

void api_gone(struct api_call *call)
{
    const struct api_handler *handler = call->handler;
    call->handler = NULL;
    if (handler != NULL) {
        handler->gone(call->handler_self);
    }
    drop(call);
}

struct agent_pod *api_find_container(struct api_call *call, size_t index, size_t *container_r)
{
    const char *ns = api_part(call, index);
    const char *name = api_part(call, index + 1);
    bool with_uid = api_part(call, index + 3)[0] != '\0';
    const char *container = api_part(call, with_uid ? index + 3 : index + 2);
    const char *uid = with_uid ? api_part(call, index + 2) : NULL;
    struct agent_pod *pod = agent_find_named(api_agent(call), ns, name);
    if (pod == NULL || (uid != NULL && strcmp(uid, pod->uid) != 0)) {
        api_refuse(call, 404, "pod \"%s\" does not exist", name);
        return NULL;
    }
    for (size_t i = 0; i < pod->run->count; i++) {
        if (strcmp(pod_container(pod->pod, i)->name, container) == 0) {
            *container_r = i;
            return pod;
        }
    }
    api_refuse(call, 404, "container \"%s\" not found in pod \"%s\"", container, name);
    return NULL;
}

struct api *api_new(struct agent *agent)
{
    struct api *api = cor_alloc(sizeof(*api));
    api->agent = agent;
    cor_list_init(&api->calls);
    api->followers = api_followers_new(agent->loop);
    api->source = stats_source_new(agent);
    return api;
}

void api_free(struct api **api)
{
    if (*api != NULL) {
        while (!cor_list_empty(&(*api)->calls)) {
            api_gone(COR_LIST_OBJECT((*api)->calls.next, struct api_call, link));
        }
        api_followers_free(&(*api)->followers);
        stats_source_free(&(*api)->source);
        cor_freep(api);
    }
}

struct api_followers *api_followers(struct api *api)
{
    return api->followers;
}

struct stats_source *api_source(const struct api *api)
{
    return api->source;
}

size_t api_count(const struct api *api)
{
    return api->count;
}
