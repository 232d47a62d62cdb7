// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/edgecontroller/harness.h"
#include "tests/support/port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/conf/yaml.h"
#include "tests/contract/edgecontroller/cutter.h"

/* ---- cloudhub -----------------------------------------------------------------------------------
 */

static enum cor_code on_subscriptions(void *self, struct cor_in *in, const void *body,
                                      struct cor_err *err)
{
    const struct px_node_subscriptions *m = body;
    struct world *w = self;
    (void)in;
    (void)err;
    if (!cor_view_is(m->node, "n1")) {
        return COR_OK;
    }
    w->told++;
    cor_buf_clear(&w->topics);
    for (size_t i = 0; i < m->topics.count; i++) {
        cor_buf_fmt(&w->topics, "%.*s\n", COR_VIEW_ARG(m->topics.items[i]));
    }
    return COR_OK;
}

static enum cor_code on_publish(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    const struct px_node_publish *m = body;
    struct world *w = self;
    cor_buf_fmt(&w->published, "%.*s %.*s %.*s %.*s\n", COR_VIEW_ARG(m->node),
                COR_VIEW_ARG(m->topic), COR_VIEW_ARG(m->idempotency), COR_VIEW_ARG(m->payload));
    w->publications++;
    if (w->publish_fails != COR_OK) {
        return cor_err_set(err, w->publish_fails, "as told");
    }
    struct px_done done = {0};
    if (w->publish_waits) {
        assert_in_range(w->waiting_count, 0, COR_COUNT(w->waiting) - 1);
        w->waiting[w->waiting_count++] = cor_defer(in);
    } else {
        cor_reply(in, &done);
    }
    return COR_OK;
}

void world_publish_goes_on(struct world *w)
{
    struct px_done done = {0};
    for (size_t i = 0; i < w->waiting_count; i++) {
        cor_ticket_reply(&w->waiting[i], &done);
    }
    w->waiting_count = 0;
    w->publish_waits = false;
}

static enum cor_code on_synced(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct world *w = self;
    const struct px_node_synced *m = body;
    (void)in;
    (void)err;
    w->synced++;
    cor_buf_fmt(&w->synced_nodes, "%.*s\n", COR_VIEW_ARG(m->node));
    return COR_OK;
}

static enum cor_code on_object(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)err;
    struct world *w = self;
    const struct px_node_object *m = body;
    cor_buf_fmt(&w->objects, "%s %.*s %.*s %.*s %.*s %.*s\n", m->gone ? "gone" : "put",
                COR_VIEW_ARG(m->node), COR_VIEW_ARG(m->key), COR_VIEW_ARG(m->uid),
                COR_VIEW_ARG(m->version), COR_VIEW_ARG(m->source));
    w->puts += m->gone ? 0 : 1;
    if (w->awaited != NULL && w->awaited_us == 0 && cor_view_is(m->key, w->awaited)) {
        w->awaited_us = cor_mono_now().us;
    }
    if (m->gone) {
        w->gone++;
        (void)snprintf(w->gone_uid, sizeof(w->gone_uid), "%.*s", COR_VIEW_ARG(m->uid));
    }
    return COR_OK;
}

static enum cor_code on_membership(void *self, struct cor_in *in, const void *body,
                                   struct cor_err *err)
{
    struct world *w = self;
    const struct px_node_membership *m = body;
    (void)in;
    (void)err;
    cor_buf_fmt(&w->members, "%.*s %.*s\n", COR_VIEW_ARG(m->node), COR_VIEW_ARG(m->body));
    return COR_OK;
}

static enum cor_code on_owner(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct world *w = self;
    const struct px_node_owner *m = body;
    (void)in;
    (void)err;
    cor_buf_fmt(&w->owners, "%.*s %d %s\n", COR_VIEW_ARG(m->node), (int)m->epoch,
                m->lost ? "lost" : "has");
    return COR_OK;
}

static const struct cor_handler HANDLERS[] = {
    {PX_node_owner, on_owner},     {PX_node_subscriptions, on_subscriptions},
    {PX_node_publish, on_publish}, {PX_node_object, on_object},
    {PX_node_synced, on_synced},   {PX_node_membership, on_membership},
};

