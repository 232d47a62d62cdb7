// SPDX-License-Identifier: Apache-2.0
// /exec, /attach, /portForward: the runtime gives a URL of its streaming server; the client's
// request to be upgraded goes there, and from then on bytes pass both ways, unread. The words of
// refusals are the kubelet's (pkg/kubelet/server/server.go, k8s.io/kubelet/pkg/cri/streaming).
#include <string.h>
#include <strings.h>

#include "api.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/httpd/head.h"
#include "common/httpd/uri.h"
#include "common/pipe/pipe.h"

enum {
    COMMANDS_MAX = 256,
    PORTS_MAX = 64,
    QUEUE_MAX = 256 * 1024,
    ANSWER_S = 30,
    HEADERS_MAX = 64
};

struct joint {
    struct api_call *call; /* NULL: the client is gone while the runtime is asked */
    struct cor_pipe *pipe; /* to the runtime's streaming server */
    struct cor_timer *timer;
    struct cor_head head; /* of its answer, as far as it has come */
    size_t held;          /* bytes of the client that the runtime has not taken */
    bool asking;          /* the runtime for a URL */
    bool joined;          /* bytes pass */
};

static void free_joint(struct joint *joint)
{
    cor_pipe_free(&joint->pipe);
    cor_timer_free(&joint->timer);
    cor_head_free(&joint->head);
    cor_free(joint);
}

static void refuse(struct joint *joint, int status, const char *text)
{
    struct api_call *call = joint->call;
    free_joint(joint);
    api_refuse(call, status, "%s", text);
}

static void end(struct joint *joint, const char *error)
{
    struct api_call *call = joint->call;
    free_joint(joint);
    api_end(call, error);
}

/* ---- joined ---- */

static void read_on(struct joint *joint)
{
    cor_pipe_read(joint->pipe, api_room(joint->call) >= COR_PIPE_BLOCK);
}

static void on_room(void *self)
{
    struct joint *joint = self;
    if (joint->joined) {
        read_on(joint);
    }
}

static void settle(struct joint *joint)
{
    size_t held = joint->held;
    joint->held = 0;
    if (held > 0) {
        api_took(joint->call, held);
    }
}

static void on_data(void *self, struct cor_view bytes, bool last)
{
    struct joint *joint = self;
    joint->held += bytes.len;
    if (bytes.len > 0 && cor_pipe_write(joint->pipe, bytes) == COR_BUSY) {
        end(joint, "the runtime does not take it"); /* more than the client has credit for */
        return;
    }
    if (cor_pipe_waiting(joint->pipe) == 0) {
        settle(joint);
    }
    if (last) {
        cor_pipe_end(joint->pipe);
    }
}

static void on_gone(void *self)
{
    struct joint *joint = self;
    joint->call = NULL;
    if (!joint->asking) {
        free_joint(joint);
    }
}

static const struct api_handler HANDLER = {on_room, on_data, on_gone};

/* ---- the runtime's answer ---- */

static void join(struct joint *joint, struct cor_view rest)
{
    struct api_header headers[HEADERS_MAX];
    char *texts[2 * HEADERS_MAX];
    size_t count = 0;
    size_t at = 0;
    struct cor_view name;
    struct cor_view value;
    while (count < HEADERS_MAX && cor_head_next(&joint->head, &at, &name, &value)) {
        texts[2 * count] = cor_view_dup(name);
        texts[2 * count + 1] = cor_view_dup(value);
        headers[count] = (struct api_header){texts[2 * count], texts[2 * count + 1]};
        count++;
    }
    api_head(joint->call, joint->head.status, headers, count);
    for (size_t i = 0; i < 2 * count; i++) {
        cor_free(texts[i]);
    }
    joint->joined = true;
    cor_timer_stop(joint->timer);
    cor_head_free(&joint->head);
    if (rest.len > 0) {
        api_write(joint->call, rest);
    }
    read_on(joint);
}

static void take_head(struct joint *joint, struct cor_view bytes)
{
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = cor_head_add(&joint->head, &bytes, &err);
    if (code == COR_OK && joint->head.status == 101) {
        join(joint, bytes);
    } else if (code == COR_OK) { /* what it says is short, and comes with the head */
        auto_(cor_freep) char *text = cor_view_dup(bytes);
        refuse(joint, joint->head.status, text);
    } else if (code != COR_RETRY) {
        refuse(joint, 502, err.text);
    }
}

static void on_pipe_bytes(void *self, struct cor_view bytes)
{
    struct joint *joint = self;
    if (!joint->joined) {
        take_head(joint, bytes);
        return;
    }
    api_write(joint->call, bytes);
    read_on(joint);
}

