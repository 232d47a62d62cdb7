// SPDX-License-Identifier: Apache-2.0
// A peer in metamanager's place on the bus: holds desired objects, answers edged's questions as the
// cloud would, and remembers what edged reported. Runs edged as a child process.
#ifndef TEST_EDGED_CLOUD_H
#define TEST_EDGED_CLOUD_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/bus/bus.h"
#include "common/json/json.h"
#include "proto/proto.h"
#include "tests/support/text/text.h"
#include "tools/ctl/ctl.h"

struct cloud {
    char *dir; /* of this test */
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_bus *bus;
    struct cor_port *port;
    struct cor_timer *tick;
    struct cor_timer *late;
    bool link;
    struct cor_map *objects;  /* key to JSON: what is desired */
    struct cor_map *statuses; /* key of pod to its status JSON, patched */
    struct cor_json *node;
    struct cor_json *node_status;
    struct cor_json *node_marks; /* what an update of it says, or a patch without a status */
    struct cor_json *csi_node;
    bool has_node; /* it was there before edged */
    const char
        *only; /* key of the one object that edged is told when it comes; NULL: all, and done */
    struct cor_json *lease;
    struct cor_json *events; /* array of Event */
    size_t renewals;
    size_t patches;
    size_t deletes;
    size_t made; /* Pods that the node made */
    size_t tokens;
    char *last_delete; /* key and body */
    pid_t edged;
    bool drains; /* edged is started with --drain */
};

static inline void json_drop(void *value)
{
    struct cor_json *json = value;
    cor_json_free(&json);
}

/* JSON in which ' stands for ". */
static inline struct cor_json *json_of(const char *fmt, ...) COR_PRINTF(1, 2);
static inline struct cor_json *json_of(const char *fmt, ...)
{
    char text[8192];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    must(n > 0 && (size_t)n < sizeof(text));
    return test_json(text);
}

static inline void cloud_send(struct cloud *cloud, const char *key, const struct cor_json *json,
                              bool gone)
{
    auto_(cor_freep) char *text = cor_json_text(json);
    const struct px_object object = {
        .key = cor_view_of(key),
        .gone = gone,
        .uid = cor_json_as_view(cor_json_at(json, "metadata.uid")),
        .version = COR_VIEW("1"),
        .source = COR_VIEW("edgecontroller"),
        .body = cor_view_of(text),
    };
    if (cor_port_is_up(cloud->port)) {
        if (cloud->edged > 0) { /* else, or if it has just gone, it is sent when there is one */
            enum cor_code code = cor_send(cloud->port, PX_object, &object);
            must(code == COR_OK || code == COR_GONE);
        }
    }
}

static inline void cloud_put(struct cloud *cloud, const char *key, struct cor_json *json)
{
    cor_map_set(cloud->objects, cor_view_of(key), json);
    cloud_send(cloud, key, json, false);
}

static inline void cloud_gone(struct cloud *cloud, const char *key)
{
    struct cor_json *json = cor_map_take(cloud->objects, cor_view_of(key));
    if (json != NULL) {
        cloud_send(cloud, key, json, true);
        cor_json_free(&json);
    }
}

static inline void cloud_link(struct cloud *cloud, bool up)
{
    cloud->link = up;
    const struct px_link link = {.node = COR_VIEW("n1"), .up = up, .epoch = 1};
    must(cor_send(cloud->port, PX_link, &link) == COR_OK);
}

static inline void cloud_on_up(void *self, struct cor_port *port)
{
    struct cloud *cloud = self;
    size_t at = 0;
    struct cor_view key;
    void *value = NULL;
    uint64_t count = 0;
    if (cloud->only != NULL) {
        cloud_send(cloud, cloud->only, cor_map_get(cloud->objects, cor_view_of(cloud->only)),
                   false);
        cloud_link(cloud, cloud->link);
        return;
    }
    while (cor_map_next(cloud->objects, &at, &key, &value)) {
        auto_(cor_freep) char *text = cor_view_dup(key);
        cloud_send(cloud, text, value, false);
        count++;
    }
    must(cor_send(port, PX_objects_done,
                  &(struct px_objects_done){.key = COR_VIEW("all"), .count = count}) == COR_OK);
    cloud_link(cloud, cloud->link);
    cor_loop_stop(cloud->loop);
}