static const struct cor_port_ops OPS = {.handlers = HANDLERS, .handler_count = COR_COUNT(HANDLERS)};

static bool is_up(void *self)
{
    return cor_port_is_up(((struct world *)self)->hub);
}

void world_node(struct world *w, const char *node)
{
    struct px_node_session session = {.node = cor_view_of(node), .up = true, .epoch = 1};
    assert_int_equal(cor_send(w->hub, PX_node_session, &session), COR_OK);
}

void world_kubeedge(struct world *w, const char *node, uint64_t epoch, bool up)
{
    struct px_node_session session = {
        .node = cor_view_of(node), .up = up, .epoch = epoch, .records = true};
    assert_int_equal(cor_send(w->hub, PX_node_session, &session), COR_OK);
}

/* ---- the API ------------------------------------------------------------------------------------
 */

static void on_answer(void *self, const struct cor_kube_response *response)
{
    struct world *w = self;
    w->answered = true;
    w->status = response->status;
    cor_json_free(&w->body);
    w->body = cor_json_ref(response->body);
}

static bool is_answered(void *self)
{
    return ((struct world *)self)->answered;
}

void world_api(struct world *w, const char *method, const char *path, const char *body)
{
    struct cor_kube_request request = {.method = method, .path = path, .body = cor_view_of(body)};
    w->answered = false;
    (void)cor_kube_send(w->kube, &request, on_answer, w);
    world_until(w, is_answered, w);
}

void world_patch(struct world *w, const char *path, const char *body)
{
    struct cor_kube_request request = {
        .method = "PATCH", .path = path, .content_type = COR_KUBE_MERGE, .body = cor_view_of(body)};
    w->answered = false;
    (void)cor_kube_send(w->kube, &request, on_answer, w);
    world_until(w, is_answered, w);
}

static bool is_taken(void *self)
{
    struct world *w = self;
    world_api(w, "GET", "/apis/rules.kubeedge.io/v1/rules", NULL);
    if (w->status != 200) {
        return false;
    }
    world_api(w, "GET", "/apis/rules.kubeedge.io/v1/ruleendpoints", NULL);
    return w->status == 200;
}

void world_crd(struct world *w, const char *file)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/deploy/crds/%s", CORACLE_SOURCE_DIR, file);
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *json = NULL;
    assert_int_equal(cor_file_read(path, 1 << 20, &text, NULL), COR_OK);
    assert_int_equal(cor_yaml_parse(cor_buf_as_view(&text), 1 << 20, NULL, NULL, &json, NULL),
                     COR_OK);
    auto_(cor_freep) char *body = cor_json_text(json);
    world_api(w, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body);
    assert_int_equal(w->status, 201);
}

static void add_endpoint(struct world *w, const char *name, const char *type)
{
    auto_(cor_freep) char *body = cor_sprintf(
        "{\"apiVersion\":\"rules.kubeedge.io/v1\",\"kind\":\"RuleEndpoint\",\"metadata\":{\"name\":"
        "\"%s\"},\"spec\":{\"ruleEndpointType\":\"%s\"}}",
        name, type);
    world_api(w, "POST", "/apis/rules.kubeedge.io/v1/namespaces/default/ruleendpoints", body);
    assert_int_equal(w->status, 201);
}

static void copy_kubeconfig(const char *from, const char *to)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    assert_int_equal(cor_file_read(from, 1 << 20, &text, NULL), COR_OK);
    assert_int_equal(cor_file_write(to, cor_buf_as_view(&text), 0600, NULL), COR_OK);
}

static void start_kubelite(struct world *w, const char *file)
{
    w->api_port = test_free_port();
    auto_(cor_freep) char *text =
        cor_sprintf("state-dir: %s/state\nlisten: [\"127.0.0.1:%d\"]\nadmin-kubeconfig: "
                    "%s\nlog-level: warn\n",
                    w->stage->dir, w->api_port, file);
    w->kubelite = stage_start(w->stage, "kubelite", text);
}

