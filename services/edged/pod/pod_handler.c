// SPDX-License-Identifier: Apache-2.0
// Probes and hooks of a container, with the limits that the API server sets (k8s.io/kubernetes
// pkg/apis/core/validation ValidateProbe, validateHandler).
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pod_read.h"

enum { PORT_NAME_MAX = 15, PORT_MAX = 65535 };

/* Where a handler is in the object, for messages. */
struct place {
    struct pod_reader *reader;
    const struct pod_container *container;
    const char *path;
};

static bool wrong(const struct place *at, const char *field, const char *what)
{
    return pod_bad(at->reader, COR_INVALID, "container %s: %s.%s: %s", at->container->name,
                   at->path, field, what);
}

/* Integer member from least to most; the default when it is absent or 0. */
static int64_t number_in(const struct place *at, const struct cor_json *json, const char *key,
                         int64_t least, int64_t most, int64_t otherwise)
{
    const struct cor_json *value = cor_json_get(json, key);
    if (cor_json_is_null(value)) {
        return otherwise;
    }
    int64_t n = cor_json_as_int(value, INT64_MIN);
    if (n < least || n > most) {
        char text[80];
        (void)snprintf(text, sizeof(text), "must be from %" PRId64 " to %" PRId64, least, most);
        (void)wrong(at, key, text);
        return otherwise;
    }
    return n == 0 ? otherwise : n;
}

/* IANA_SVC_NAME: a-z, 0-9 and '-', at most 15, with a letter. */
static bool is_port_name(const char *name)
{
    bool letter = false;
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        letter = letter || (name[i] >= 'a' && name[i] <= 'z');
    }
    return letter && len <= PORT_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static void name_port(const struct place *at, const char *name, struct pod_handler *out)
{
    const struct pod_container *c = at->container;
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
static void read_port(const struct place *at, const struct cor_json *json, bool names,
                      struct pod_handler *out)
{
    const struct cor_json *port = cor_json_get(json, "port");
    int64_t n = cor_json_as_int(port, 0);
    if (names && cor_json_is_string(port) && is_port_name(cor_json_as_str(port, ""))) {
        name_port(at, cor_json_as_str(port, ""), out);
    } else if (n < 1 || n > PORT_MAX) {
        (void)wrong(at, "port",
                    names ? "must be from 1 to 65535, or a port's name"
                          : "must be from 1 to 65535");
    } else {
        out->port = (int)n;
    }
}

static bool is_token(const char *text)
{
    static const char chars[] = "!#$%&'*+-.^_`|~0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return text[0] != '\0' && strspn(text, chars) == strlen(text);
}

/* No control characters: they would end the line. */
static bool is_line(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 127) {
            return false;
        }
    }
    return true;
}

static void read_headers(const struct place *at, const struct cor_json *list,
                         struct pod_handler *out)
{
    enum { HEADERS_MAX = 128 };
    out->headers = pod_rows(at->reader, list, sizeof(*out->headers), HEADERS_MAX, "httpHeaders",
                            &out->header_count);
    for (size_t i = 0; i < out->header_count; i++) {
        const struct cor_json *header = cor_json_item(list, i);
        out->headers[i] = (struct pod_header){pod_text(header, "name"), pod_text(header, "value")};
        if (!is_token(out->headers[i].name)) {
            (void)wrong(at, "httpHeaders", "a name is no HTTP header's");
        } else if (!is_line(out->headers[i].value)) {
            (void)wrong(at, "httpHeaders", "a value has control characters");
        }
    }
}

static void read_exec(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    out->command = pod_strings(at->reader, cor_json_get(json, "command"), "command");
    if (out->command.count == 0) {
        (void)wrong(at, "command", "is missing");
    }
}