static void on_pipe_room(void *self)
{
    struct joint *joint = self;
    if (joint->joined) {
        settle(joint);
    }
}

static void on_pipe_end(void *self)
{
    struct joint *joint = self;
    if (!joint->joined) {
        refuse(joint, 502, "the runtime has closed the connection");
        return;
    }
    /* Its streaming server has nothing more to say: nothing that the client might still send is
     * of any use. */
    end(joint, NULL);
}

static void on_pipe_closed(void *self, const struct cor_err *err)
{
    struct joint *joint = self;
    if (joint->joined) {
        end(joint, NULL); /* as above; the runtime resets what it has not read */
    } else {
        refuse(joint, 502, err->text);
    }
}

static void on_timeout(void *self)
{
    refuse(self, 504, "the runtime does not answer");
}

/* ---- the request ---- */

static void write_request(const struct api_call *call, struct cor_view path, struct cor_view host,
                          struct cor_buf *out)
{
    static const char *const PASSED[] = {"Connection",
                                         "Upgrade",
                                         "X-Stream-Protocol-Version",
                                         "Sec-WebSocket-Key",
                                         "Sec-WebSocket-Version",
                                         "Sec-WebSocket-Protocol",
                                         "Sec-WebSocket-Extensions",
                                         "Origin"};
    size_t count = 0;
    const struct api_header *headers = api_headers(call, &count);
    cor_buf_fmt(out, "%.*s %.*s HTTP/1.1\r\nHost: %.*s\r\n", COR_VIEW_ARG(api_method(call)),
                COR_VIEW_ARG(path), COR_VIEW_ARG(host));
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < COR_COUNT(PASSED); j++) {
            if (strcasecmp(headers[i].name, PASSED[j]) == 0 &&
                strpbrk(headers[i].value, "\r\n") == NULL) {
                cor_buf_fmt(out, "%s: %s\r\n", headers[i].name, headers[i].value);
            }
        }
    }
    cor_buf_str(out, "\r\n");
}

static bool is_safe(struct cor_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 127) {
            return false;
        }
    }
    return text.len > 0;
}

/* "http://HOST:PORT/PATH": connects and asks there. */
static void connect_to(struct joint *joint, const char *url)
{
    static const struct cor_pipe_spec SPEC = {.bytes = on_pipe_bytes,
                                              .room = on_pipe_room,
                                              .end = on_pipe_end,
                                              .closed = on_pipe_closed,
                                              .max_queue = QUEUE_MAX};
    struct cor_pipe_spec spec = SPEC;
    struct cor_loop *loop = api_agent(joint->call)->loop;
    struct cor_view host = cor_view_of(url);
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_buf_free) struct cor_buf request = {0};
    if (!cor_view_starts(host, "http://")) {
        refuse(joint, 502, "the runtime's streaming server has no http URL");
        return;
    }
    host = cor_view_of(url + strlen("http://"));
    const char *slash = strchr(host.ptr, '/');
    struct cor_view path = cor_view_of(slash == NULL ? "/" : slash);
    host.len = slash == NULL ? host.len : (size_t)(slash - host.ptr);
    auto_(cor_freep) char *address = cor_view_dup(host);
    spec.self = joint;
    joint->pipe = cor_pipe_new(loop, &spec);
    if (!is_safe(host) || !is_safe(path) ||
        cor_pipe_connect(joint->pipe, address, &err) != COR_OK) {
        refuse(joint, 502, "the runtime's streaming server cannot be reached");
        return;
    }
    write_request(joint->call, path, host, &request);
    joint->timer = cor_timer_new(loop, on_timeout, joint);
    cor_timer_start(joint->timer, COR_SEC(ANSWER_S));
    (void)!cor_pipe_write(joint->pipe, cor_buf_as_view(&request)); /* it waits for the connection */
    cor_pipe_read(joint->pipe, true);
}

static void on_url(void *self, const struct cri_answer *answer)
{
    struct joint *joint = self;
    joint->asking = false;
    if (joint->call == NULL) {
        free_joint(joint);
    } else if (answer->code != COR_OK) {
        refuse(joint, 500, answer->text);
    } else {
        connect_to(joint, answer->url);
    }
}

/* ---- what is asked ---- */