static void start_api(struct world *w)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_kube_config config = {0};
    const char *given = getenv("CORACLE_TEST_KUBECONFIG");
    auto_(cor_freep) char *file = cor_sprintf("%s/admin.kubeconfig", w->stage->dir);
    if (given != NULL) {
        copy_kubeconfig(given, file);
    } else {
        start_kubelite(w, file);
    }
    assert_int_equal(cor_kube_config_load(file, &config, &err), COR_OK);
    assert_int_equal(cor_kube_new(w->stage->loop, &config, &w->kube, &err), COR_OK);
    cor_kube_config_free(&config);
}

static void start_controller(struct world *w)
{
    auto_(cor_freep) char *text =
        cor_sprintf("kubeconfig: %s/%s.kubeconfig\nlog-level: error\n"
                    "rules:\n  retry-first-ms: 20\n  retry-last-ms: 200\n"
                    "entrance:\n  enable: true\n  port: %d\n  timeout-ms: %d\n  per-node: 4\n"
                    "%s",
                    w->stage->dir, w->cutter == NULL ? "admin" : "relay", w->entrance_port,
                    w->entrance_ms > 0 ? w->entrance_ms : 60000,
                    w->replica ? "replica:\n  address: 127.0.0.1\n" : "");
    w->controller = stage_start(w->stage, "edgecontroller", text);
}

struct world *world_new(bool crds)
{
    struct world *w = cor_alloc(sizeof(*w));
    w->stage = stage_new();
    w->entrance_port = test_free_port();
    start_api(w);
    if (crds) {
        world_crd(w, "rule.yaml");
        world_crd(w, "ruleendpoint.yaml");
        world_poll(w, is_taken, w);
        add_endpoint(w, "broker", "eventbus");
        add_endpoint(w, "web", "rest");
    }
    w->bus = stage_bus(w->stage, "cloudhub");
    assert_int_equal(
        cor_port_open(w->bus, px_endpoint(PX_ENDPOINT_HUB_CONTROLLER), &OPS, w, &w->hub, NULL),
        COR_OK);
    start_controller(w);
    world_until(w, is_up, w);
    world_node(w, "n1");
    return w;
}

void world_relay(struct world *w)
{
    auto_(cor_freep) char *from = cor_sprintf("%s/admin.kubeconfig", w->stage->dir);
    auto_(cor_freep) char *to = cor_sprintf("%s/relay.kubeconfig", w->stage->dir);
    auto_(cor_freep) char *old = cor_sprintf("127.0.0.1:%d", w->api_port);
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_buf_free) struct cor_buf changed = {0};
    w->cutter = cutter_new(w->stage->loop, w->api_port);
    assert_int_equal(cor_file_read(from, 1 << 20, &text, NULL), COR_OK);
    const char *at = strstr(text.data, old);
    assert_non_null(at);
    cor_buf_add(&changed, text.data, (size_t)(at - text.data));
    cor_buf_fmt(&changed, "127.0.0.1:%d%s", cutter_port(w->cutter), at + strlen(old));
    assert_int_equal(cor_file_write(to, cor_buf_as_view(&changed), 0600, NULL), COR_OK);
}

void world_lose_answer(struct world *w)
{
    cutter_arm(w->cutter);
}

int world_lost(const struct world *w)
{
    return cutter_count(w->cutter);
}

static bool is_down(void *self)
{
    return !is_up(self);
}

void world_end(struct world *w)
{
    (void)stage_end(w->controller, SIGKILL);
    world_until(w, is_down, w);
}

void world_kill(struct world *w)
{
    world_end(w);
    world_start(w);
}

/* A session of another than the one that was killed, perhaps unnoticed. */
static bool is_new(void *self)
{
    const struct world *w = self;
    return cor_port_is_up(w->hub) && cor_port_epoch(w->hub) != w->epoch;
}

void world_start(struct world *w)
{
    w->epoch = cor_port_epoch(w->hub);
    start_controller(w);
    world_until(w, is_new, w);
    world_node(w, "n1");
}

