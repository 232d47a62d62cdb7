// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/link/harness.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "tests/support/wait.h"

void bench_wait(struct bench *bench, bool (*cond)(void *arg), void *arg)
{
    test_wait(bench->cloud->loop, bench->cloud->dir, cond, arg);
}

static void on_time(void *self)
{
    cor_loop_stop(((struct bench *)self)->cloud->loop);
}

void bench_run(struct bench *bench, int64_t us)
{
    struct cor_timer *timer = cor_timer_new(bench->cloud->loop, on_time, bench);
    cor_timer_start(timer, us);
    cor_loop_run(bench->cloud->loop);
    cor_timer_free(&timer);
}

/* ---- the controller ---- */

static struct flow *flow_of(struct bench *bench, uint64_t number)
{
    for (int i = 0; i < STREAMS; i++) {
        if (bench->flows[i].number == number) {
            return &bench->flows[i];
        }
    }
    return NULL;
}

static uint64_t committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    struct bench *bench = self;
    (void)port;
    assert_int_equal(open->incarnation, 77);
    for (int i = 0; i < STREAMS; i++) {
        auto_(cor_freep) char *name = cor_sprintf("n1/bus/%s", bench->flows[i].name);
        if (cor_view_is(open->name, name)) {
            bench->flows[i].number = open->stream;
            return bench->flows[i].last;
        }
    }
    fail_msg("nobody knows stream %.*s", COR_VIEW_ARG(open->name));
    return 0;
}

static enum cor_code on_upload(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct bench *bench = self;
    const struct px_upload *upload = body;
    struct flow *flow = flow_of(bench, in->head->stream);
    uint64_t n = 0;
    (void)err;
    assert_non_null(flow);
    struct cor_view number = upload->payload;
    const char *end = memchr(number.ptr, ' ', number.len);
    number.len = end == NULL ? number.len : (size_t)(end - number.ptr);
    assert_true(cor_view_u64(number, &n));
    assert_true(cor_view_is(upload->topic, flow->name));
    flow->repeats += in->head->seq <= flow->last;
    bench->disorder += in->head->seq != flow->last + 1 || n != in->head->seq;
    flow->last = in->head->seq;
    cor_commit(in->port, in->head->stream, in->head->seq);
    return COR_OK;
}

static enum cor_code on_session(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    struct bench *bench = self;
    (void)in;
    (void)err;
    const struct px_node_session *session = body;
    bench->node_up = session->up;
    bench->epoch = session->epoch;
    bench->sessions += session->up;
    return COR_OK;
}

static enum cor_code on_surplus(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    const struct px_node_surplus *surplus = body;
    (void)in;
    (void)err;
    cor_buf_fmt(&((struct bench *)self)->surplus, "%.*s %.*s\n", COR_VIEW_ARG(surplus->key),
                COR_VIEW_ARG(surplus->uid));
    return COR_OK;
}

static enum cor_code on_old_upload(void *self, struct cor_in *in, const void *body,
                                   struct cor_err *err)
{
    (void)in;
    (void)body;
    (void)err;
    ((struct bench *)self)->old_uploads++;
    return COR_OK;
}

static enum cor_code on_call(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_node_call *call = body;
    struct px_api_reply reply = {
        .status = 200, .body = COR_VIEW("{\"kind\":\"Thing\"}"), .version = COR_VIEW("77")};
    struct bench *bench = self;
    (void)err;
    assert_true(cor_view_is(call->node, "n1"));
    bench->lease_calls += cor_view_is(call->key, "kube-node-lease/lease/n1");
    cor_reply(in, &reply);
    return COR_OK;
}

static enum cor_code on_report(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_node_report *report = body;
    struct px_done done = {.dropped = cor_view_is(report->device, "default/unknown")};
    (void)self;
    if (cor_view_is(report->device, "default/bad")) {
        return cor_err_set(err, COR_CONFLICT, "so it is");
    }
    cor_reply(in, &done);
    return COR_OK;
}

static enum cor_code on_alive(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct bench *bench = self;
    const struct px_node_alive *alive = body;
    (void)in;
    (void)err;
    assert_true(cor_view_is(alive->node, "n1"));
    bench->alive++;
    bench->seconds = alive->seconds;
    return COR_OK;
}

static const struct cor_handler CONTROLLER[] = {
    {PX_upload, on_upload},        {PX_node_session, on_session}, {PX_node_call, on_call},
    {PX_node_report, on_report},   {PX_node_alive, on_alive},     {PX_node_upload, on_old_upload},
    {PX_node_surplus, on_surplus},
};