/* All values of a parameter, decoded. False: too many, or not readable. */
static bool values_of(struct cor_view query, const char *name, char **out, size_t max,
                      size_t *count_r)
{
    struct cor_view part;
    *count_r = 0;
    while (cor_view_split(&query, '&', &part)) {
        struct cor_view value = part;
        struct cor_view key;
        auto_(cor_buf_free) struct cor_buf text = {0};
        if (!cor_view_split(&value, '=', &key) || !cor_view_is(key, name)) {
            continue;
        }
        if (*count_r == max || (value.len > 0 && !cor_uri_decode(value, true, &text))) {
            return false;
        }
        out[(*count_r)++] = cor_buf_take(&text);
    }
    return true;
}

/* k8s.io/kubelet/pkg/cri/streaming/remotecommand NewOptions: the names of API servers. */
static struct cri_streams streams_of(const struct api_call *call)
{
    struct cor_view query = api_query(call);
    struct cri_streams streams = {.in = cor_query_is(query, "input"),
                                  .out = cor_query_is(query, "output"),
                                  .err = cor_query_is(query, "error"),
                                  .tty = cor_query_is(query, "tty")};
    streams.err = streams.err && !streams.tty; /* a terminal has one output */
    return streams;
}

static struct joint *joint_new(struct api_call *call)
{
    struct joint *joint = cor_alloc(sizeof(*joint));
    joint->call = call;
    joint->asking = true;
    api_handle(call, &HANDLER, joint);
    return joint;
}

/* Whether the client asks to be upgraded; else it has been refused. */
static bool wants_upgrade(struct api_call *call)
{
    if (api_header(call, "Upgrade") != NULL) {
        return true;
    }
    api_refuse(call, 400, "Upgrade request required");
    return false;
}

/* The container's id, when it runs; NULL: refused. */
static const char *running(struct api_call *call)
{
    size_t index = 0;
    struct agent_pod *pod = api_find_container(call, 1, &index);
    if (pod == NULL || !wants_upgrade(call)) {
        return NULL;
    }
    const struct run_container *container = &pod->run->containers[index];
    if (container->state != RUN_RUNNING) {
        api_refuse(call, 500, "container not found (\"%s\")", pod_container(pod->pod, index)->name);
        return NULL;
    }
    return container->id;
}

void api_exec(struct api_call *call)
{
    char *command[COMMANDS_MAX];
    size_t count = 0;
    const char *id = running(call);
    if (id == NULL) {
        return;
    }
    struct cri_streams streams = streams_of(call);
    bool readable = values_of(api_query(call), "command", command, COMMANDS_MAX, &count);
    if (!readable || count == 0) {
        api_refuse(call, 400,
                   count == 0 ? "you must specify at least 1 command"
                              : "the command is too long, or not UTF-8");
    } else if (!streams.in && !streams.out && !streams.err) {
        api_refuse(call, 400, "you must specify at least 1 of stdin, stdout, stderr");
    } else {
        struct cri_strings words = {(const char *const *)command, count};
        cri_exec(api_agent(call)->cri, id, &streams, words, on_url, joint_new(call));
    }
    for (size_t i = 0; i < count; i++) {
        cor_free(command[i]);
    }
}

void api_attach(struct api_call *call)
{
    const char *id = running(call);
    if (id == NULL) {
        return;
    }
    struct cri_streams streams = streams_of(call);
    if (!streams.in && !streams.out && !streams.err) {
        api_refuse(call, 400, "you must specify at least 1 of stdin, stdout, stderr");
        return;
    }
    cri_attach(api_agent(call)->cri, id, &streams, on_url, joint_new(call));
}

void api_port_forward(struct api_call *call)
{
    const char *ns = api_part(call, 1);
    const char *name = api_part(call, 2);
    char *texts[PORTS_MAX];
    int32_t ports[PORTS_MAX];
    size_t count = 0;
    struct agent_pod *pod = agent_find_named(api_agent(call), ns, name);
    if (pod == NULL || pod->run->sandbox.state != RUN_BOX_READY) {
        api_refuse(call, pod == NULL ? 404 : 500,
                   pod == NULL ? "pod \"%s\" does not exist" : "pod \"%s\" is not running", name);
        return;
    }
    if (!wants_upgrade(call)) {
        return;
    }
    bool readable = values_of(api_query(call), "port", texts, PORTS_MAX, &count);
    for (size_t i = 0; i < count; i++) {
        int64_t port = 0;
        readable =
            readable && cor_view_i64(cor_view_of(texts[i]), &port) && port > 0 && port <= 65535;
        ports[i] = (int32_t)port;
        cor_free(texts[i]);
    }
    if (!readable) {
        api_refuse(call, 400, "ports: expected numbers from 1 to 65535");
        return;
    }
    cri_port_forward(api_agent(call)->cri, pod->run->sandbox.id, ports, count, on_url,
                     joint_new(call));
}