void world_free(struct world **world)
{
    struct world *w = *world;
    int status = stage_end(w->controller, SIGTERM);
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    cor_port_close(&w->hub);
    cor_bus_free(&w->bus);
    cor_kube_free(&w->kube);
    if (w->kubelite > 0) {
        (void)stage_end(w->kubelite, SIGTERM);
    }
    cor_json_free(&w->body);
    cor_buf_free(&w->topics);
    cor_buf_free(&w->published);
    cor_buf_free(&w->objects);
    cor_buf_free(&w->members);
    cor_buf_free(&w->owners);
    cor_buf_free(&w->synced_nodes);
    cutter_free(&w->cutter);
    stage_free(&w->stage);
    cor_freep(world);
    assert_true(clean);
}

static void on_tick(void *self)
{
    (void)self;
}

void world_until(struct world *w, bool (*cond)(void *self), void *self)
{
    struct cor_timer *tick = cor_timer_new(w->stage->loop, on_tick, w);
    cor_timer_repeat(tick, COR_MS(5));
    bool came = stage_until(w->stage, cond, self);
    cor_timer_free(&tick);
    assert_true(came);
}

void world_poll(struct world *w, bool (*cond)(void *self), void *self)
{
    assert_true(stage_poll(w->stage, cond, self));
}

struct telling {
    struct world *w;
    const char *line;
};

static bool is_told(void *self)
{
    const struct telling *t = self;
    return t->w->topics.len > 0 && strstr(t->w->topics.data, t->line) != NULL;
}

void world_rule(struct world *w, const char *name, const char *topic, const char *url,
                const char *extra)
{
    auto_(cor_freep) char *line = cor_sprintf("default/%s\n", topic);
    auto_(cor_freep) char *body = cor_sprintf(
        "{\"apiVersion\":\"rules.kubeedge.io/v1\",\"kind\":\"Rule\",\"metadata\":{\"name\":\"%s\"},"
        "\"spec\":{\"source\":\"broker\",\"sourceResource\":{\"topic\":\"%s\",\"node_name\":\"n1\"}"
        ","
        "\"target\":\"web\",\"targetResource\":{\"resource\":\"%s\"%s}}}",
        name, topic, url, extra);
    world_api(w, "POST", "/apis/rules.kubeedge.io/v1/namespaces/default/rules", body);
    assert_int_equal(w->status, 201);
    struct telling telling = {w, line};
    world_until(w, is_told, &telling);
}

/* ---- targets ------------------------------------------------------------------------------------
 */

static void note_order(struct target *t, const char *key)
{
    const char *slash = strrchr(key, '/');
    uint64_t seq = slash == NULL ? 0 : strtoull(slash + 1, NULL, 10);
    t->disordered += seq <= t->last_seq ? 1 : 0;
    t->last_seq = seq;
}

static void note(struct target *t, struct cor_exchange *exchange)
{
    static const char *const NAMES[] = {"Idempotency-Key", "X-Coracle-Node", "X-Coracle-Topic",
                                        "Content-Type"};
    const char *key = cor_exchange_header(exchange, "Idempotency-Key");
    assert_non_null(key);
    assert_non_null(cor_exchange_header(exchange, "X-Coracle-Time"));
    t->last_us = cor_mono_now().us;
    if (cor_map_get(t->keys, cor_view_of(key)) != NULL) {
        t->repeats++;
        return;
    }
    cor_map_set(t->keys, cor_view_of(key), t);
    t->unique++;
    note_order(t, key);
    cor_buf_view(&t->bodies, cor_exchange_body(exchange));
    cor_buf_str(&t->bodies, "\n");
    cor_buf_clear(&t->last_headers);
    for (size_t i = 0; i < COR_COUNT(NAMES); i++) {
        const char *value = cor_exchange_header(exchange, NAMES[i]);
        cor_buf_fmt(&t->last_headers, "%s|", value == NULL ? "-" : value);
    }
}