static const struct cor_port_ops CONTROLLER_OPS = {
    .committed = committed, .handlers = CONTROLLER, .handler_count = COR_COUNT(CONTROLLER)};

static bool controller_is_up(void *arg)
{
    return cor_port_is_up(((struct bench *)arg)->cloud->port);
}

static void open_controller(struct bench *bench, unsigned minor)
{
    assert_int_equal(cor_port_open(bench->cloud->bus, px_endpoint(PX_ENDPOINT_HUB_CONTROLLER),
                                   &CONTROLLER_OPS, bench, &bench->cloud->port, NULL),
                     COR_OK);
    cor_port_speak(bench->cloud->port, minor);
    bench_wait(bench, controller_is_up, bench);
}

void bench_controller(struct bench *bench, bool there)
{
    cor_port_close(&bench->cloud->port);
    for (int i = 0; i < STREAMS; i++) {
        bench->flows[i].number = 0;
    }
    if (there) {
        open_controller(bench, COR_BUS_MINOR);
    }
}

void bench_old_controller(struct bench *bench)
{
    bench_controller(bench, false);
    open_controller(bench, 0);
}

/* ---- the edge's services ---- */

static void send_more(struct flow *flow, uint64_t from)
{
    size_t size = flow->bench->size == 0 ? 250 : flow->bench->size;
    auto_(cor_freep) char *text = cor_alloc(size);
    for (uint64_t seq = from; seq <= flow->given; seq++) {
        memset(text, '.', size);
        (void)snprintf(text, size, "%lu ", (unsigned long)seq); /* NUL is one of its bytes */
        struct px_upload upload = {.topic = cor_view_of(flow->name), .payload = {text, size}};
        struct cor_event event = {.seq = seq, .number = PX_upload, .body = &upload};
        if (cor_origin_send(flow->origin, &event) != COR_OK) {
            return;
        }
    }
}

static void on_resume(void *self, uint64_t after)
{
    send_more(self, after + 1);
}

static void on_acked(void *self, uint64_t seq)
{
    struct flow *flow = self;
    assert_true(seq > flow->acked && seq <= flow->given);
    flow->acked = seq;
}

static const struct cor_origin_ops ORIGIN = {.resume = on_resume, .acked = on_acked};

void bench_give(struct bench *bench, uint64_t count)
{
    for (int i = 0; i < STREAMS; i++) {
        struct flow *flow = &bench->flows[i];
        flow->given += count;
        uint64_t next = cor_origin_next(flow->origin);
        if (next != 0) {
            send_more(flow, next);
        }
    }
}

static enum cor_code on_link(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct bench *bench = self;
    const struct px_link *link = body;
    (void)err;
    if (in->port == bench->peers.ports[PEER_META]) {
        bench->links_up += link->up && !bench->link_up;
        bench->link_up = link->up;
    }
    return COR_OK;
}

static enum cor_code on_object(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct bench *bench = self;
    const struct px_object *object = body;
    (void)err;
    bench->object_id = in->head->id;
    struct px_object_stored stored = {
        .key = object->key, .version = object->version, .id = in->head->id};
    if (bench->stores && cor_send(in->port, PX_object_stored, &stored) != COR_OK) {
        return COR_BUSY;
    }
    cor_buf_fmt(&bench->seen, "object %.*s%s v=%.*s\n", COR_VIEW_ARG(object->key),
                object->gone ? "!" : "", COR_VIEW_ARG(object->version));
    return COR_OK;
}

static enum cor_code on_membership(void *self, struct cor_in *in, const void *body,
                                   struct cor_err *err)
{
    struct bench *bench = self;
    const struct px_membership *membership = body;
    (void)in;
    (void)err;
    cor_buf_fmt(&bench->seen, "membership %.*s\n", COR_VIEW_ARG(membership->body));
    return COR_OK;
}

static enum cor_code on_publish(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    struct bench *bench = self;
    const struct px_publish *publish = body;
    struct px_done done = {0};
    cor_buf_fmt(&bench->seen, "publish %.*s %.*s %.*s\n", COR_VIEW_ARG(publish->topic),
                COR_VIEW_ARG(publish->payload), COR_VIEW_ARG(publish->idempotency));
    if (bench->publish_code != COR_OK) {
        return cor_err_set(err, bench->publish_code, "broker away");
    }
    cor_reply(in, &done);
    return COR_OK;
}