static inline void cloud_reply(struct cor_in *in, int status, const struct cor_json *json)
{
    auto_(cor_freep) char *text = json == NULL ? cor_strdup("") : cor_json_text(json);
    const struct px_api_reply reply = {.status = (uint64_t)status, .body = cor_view_of(text)};
    cor_reply(in, &reply);
}

static inline void cloud_pod_patch(struct cloud *cloud, const char *name, const char *ns,
                                   const struct cor_json *patch, struct cor_in *in)
{
    auto_(cor_freep) char *key = cor_sprintf("%s/pod/%s", ns, name);
    struct cor_json *pod = cor_map_get(cloud->objects, cor_view_of(key));
    if (pod == NULL) {
        cloud_reply(in, 404, NULL);
        return;
    }
    assert_string_equal(cor_json_str_at(patch, "metadata.uid", ""),
                        cor_json_str_at(pod, "metadata.uid", "?"));
    cloud->patches++;
    cor_map_set(cloud->statuses, cor_view_of(key), cor_json_copy(cor_json_get(patch, "status")));
    cor_json_set(pod, "status", cor_json_copy(cor_json_get(patch, "status")));
    cloud_reply(in, 200, pod);
}

static inline void cloud_lease(struct cloud *cloud, uint64_t verb, struct cor_json *body,
                               struct cor_in *in)
{
    if (verb == PX_VERB_GET) {
        cloud_reply(in, cloud->lease == NULL ? 404 : 200, cloud->lease);
        return;
    }
    cor_json_free(&cloud->lease);
    cloud->lease = cor_json_copy(body);
    cor_json_set_at(cloud->lease, "metadata.resourceVersion", cor_json_str("9"));
    cloud->renewals++;
    cloud_reply(in, verb == PX_VERB_CREATE ? 201 : 200, cloud->lease);
}

static inline void cloud_csi_node(struct cloud *cloud, uint64_t verb, struct cor_json *body,
                                  struct cor_in *in)
{
    if (verb == PX_VERB_CREATE && cloud->csi_node == NULL) {
        cloud->csi_node = cor_json_copy(body);
        cloud_reply(in, 201, cloud->csi_node);
    } else if (verb == PX_VERB_CREATE || cloud->csi_node == NULL) {
        cloud_reply(in, verb == PX_VERB_CREATE ? 409 : 404, NULL);
    } else {
        if (verb == PX_VERB_PATCH) {
            cor_json_set_at(cloud->csi_node, "spec.drivers",
                            cor_json_copy(cor_json_at(body, "spec.drivers")));
        }
        cloud_reply(in, 200, cloud->csi_node);
    }
}

static inline void cloud_event(struct cloud *cloud, const struct cor_json *body, struct cor_in *in)
{
    struct cor_json *counted = cor_json_get(body, "event");
    cor_json_add(cloud->events, cor_json_copy(counted != NULL ? counted : body));
    cloud_reply(in, 200, NULL);
}

static inline void cloud_delete(struct cloud *cloud, const char *key, struct cor_view body,
                                struct cor_in *in)
{
    cloud->deletes++;
    cor_free(cloud->last_delete);
    cloud->last_delete = cor_sprintf("%s %.*s", key, COR_VIEW_ARG(body));
    cloud_reply(in, 200, NULL);
    cloud_gone(cloud, key);
}

static inline void cloud_token(struct cloud *cloud, struct cor_json *request, struct cor_in *in)
{
    cloud->tokens++;
    cor_json_set_at(request, "status.token", cor_json_fmt("token-%zu", cloud->tokens));
    cor_json_set_at(request, "status.expirationTimestamp", cor_json_str("2099-01-01T00:00:00Z"));
    cloud_reply(in, 201, request);
}