static void pour(struct cor_exchange *exchange)
{
    static char block[1 << 20];
    struct cor_stream *stream = cor_exchange_stream(exchange, 200, "text/plain", NULL, NULL);
    for (int i = 0; i < 14; i++) {
        if (cor_stream_write(stream, (struct cor_view){block, sizeof(block)}) != COR_OK) {
            return;
        }
    }
}

static void on_post(void *self, struct cor_exchange *exchange)
{
    struct target *t = self;
    struct cor_buf body = {0};
    t->requests++;
    if (t->failing > 0) {
        t->failing--;
        cor_buf_str(&body, "not now");
        cor_exchange_reply(exchange, t->fail_status, "text/plain", &body);
        return;
    }
    if (t->answer == 0) {
        return; /* it waits until the server ends */
    }
    if (t->answer < 300) {
        note(t, exchange);
    }
    if (t->endless) {
        pour(exchange);
    } else {
        cor_exchange_reply(exchange, t->answer, "text/plain", &body);
    }
}

void target_open(struct target *t, struct world *w, int port)
{
    auto_(cor_freep) char *address =
        cor_sprintf("127.0.0.1:%d", port == 0 ? test_free_port() : port);
    const char *const addresses[] = {address};
    struct cor_httpd_spec spec = {.addresses = addresses,
                                  .address_count = 1,
                                  .max_body = 4 << 20,
                                  .handler = on_post,
                                  .self = t};
    assert_int_equal(cor_httpd_start(w->stage->loop, &spec, &t->httpd, NULL), COR_OK);
    t->port = cor_httpd_port(t->httpd, 0);
    (void)snprintf(t->url, sizeof(t->url), "http://127.0.0.1:%d/in", t->port);
    if (t->keys == NULL) {
        t->keys = cor_map_new(NULL);
        t->answer = 200;
        cor_buf_str(&t->bodies, "");
    }
}

void target_close(struct target *t)
{
    cor_httpd_free(&t->httpd);
}

void target_free(struct target *t)
{
    cor_httpd_free(&t->httpd);
    cor_map_free(&t->keys);
    cor_buf_free(&t->bodies);
    cor_buf_free(&t->last_headers);
}

/* ---- streams ------------------------------------------------------------------------------------
 */

static void resume(void *self, uint64_t after)
{
    struct stream *s = self;
    for (uint64_t seq = after + 1; seq <= s->last; seq++) {
        char payload[96] = "";
        if (!s->empty) {
            (void)snprintf(payload, sizeof(payload), "%s%d%s", s->before, (int)seq, s->after);
        }
        struct px_upload upload = {.topic = cor_view_of(s->topic), .payload = cor_view_of(payload)};
        struct cor_event event = {.seq = seq, .number = PX_upload, .body = &upload};
        if (cor_origin_send(s->origin, &event) != COR_OK) {
            return;
        }
    }
}

static void acked(void *self, uint64_t seq)
{
    ((struct stream *)self)->acked = seq;
}

void stream_open(struct stream *s, struct world *w, uint64_t number, const char *topic)
{
    static const struct cor_origin_ops ORIGIN = {resume, acked};
    s->w = w;
    s->number = number;
    s->incarnation = 0xabc0 + number;
    if (s->before == NULL) {
        s->before = "m";
        s->after = "";
    }
    (void)snprintf(s->topic, sizeof(s->topic), "default/%s", topic);
    (void)snprintf(s->name, sizeof(s->name), "n1/bus/topic/%s", s->topic);
    s->origin = cor_origin_new(
        w->hub,
        &(struct cor_origin_spec){
            .stream = number, .name = s->name, .incarnation = s->incarnation, .last = s->last},
        &ORIGIN, s);
}

void stream_send(struct stream *s, uint64_t count)
{
    uint64_t next = cor_origin_next(s->origin);
    s->last += count;
    if (next > 0) {
        resume(s, next - 1);
    }
}

void stream_close(struct stream *s)
{
    cor_origin_free(&s->origin);
}

bool stream_is_done(void *stream)
{
    const struct stream *s = stream;
    return s->acked == s->last;
}