static void read_http(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    const char *scheme = pod_text(json, "scheme");
    out->host = pod_text(json, "host");
    out->path = pod_text(json, "path");
    out->https = strcmp(scheme, "HTTPS") == 0;
    if (scheme[0] != '\0' && !out->https && strcmp(scheme, "HTTP") != 0) {
        (void)wrong(at, "scheme", "must be HTTP or HTTPS");
    }
    if (!is_line(out->host)) {
        (void)wrong(at, "host", "has control characters");
    }
    read_port(at, json, true, out);
    read_headers(at, cor_json_get(json, "httpHeaders"), out);
}

static void read_tcp(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    out->host = pod_text(json, "host");
    read_port(at, json, true, out);
}

static void read_grpc(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    out->service = pod_text(json, "service");
    read_port(at, json, false, out);
}

static void read_sleep(const struct place *at, const struct cor_json *json, struct pod_handler *out)
{
    out->seconds = number_in(at, json, "seconds", 0, INT32_MAX, 0);
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

/* Exactly one of the actions. */
static void read_handler(const struct place *at, const struct cor_json *json, bool probe,
                         struct pod_handler *out)
{
    size_t found = 0;
    *out = (struct pod_handler){.host = "", .path = "", .service = "", .port_name = ""};
    for (size_t i = 0; i < POD_ACTS; i++) {
        const struct cor_json *action = cor_json_get(json, kinds[i].key);
        if ((probe ? kinds[i].probe : kinds[i].hook) && !cor_json_is_null(action)) {
            found++;
            out->act = (enum pod_act)i;
            kinds[i].read(at, action, out);
        }
    }
    if (found != 1) {
        (void)pod_bad(at->reader, COR_INVALID, "container %s: %s: %s", at->container->name,
                      at->path, found == 0 ? "has no action" : "has more than one action");
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
    static const char *const keys[POD_CHECKS] = {"startupProbe", "livenessProbe", "readinessProbe"};
    enum { TIMEOUT_S = 1, PERIOD_S = 10, FAILURES = 3 }; /* defaults of core/v1 */
    const struct place at = {reader, out, keys[check]};
    const struct cor_json *probe = cor_json_get(json, keys[check]);
    struct pod_probe *p = NULL;
    if (cor_json_is_null(probe) || (p = room(reader, sizeof(*p))) == NULL) {
        return;
    }
    read_handler(&at, probe, true, &p->handler);
    p->delay_seconds = (int32_t)number_in(&at, probe, "initialDelaySeconds", 0, INT32_MAX, 0);
    p->timeout_seconds = (int32_t)number_in(&at, probe, "timeoutSeconds", 0, INT32_MAX, TIMEOUT_S);
    p->period_seconds = (int32_t)number_in(&at, probe, "periodSeconds", 0, INT32_MAX, PERIOD_S);
    p->success_threshold = (int32_t)number_in(&at, probe, "successThreshold", 0, INT32_MAX, 1);
    p->failure_threshold =
        (int32_t)number_in(&at, probe, "failureThreshold", 0, INT32_MAX, FAILURES);
    p->grace_seconds.n = number_in(&at, probe, "terminationGracePeriodSeconds", 1, INT32_MAX, 0);
    p->grace_seconds.given = p->grace_seconds.n > 0;
    if (check != POD_READINESS && p->success_threshold != 1) {
        (void)wrong(&at, "successThreshold", "must be 1");
    }
    if (check == POD_READINESS && p->grace_seconds.given) {
        (void)wrong(&at, "terminationGracePeriodSeconds", "must not be set");
    }
    out->probes[check] = p;
}

static struct pod_handler *read_hook(struct pod_reader *reader, const struct cor_json *lifecycle,
                                     const char *key, const char *path,
                                     const struct pod_container *container)
{
    const struct place at = {reader, container, path};
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
    out->post_start = read_hook(reader, lifecycle, "postStart", "lifecycle.postStart", out);
    out->pre_stop = read_hook(reader, lifecycle, "preStop", "lifecycle.preStop", out);
}