/* A Pod that the node makes: the mirror of a static one. Each has an uid of its own. */
static inline void cloud_make_pod(struct cloud *cloud, const char *key, struct cor_json *pod,
                                  struct cor_in *in)
{
    if (cor_map_get(cloud->objects, cor_view_of(key)) != NULL) {
        cloud_reply(in, 409, NULL);
        return;
    }
    cloud->made++;
    cor_json_set_at(pod, "metadata.uid", cor_json_fmt("made-%zu", cloud->made));
    cor_json_set_at(pod, "status.phase", cor_json_str("Pending"));
    cloud_reply(in, 201, pod);
    cloud_put(cloud, key, cor_json_copy(pod));
}

static inline enum cor_code cloud_on_call(void *self, struct cor_in *in, const void *body,
                                          struct cor_err *err)
{
    (void)err;
    struct cloud *cloud = self;
    const struct px_api_call *call = body;
    struct px_key key;
    must(px_key_parse(call->key, &key));
    auto_(cor_freep) char *whole = cor_view_dup(call->key);
    auto_(cor_freep) char *ns = cor_view_dup(key.ns);
    auto_(cor_freep) char *name = cor_view_dup(key.name);
    auto_(cor_json_free) struct cor_json *json = NULL;
    if (call->body.len > 0) {
        must(cor_json_parse(call->body, 1 << 20, 0, &json, NULL) == COR_OK);
    }
    cor_loop_stop(cloud->loop);
    if (!cloud->link && call->verb != PX_VERB_GET) {
        cloud_reply(in, 503, NULL);
    } else if (cor_view_is(key.type, "podpatch")) {
        cloud_pod_patch(cloud, name, ns, json, in);
    } else if (cor_view_is(key.type, "lease")) {
        cloud_lease(cloud, call->verb, json, in);
    } else if (cor_view_is(key.type, "event")) {
        cloud_event(cloud, json, in);
    } else if (cor_view_is(key.type, "serviceaccounttoken")) {
        cloud_token(cloud, json, in);
    } else if (cor_view_is(key.type, "node") && call->verb == PX_VERB_UPDATE) {
        cor_json_free(&cloud->node_marks);
        cloud->node_marks = cor_json_ref(json);
        cloud_reply(in, 200, json);
    } else if (cor_view_is(key.type, "node") && cloud->has_node) {
        cloud_reply(in, 409, NULL);
    } else if (cor_view_is(key.type, "node")) {
        cor_json_free(&cloud->node);
        cloud->node = cor_json_ref(json);
        cor_json_set_at(json, "metadata.uid", cor_json_str("node-uid"));
        cloud_reply(in, 201, json);
    } else if (cor_view_is(key.type, "persistentvolumeclaim") && call->verb == PX_VERB_PATCH) {
        struct cor_json *claim = cor_map_get(cloud->objects, call->key);
        static const char *const parts[] = {"status.capacity", "status.conditions"};
        for (size_t i = 0; i < COR_COUNT(parts); i++) {
            cor_json_set_at(claim, parts[i], cor_json_copy(cor_json_at(json, parts[i])));
        }
        cloud_reply(in, 200, claim);
    } else if (cor_view_is(key.type, "csinode")) {
        cloud_csi_node(cloud, call->verb, json, in);
    } else if (cor_view_is(key.type, "nodepatch") && cor_json_get(json, "status") == NULL) {
        cor_json_free(&cloud->node_marks);
        cloud->node_marks = cor_json_ref(json);
        cloud_reply(in, 200, NULL);
    } else if (cor_view_is(key.type, "nodepatch")) {
        cor_json_free(&cloud->node_status);
        cloud->node_status = cor_json_ref(cor_json_get(json, "status"));
        cloud_reply(in, 200, NULL);
    } else if (cor_view_is(key.type, "pod") && call->verb == PX_VERB_CREATE) {
        cloud_make_pod(cloud, whole, json, in);
    } else if (call->verb == PX_VERB_DELETE) {
        cloud_delete(cloud, whole, call->body, in);
    } else {
        struct cor_json *object = cor_map_get(cloud->objects, call->key);
        cloud_reply(in, object == NULL ? 404 : 200, object);
    }
    return COR_OK;
}

