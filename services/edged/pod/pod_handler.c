// SPDX-License-Identifier: Apache-2.0
// Probes and hooks of a container. What their fields may hold is in fields.c and rules.c.
#include <string.h>

#include "pod_read.h"

const char *const pod_probe_keys[POD_CHECKS] = {"startupProbe", "livenessProbe", "readinessProbe"};

/* Where a handler is read. */
struct place {
    struct pod_reader *reader;
    const struct pod_container *container;
};

/* Integer member; the default when it is absent or 0. */
static int32_t number_of(const struct cor_json *json, const char *key, int32_t otherwise)
{
    int32_t n = (int32_t)cor_json_int_at(json, key, 0);
    return n == 0 ? otherwise : n;
}

static void name_port(const struct pod_container *c, const char *name, struct pod_handler *out)
{
    out->port_name = name;
    for (size_t i = 0; i < c->port_count; i++) {
        if (strcmp(c->ports[i].name, name) == 0) {
            out->port = c->ports[i].container_port;
            out->port_name = "";
            return;
        }
    }
}

/* Number, or the name of one of the container's ports. */
static void read_port(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    const struct cor_json *port = cor_json_get(json, "port");
    if (cor_json_is_string(port)) {
        name_port(at->container, cor_json_as_str(port, ""), out);
    } else {
        out->port = (int)cor_json_as_int(port, 0);
    }
}

static void read_headers(const struct place *at, const struct cor_json *list,
                         struct pod_handler *out)
{
    out->headers = pod_rows(at->reader, list, sizeof(*out->headers), POD_LIST_MAX, "httpHeaders",
                            &out->header_count);
    for (size_t i = 0; i < out->header_count; i++) {
        const struct cor_json *header = cor_json_item(list, i);
        out->headers[i] = (struct pod_header){pod_text(header, "name"), pod_text(header, "value")};
    }
}

static void read_exec(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    out->command = pod_strings(at->reader, cor_json_get(json, "command"), "command");
}

static void read_http(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    out->host = pod_text(json, "host");
    out->path = pod_text(json, "path");
    out->https = strcmp(pod_text(json, "scheme"), "HTTPS") == 0;
    read_port(at, json, out);
    read_headers(at, cor_json_get(json, "httpHeaders"), out);
}

static void read_tcp(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    out->host = pod_text(json, "host");
    read_port(at, json, out);
}

static void read_grpc(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    out->service = pod_text(json, "service");
    read_port(at, json, out);
}

static void read_sleep(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    (void)at;
    out->seconds = cor_json_int_at(json, "seconds", 0);
}

static const struct {
    const char *key;
    void (*read)(const struct place *at, const struct cor_json *json, struct pod_handler *out);
    bool probe, hook;
} kinds[POD_ACTS] = {
    [POD_ACT_EXEC] = {"exec", read_exec, true, true},
    [POD_ACT_HTTP] = {"httpGet", read_http, true, true},
    [POD_ACT_TCP] = {"tcpSocket", read_tcp, true, true},
    [POD_ACT_GRPC] = {"grpc", read_grpc, true, false},
    [POD_ACT_SLEEP] = {"sleep", read_sleep, false, true},
};

static void read_handler(const struct place *at, const struct cor_json *json, bool probe,
                         struct pod_handler *out)
{
    *out = (struct pod_handler){.host = "", .path = "", .service = "", .port_name = ""};
    for (size_t i = 0; i < POD_ACTS; i++) {
        const struct cor_json *action = cor_json_get(json, kinds[i].key);
        if ((probe ? kinds[i].probe : kinds[i].hook) && !cor_json_is_null(action)) {
            out->act = (enum pod_act)i;
            kinds[i].read(at, action, out);
        }
    }
}

static void *room(struct pod_reader *reader, size_t size)
{
    void *p = cor_arena_alloc(reader->arena, size);
    if (p == NULL) {
        (void)pod_bad(reader, COR_TOOBIG, "the pod is too big");
    }
    return p;
}

static void read_probe(struct pod_reader *reader, const struct cor_json *json, enum pod_check check,
                       struct pod_container *out)
{
    enum { TIMEOUT_S = 1, PERIOD_S = 10, FAILURES = 3 }; /* defaults of core/v1 */
    const struct place at = {reader, out};
    const struct cor_json *probe = cor_json_get(json, pod_probe_keys[check]);
    struct pod_probe *p = NULL;
    if (cor_json_is_null(probe) || (p = room(reader, sizeof(*p))) == NULL) {
        return;
    }
    read_handler(&at, probe, true, &p->handler);
    p->delay_seconds = number_of(probe, "initialDelaySeconds", 0);
    p->timeout_seconds = number_of(probe, "timeoutSeconds", TIMEOUT_S);
    p->period_seconds = number_of(probe, "periodSeconds", PERIOD_S);
    p->success_threshold = number_of(probe, "successThreshold", 1);
    p->failure_threshold = number_of(probe, "failureThreshold", FAILURES);
    p->grace_seconds = pod_number(probe, "terminationGracePeriodSeconds");
    out->probes[check] = p;
}

static struct pod_handler *read_hook(struct pod_reader *reader, const struct cor_json *lifecycle,
                                     const char *key, const struct pod_container *container)
{
    const struct place at = {reader, container};
    const struct cor_json *hook = cor_json_get(lifecycle, key);
    struct pod_handler *h = NULL;
    if (cor_json_is_null(hook) || (h = room(reader, sizeof(*h))) == NULL) {
        return NULL;
    }
    read_handler(&at, hook, false, h);
    return h;
}

void pod_read_handlers(struct pod_reader *reader, const struct cor_json *json,
                       struct pod_container *out)
{
    const struct cor_json *lifecycle = cor_json_get(json, "lifecycle");
    for (size_t i = 0; i < POD_CHECKS; i++) {
        read_probe(reader, json, (enum pod_check)i, out);
    }
    out->post_start = read_hook(reader, lifecycle, "postStart", out);
    out->pre_stop = read_hook(reader, lifecycle, "preStop", out);
}