static enum cor_code on_subscriptions(void *self, struct cor_in *in, const void *body,
                                      struct cor_err *err)
{
    struct bench *bench = self;
    const struct px_subscriptions *all = body;
    (void)in;
    (void)err;
    cor_buf_str(&bench->seen, "subscriptions");
    for (size_t i = 0; i < all->topics.count; i++) {
        cor_buf_fmt(&bench->seen, " %.*s", COR_VIEW_ARG(all->topics.items[i]));
    }
    cor_buf_str(&bench->seen, "\n");
    return COR_OK;
}

/* What an eventbus of v0.1.0 hears instead. */
static enum cor_code on_mqtt_out(void *self, struct cor_in *in, const void *body,
                                 struct cor_err *err)
{
    struct bench *bench = self;
    const struct px_mqtt_out *out = body;
    (void)in;
    (void)err;
    cor_buf_fmt(&bench->seen, "mqtt out %.*s %.*s\n", COR_VIEW_ARG(out->topic),
                COR_VIEW_ARG(out->payload));
    return COR_OK;
}

static enum cor_code on_subscribe(void *self, struct cor_in *in, const void *body,
                                  struct cor_err *err)
{
    struct bench *bench = self;
    const struct px_mqtt_subscribe *subscribe = body;
    (void)in;
    (void)err;
    cor_buf_fmt(&bench->seen, "subscribe %.*s\n", COR_VIEW_ARG(subscribe->topic));
    return COR_OK;
}

static const struct cor_handler EDGE[] = {
    {PX_link, on_link},
    {PX_object, on_object},
    {PX_membership, on_membership},
    {PX_publish, on_publish},
    {PX_subscriptions, on_subscriptions},
    {PX_mqtt_out, on_mqtt_out},
    {PX_mqtt_subscribe, on_subscribe},
};

static const struct cor_port_ops EDGE_OPS = {.handlers = EDGE, .handler_count = COR_COUNT(EDGE)};

/* With names, as today, or only with the numbers that v0.1.0 knows. */
static void open_flows(struct bench *bench, bool named)
{
    for (int i = 0; i < STREAMS; i++) {
        struct flow *flow = &bench->flows[i];
        flow->bench = bench;
        (void)snprintf(flow->name, sizeof(flow->name), named ? "topic/%d/user/x" : "%d", i + 1);
        struct cor_origin_spec origin = {.stream = (uint64_t)i + (named ? 100 : 1),
                                         .name = named ? flow->name : NULL,
                                         .incarnation = 77};
        flow->origin = cor_origin_new(bench->peers.ports[PEER_BUS], &origin, &ORIGIN, flow);
    }
}

void bench_old_eventbus(struct bench *bench)
{
    bench_give(bench, 1);
    bench_all_there(bench); /* no OPEN of these is on its way any more */
    for (int i = 0; i < STREAMS; i++) {
        cor_origin_free(&bench->flows[i].origin);
        bench->flows[i] = (struct flow){0};
    }
    cor_port_close(&bench->peers.ports[PEER_BUS]);
    test_peers_open(&bench->peers, PEER_BUS, &EDGE_OPS, bench);
    cor_port_speak(bench->peers.ports[PEER_BUS], 0);
    open_flows(bench, false);
}

static void start_peers(struct bench *bench)
{
    bench->run_dir = cor_sprintf("%s/run", bench->edge_dir);
    struct cor_bus_spec spec = {.run_dir = bench->run_dir,
                                .loop = bench->cloud->loop,
                                .log = bench->cloud->log,
                                .messages = px_messages()};
    test_peers_join(&bench->peers, &spec, &EDGE_OPS, bench);
    open_flows(bench, true);
}