static inline void cloud_on_tick(void *self)
{
    cor_loop_stop(((struct cloud *)self)->loop);
}

static inline void cloud_on_late(void *self)
{
    (void)self;
    print_error("the whole test takes too long\n");
    abort();
}

static const struct cor_handler cloud_handlers[] = {{PX_api_call, cloud_on_call}};
static const struct cor_port_ops cloud_ops = {
    .up = cloud_on_up, .handlers = cloud_handlers, .handler_count = 1};

/* ---- pods ---- */

static inline const struct cor_json *cloud_status(struct cloud *cloud, const char *name)
{
    auto_(cor_freep) char *key = cor_sprintf("default/pod/%s", name);
    return cor_map_get(cloud->statuses, cor_view_of(key));
}

static inline const struct cor_json *cloud_container(struct cloud *cloud, const char *name)
{
    return cor_json_item(cor_json_get(cloud_status(cloud, name), "containerStatuses"), 0);
}

static inline void cloud_put_pod(struct cloud *cloud, const char *name, const char *spec)
{
    auto_(cor_freep) char *key = cor_sprintf("default/pod/%s", name);
    struct cor_json *pod =
        json_of("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'%s','namespace':'default',"
                "'uid':'uid-%s','labels':{'app':'%s'}}}",
                name, name, name);
    cor_json_set(pod, "spec", json_of("%s", spec));
    cor_json_set_at(pod, "spec.nodeName", cor_json_str("n1"));
    cloud_put(cloud, key, pod);
}

static inline void cloud_mark_deleted(struct cloud *cloud, const char *name, int grace)
{
    auto_(cor_freep) char *key = cor_sprintf("default/pod/%s", name);
    struct cor_json *pod = cor_json_copy(cor_map_get(cloud->objects, cor_view_of(key)));
    cor_json_set_at(pod, "metadata.deletionTimestamp", cor_json_str("2026-01-01T00:00:00Z"));
    cor_json_set_at(pod, "metadata.deletionGracePeriodSeconds", cor_json_int(grace));
    cloud_put(cloud, key, pod);
}

#define CLOUD_NAME(text) ((void *)(uintptr_t)(text))

/* Conditions for cloud_await; with is the pod's name. */
static inline bool cloud_is_running(struct cloud *cloud, void *name)
{
    return strcmp(cor_json_str_at(cloud_status(cloud, name), "phase", ""), "Running") == 0 &&
           cor_json_bool_at(cloud_container(cloud, name), "ready", false);
}

static inline bool cloud_is_restarted(struct cloud *cloud, void *name)
{
    return cloud_is_running(cloud, name) &&
           cor_json_int_at(cloud_container(cloud, name), "restartCount", 0) == 1;
}

static inline bool cloud_has_event(struct cloud *cloud, void *reason)
{
    for (size_t i = 0; i < cor_json_count(cloud->events); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(cloud->events, i), "reason", ""), reason) == 0) {
            return true;
        }
    }
    return false;
}

/* An event whose message has this text. */
static inline bool cloud_has_words(struct cloud *cloud, void *text)
{
    for (size_t i = 0; i < cor_json_count(cloud->events); i++) {
        const char *message = cor_json_str_at(cor_json_item(cloud->events, i), "message", "");
        if (strstr(message, text) != NULL) {
            return true;
        }
    }
    return false;
}

/* A file, and all that is in it. */
struct cloud_file {
    const char *path;
    const char *content;
};

static inline bool cloud_has_file(struct cloud *cloud, void *with)
{
    (void)cloud;
    const struct cloud_file *file = with;
    auto_(cor_buf_free) struct cor_buf buf = {0};
    return cor_file_read(file->path, 65536, &buf, NULL) == COR_OK &&
           cor_view_is(cor_buf_as_view(&buf), file->content);
}

/* Starts edged as a child. */
static inline void cloud_start_edged(struct cloud *cloud)
{
    auto_(cor_freep) char *config = cor_sprintf("%s/edged.yaml", cloud->dir);
    const char *other = getenv("EDGED_PROGRAM"); /* another build of it, for figures */
    auto_(cor_freep) char *program =
        other != NULL ? cor_strdup(other) : cor_sprintf("%s/bin/edged", CORACLE_BINARY_DIR);
    cloud->edged = fork();
    if (cloud->edged == 0) {
        execl(program, "edged", "--config", config, cloud->drains ? "--drain" : (char *)NULL,
              (char *)NULL);
        _exit(127);
    }
    must(cloud->edged > 0);
}

static inline void cloud_kill_edged(struct cloud *cloud, int number)
{
    int status = 0;
    kill(cloud->edged, number);
    must(waitpid(cloud->edged, &status, 0) == cloud->edged);
    cloud->edged = 0;
    if (number == SIGTERM && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        fail_msg("edged ended with status %x", (unsigned)status);
    }
}

/* The bus with metamanager's end of it. */
static inline void cloud_open(struct cloud *cloud)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *run_dir = cor_sprintf("%s/r", cloud->dir);
    const struct cor_bus_spec spec = {.service = "metamanager",
                                      .run_dir = run_dir,
                                      .loop = cloud->loop,
                                      .log = cloud->log,
                                      .messages = px_messages()};
    if (cor_bus_new(&spec, &cloud->bus, &err) != COR_OK ||
        cor_port_open(cloud->bus, px_endpoint(PX_ENDPOINT_META_EDGED), &cloud_ops, cloud,
                      &cloud->port, &err) != COR_OK) {
        fail_msg("%s", err.text);
    }
}

/* Nobody is in metamanager's place until cloud_open. */
static inline void cloud_close(struct cloud *cloud)
{
    cor_port_close(&cloud->port);
    cor_bus_free(&cloud->bus);
}

/* more: further lines of edged's configuration; under "pods:" when they begin with two blanks. */
static inline int cloud_set_up_with(void **state, const char *more)
{
    struct cloud *cloud = cor_alloc(sizeof(*cloud));
    cloud->dir = cor_sprintf("%s/case.XXXXXX", getenv("TEST_DIR"));
    must(mkdtemp(cloud->dir) != NULL);
    cloud->loop = cor_loop_new();
    cloud->log = cor_log_new("cloud", COR_LEVEL_WARN);
    cloud->objects = cor_map_new(json_drop);
    cloud->statuses = cor_map_new(json_drop);
    cloud->events = cor_json_array();
    cloud->link = true;
    auto_(cor_freep) char *run_dir = cor_sprintf("%s/r", cloud->dir);
    struct cor_err err = COR_ERR_NONE;
    must(cor_mkdirs(run_dir, 0755, &err) == COR_OK);
    cloud_open(cloud);
    cloud->tick = cor_timer_new(cloud->loop, cloud_on_tick, cloud);
    cor_timer_repeat(cloud->tick, COR_MS(2));
    cloud->late = cor_timer_new(cloud->loop, cloud_on_late, cloud);
    cor_timer_start(cloud->late, COR_SEC(60));
    auto_(cor_freep) char *config = cor_sprintf("%s/edged.yaml", cloud->dir);
    auto_(cor_freep) char *text =
        cor_sprintf("run-dir: %s\nuser-prefix: \"\"\nlog-level: %s\nnode:\n  name: n1\n  ip: "
                    "192.0.2.1\n  lease-seconds: 1\n"
                    "runtime:\n  socket: %s\npods:\n  dir: %s/kubelet\n  log-dir: %s/logs\n  "
                    "cgroup-root: %s\n%s",
                    run_dir, getenv("EDGED_LOG") != NULL ? getenv("EDGED_LOG") : "error",
                    getenv("CRI_SOCKET"), cloud->dir, cloud->dir, getenv("TEST_CGROUP"), more);
    must(cor_file_write(config, cor_view_of(text), 0644, &err) == COR_OK);
    cloud_start_edged(cloud);
    *state = cloud;
    return 0;
}