void bench_start_edge(struct bench *bench, const char *extra)
{
    char line[16];
    auto_(cor_freep) char *known = test_read(bench->edge_dir, "id/identity.pem");
    auto_(cor_freep) char *token = known[0] == 0 ? hub_new_token(bench->cloud, "n1") : NULL;
    auto_(cor_freep) char *log = cor_sprintf("%s/log", bench->cloud->dir);
    auto_(cor_freep) char *path = cor_sprintf("%s/edge.yaml", bench->edge_dir);
    auto_(cor_freep) char *config =
        cor_sprintf("run-dir: %s/run\nnode: {name: n1}\nidentity: %s/id\ntoken-file: %s/token\n"
                    "cloud: {host: 127.0.0.1, port: %d, enrol-port: %d}\n"
                    "link: {retry-first-ms: 20, retry-last-ms: 40%s}\n",
                    bench->edge_dir, bench->edge_dir, bench->edge_dir, proxy_port(bench->proxy),
                    bench->cloud->enrol_port, extra);
    bench->link_up = false;
    bench->links_up = 0;
    if (token != NULL) {
        test_write(bench->edge_dir, "token", token);
    }
    test_write(bench->edge_dir, "edge.yaml", config);
    const char *const argv[] = {
        CORACLE_BINARY_DIR "/bin/edgehub", "--config", path, "--ready-fd", "READY-FD", NULL};
    test_process_start(&bench->edge, argv, log, line, sizeof(line));
}

/* ---- set-up ---- */

static bool is_node_up(void *arg)
{
    return ((const struct bench *)arg)->node_up;
}

/* The controller hears of the node later than the node of its link. */
static int set_up(void **state, int heartbeat_ms)
{
    struct bench *bench = cor_alloc(sizeof(*bench));
    void *cloud = NULL;
    if (hub_setup(&cloud) != 0) {
        return -1;
    }
    bench->cloud = cloud;
    bench->edge_dir = test_dir_new();
    bench->proxy = proxy_new(bench->cloud->loop, bench->cloud->link_port);
    start_peers(bench);
    bench_controller(bench, true);
    auto_(cor_freep) char *beats = cor_sprintf(", heartbeat-ms: %d", heartbeat_ms);
    bench_start_edge(bench, beats);
    bench_link_up(bench, 1);
    bench_wait(bench, is_node_up, bench);
    *state = bench;
    return 0;
}

int bench_setup(void **state)
{
    return set_up(state, CALM_MS);
}

int bench_setup_brisk(void **state)
{
    return set_up(state, HEARTBEAT_MS);
}

/* ---- tear-down, steps ---- */

int bench_teardown(void **state)
{
    struct bench *bench = *state;
    void *cloud = bench->cloud;
    bench_check_books(bench);
    int status = test_process_stop(&bench->edge, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (int i = 0; i < STREAMS; i++) {
        cor_origin_free(&bench->flows[i].origin);
    }
    test_peers_leave(&bench->peers);
    cor_buf_free(&bench->answer.body);
    proxy_free(&bench->proxy);
    cor_buf_free(&bench->seen);
    cor_buf_free(&bench->surplus);
    test_dir_free(&bench->edge_dir);
    cor_free(bench->run_dir);
    cor_free(bench);
    return hub_teardown(&cloud);
}

static bool is_all_there(void *arg)
{
    const struct bench *bench = arg;
    for (int i = 0; i < STREAMS; i++) {
        const struct flow *flow = &bench->flows[i];
        if (flow->last != flow->given || flow->acked != flow->given) {
            return false;
        }
    }
    return true;
}

static uint64_t progress_of(const struct bench *bench)
{
    uint64_t sum = 0;
    for (int i = 0; i < STREAMS; i++) {
        sum += bench->flows[i].last + bench->flows[i].acked;
    }
    return sum;
}

static bool is_further(void *arg)
{
    const struct bench *bench = arg;
    return progress_of(bench) > bench->progress || is_all_there(arg);
}

/* As long as it takes on this machine, but never 30 s without a step. */
void bench_all_there(struct bench *bench)
{
    while (!is_all_there(bench)) {
        bench->progress = progress_of(bench);
        bench_wait(bench, is_further, bench);
    }
    assert_int_equal(bench->disorder, 0);
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(bench->flows[i].repeats, 0);
    }
}

static bool is_link_up(void *arg)
{
    void **args = arg;
    const struct bench *bench = args[0];
    return bench->link_up && bench->links_up >= (unsigned)(uintptr_t)args[1];
}

void bench_link_up(struct bench *bench, unsigned times)
{
    void *args[] = {bench, (void *)(uintptr_t)times};
    bench_wait(bench, is_link_up, args);
}

void bench_seen(struct bench *bench, const char *text)
{
    test_wait_text(bench->cloud->loop, bench->cloud->dir, &bench->seen, text);
}

void bench_call(struct bench *bench, int peer, uint16_t number, const void *body)
{
    struct cor_port *port = peer < 0 ? bench->cloud->port : bench->peers.ports[peer];
    test_call(port, number, body, COR_SEC(20), &bench->answer);
    bench_wait(bench, test_is_answered, &bench->answer);
}