static inline int cloud_set_up(void **state)
{
    return cloud_set_up_with(state, "");
}

typedef bool (*cloud_until)(struct cloud *cloud, void *with);

/* Runs until the condition holds; fails after within_us. Returns how long it took. */
static inline int64_t cloud_await(struct cloud *cloud, cloud_until until, void *with,
                                  int64_t within_us, const char *what)
{
    struct cor_mono start = cor_mono_now();
    while (!until(cloud, with)) {
        if (cor_mono_since(cor_mono_now(), start) > within_us) {
            auto_(cor_freep) char *events = cor_json_text(cloud->events);
            fail_msg("%s: not within %lld ms; events: %s", what, (long long)(within_us / 1000),
                     events);
        }
        cor_loop_run(cloud->loop);
    }
    return cor_mono_since(cor_mono_now(), start);
}

static inline bool cloud_has_no_pods(struct cloud *cloud, void *with)
{
    (void)with;
    size_t at = 0;
    struct cor_view key;
    while (cor_map_next(cloud->objects, &at, &key, NULL)) {
        struct px_key parts;
        if (px_key_parse(key, &parts) && cor_view_is(parts.type, "pod")) {
            return false;
        }
    }
    return true;
}

/* Deletes all pods with a grace of 1 s and waits until they are gone. */
static inline void cloud_delete_pods(struct cloud *cloud)
{
    enum { MOST = 64, PATIENCE_S = 20 };
    char *names[MOST];
    size_t count = 0;
    size_t at = 0;
    void *value = NULL;
    while (count < MOST && cor_map_next(cloud->objects, &at, NULL, &value)) {
        if (strcmp(cor_json_str_at(value, "kind", ""), "Pod") == 0) {
            names[count++] = cor_strdup(cor_json_str_at(value, "metadata.name", ""));
        }
    }
    for (size_t i = 0; i < count; i++) {
        cloud_mark_deleted(cloud, names[i], 1);
        cor_free(names[i]);
    }
    (void)cloud_await(cloud, cloud_has_no_pods, NULL, COR_SEC(PATIENCE_S), "all pods deleted");
}

/* Its books must balance; what has run a Pod has told the API of it. */
static inline void cloud_check_books(const struct cloud *cloud)
{
    enum { ASK_MS = 3000, ANSWER_MAX = 1 << 20 };
    auto_(cor_freep) char *path = cor_sprintf("%s/r/ctl/edged", cloud->dir);
    auto_(cor_buf_free) struct cor_buf answer = {0};
    auto_(cor_json_free) struct cor_json *books = NULL;
    must(tool_ask(path, "ledger", COR_VIEW("{}"), ASK_MS, &answer, NULL) == COR_OK);
    must(cor_json_parse(cor_buf_as_view(&answer), ANSWER_MAX, 0, &books, NULL) == COR_OK);
    if (cor_json_int_at(books, "balance", -1) != 0 ||
        strstr(answer.data, "\"stream\":\"pods\"") == NULL) {
        fail_msg("the books of edged do not balance: %s", answer.data);
    }
}

static inline int cloud_tear_down(void **state)
{
    struct cloud *cloud = *state;
    if (cloud->edged > 0) {
        cloud_check_books(cloud);
        cloud_kill_edged(cloud, SIGTERM);
    }
    cor_timer_free(&cloud->tick);
    cor_timer_free(&cloud->late);
    cloud_close(cloud);
    cor_loop_free(&cloud->loop);
    cor_log_free(&cloud->log);
    cor_map_free(&cloud->objects);
    cor_map_free(&cloud->statuses);
    cor_json_free(&cloud->node);
    cor_json_free(&cloud->node_status);
    cor_json_free(&cloud->csi_node);
    cor_json_free(&cloud->node_marks);
    cor_json_free(&cloud->lease);
    cor_json_free(&cloud->events);
    cor_free(cloud->last_delete);
    cor_free(cloud->dir);
    cor_free(cloud);
    return 0;
}

#endif
