// SPDX-License-Identifier: Apache-2.0
// eventbus between a real mosquitto and the test, which plays devicetwin and edgehub, and devices
// by mosquitto_pub and mosquitto_sub.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/bus/stats.h"
#include "tests/support/stage/places.h"
#include "tests/support/stage/stage.h"
#include "tests/support/text/text.h"
#include "tools/ctl/ctl.h"

struct seen {
    char topic[128];
    char payload[128];
    struct stage_places places;
    int count;
};

struct world {
    struct stage *stage;
    pid_t pid, broker, listener;
    struct cor_bus *twin_bus, *hub_bus;
    struct cor_port *twin, *hub;
    struct seen in, up;
    char broker_conf[96], socket[96], heard[96];
    struct cor_origin *origin;
    uint64_t acked, last;
    int done, failed; /* calls that have ended */
    enum cor_code code;
    int want;
};

static enum cor_code note(struct seen *seen, struct cor_in *in, struct cor_view topic,
                          struct cor_view payload)
{
    seen->count++;
    (void)snprintf(seen->topic, sizeof(seen->topic), "%.*s", COR_VIEW_ARG(topic));
    (void)snprintf(seen->payload, sizeof(seen->payload), "%.*s", COR_VIEW_ARG(payload));
    (void)stage_places_take(&seen->places, in);
    return COR_OK;
}

static enum cor_code on_in(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    const struct px_mqtt_in *m = body;
    return note(&((struct world *)self)->in, in, m->topic, m->payload);
}

static enum cor_code on_upload(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    const struct px_upload *m = body;
    return note(&((struct world *)self)->up, in, m->topic, m->payload);
}

static uint64_t committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    struct world *w = self;
    return stage_places_open(port == w->twin ? &w->in.places : &w->up.places, open);
}

static const struct cor_handler TWIN[] = {{PX_mqtt_in, on_in}};
static const struct cor_handler HUB[] = {{PX_upload, on_upload}};
static const struct cor_port_ops TWIN_OPS = {
    .committed = committed, .handlers = TWIN, .handler_count = 1};
static const struct cor_port_ops HUB_OPS = {
    .committed = committed, .handlers = HUB, .handler_count = 1};

static void start_broker(struct world *w)
{
    const char *const argv[] = {"mosquitto", "-c", w->broker_conf, NULL};
    (void)unlink(w->socket);
    w->broker = stage_spawn(argv);
}

static void start_service(struct world *w)
{
    auto_(cor_freep) char *config =
        cor_sprintf("database: %s/bus.db\nbroker: \"unix:%s\"\n", w->stage->dir, w->socket);
    w->pid = stage_start(w->stage, "eventbus", config);
}

/* mosquitto_pub succeeds as soon as the broker listens: with QoS 1 it ends when it was
 * acknowledged. */
static void publish(struct world *w, const char *topic, const char *payload)
{
    const char *const argv[] = {"mosquitto_pub", "--unix", w->socket, "-q", "1", "-t",
                                topic,           "-m",     payload,   NULL};
    int status = stage_end(stage_spawn(argv), 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool both_up(void *self)
{
    struct world *w = self;
    return cor_port_is_up(w->twin) && cor_port_is_up(w->hub);
}

/* Its socket file is there before it listens. */
static bool broker_answers(void *self)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    auto_(cor_fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
                   ((struct world *)self)->socket);
    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

/* What mosquitto_sub has written is in a file. */
static bool heard_enough(void *self)
{
    struct world *w = self;
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (cor_file_read(w->heard, 1 << 20, &text, NULL) != COR_OK) {
        return false;
    }
    int lines = 0;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\n' ? 1 : 0;
    }
    return lines >= w->want;
}

/* Wakes the loop, so that conditions on files are looked at again. */
static void on_tick(void *self)
{
    (void)self;
}

static void until(struct world *w, bool (*cond)(void *self))
{
    struct cor_timer *tick = cor_timer_new(w->stage->loop, on_tick, w);
    cor_timer_repeat(tick, COR_MS(5));
    assert_true(stage_until(w->stage, cond, w));
    cor_timer_free(&tick);
}

static int setup(void **state)
{
    struct world *w = cor_alloc(sizeof(*w));
    struct cor_err err = COR_ERR_NONE;
    w->stage = stage_new();
    (void)snprintf(w->socket, sizeof(w->socket), "%s/mqtt.sock", w->stage->dir);
    (void)snprintf(w->broker_conf, sizeof(w->broker_conf), "%s/mosquitto.conf", w->stage->dir);
    (void)snprintf(w->heard, sizeof(w->heard), "%s/heard", w->stage->dir);
    auto_(cor_freep) char *conf =
        cor_sprintf("listener 0 %s\nallow_anonymous true\nuser root\nlog_dest none\n"
                    "persistence true\npersistence_location %s/\n"
                    "sys_interval 1\nmax_inflight_messages 0\nmax_queued_messages 1000\n",
                    w->socket, w->stage->dir);
    assert_int_equal(cor_file_write(w->broker_conf, cor_view_of(conf), 0644, &err), COR_OK);
    start_service(w); /* before its broker: it has to wait for it */
    w->twin_bus = stage_bus(w->stage, "devicetwin");
    w->hub_bus = stage_bus(w->stage, "edgehub");
    assert_int_equal(
        cor_port_open(w->twin_bus, px_endpoint(PX_ENDPOINT_TWIN_BUS), &TWIN_OPS, w, &w->twin, &err),
        COR_OK);
    assert_int_equal(
        cor_port_open(w->hub_bus, px_endpoint(PX_ENDPOINT_HUB_BUS), &HUB_OPS, w, &w->hub, &err),
        COR_OK);
    assert_true(stage_until(w->stage, both_up, w));
    start_broker(w);
    until(w, broker_answers);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    cor_origin_free(&w->origin);
    cor_port_close(&w->twin);
    cor_port_close(&w->hub);
    cor_bus_free(&w->twin_bus);
    cor_bus_free(&w->hub_bus);
    int status = stage_end(w->pid, SIGTERM);
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    (void)stage_end(w->broker, SIGTERM);
    if (w->listener != 0) {
        (void)stage_end(w->listener, SIGTERM);
    }
    stage_free(&w->stage);
    cor_free(w);
    return clean ? 0 : -1;
}

static bool twin_has(void *self)
{
    const struct world *w = self;
    return w->in.count >= w->want;
}

static bool cloud_has(void *self)
{
    const struct world *w = self;
    return w->up.count >= w->want;
}

static bool probe_came(void *self)
{
    struct world *w = self;
    publish(w, "$hw/events/node/n1/membership/get", "probe");
    return w->in.count > 0;
}

static bool last_probe_came(void *self)
{
    return strcmp(((struct world *)self)->in.payload, "last") == 0;
}

/* The subscription is there once a message comes through: device topics are repeated until one
 * does, and all of them have come with the last one. */
static void until_subscribed(struct world *w)
{
    assert_true(stage_poll(w->stage, probe_came, w));
    publish(w, "$hw/events/node/n1/membership/get", "last");
    assert_true(stage_until(w->stage, last_probe_came, w));
    w->want = 1;
    w->in.count = 0;
}

static bool all_are_kept(void *self)
{
    const struct world *w = self;
    auto_(cor_freep) char *ctl = cor_sprintf("%s/run/ctl/eventbus", w->stage->dir);
    return test_stat(ctl, "keptForTwin") >= w->want;
}

static void topics_lead_to_twin_and_cloud(void **state)
{
    struct world *w = *state;
    until_subscribed(w);
    publish(w, "$hw/events/device/default/x/twin/update", "{\"a\":1}");
    assert_true(stage_until(w->stage, twin_has, w));
    assert_string_equal(w->in.topic, "$hw/events/device/default/x/twin/update");
    assert_string_equal(w->in.payload, "{\"a\":1}");
    publish(w, "foo/user/bar", "up");
    publish(w, "SYS/dis/upload_records", "records");
    w->want = 2;
    assert_true(stage_until(w->stage, cloud_has, w));
    assert_string_equal(w->up.topic, "SYS/dis/upload_records");
    assert_int_equal(w->in.count, 1);
}

/* Killed with messages that nobody has committed: they come again, once each. */
static void killed_it_keeps_what_was_not_committed(void **state)
{
    struct world *w = *state;
    struct cor_err err = COR_ERR_NONE;
    until_subscribed(w);
    cor_port_close(&w->twin); /* devicetwin is away */
    for (int i = 0; i < 20; i++) {
        publish(w, "$hw/events/device/default/x/twin/update", "{}");
    }
    w->want = 20;
    until(w, all_are_kept);
    (void)stage_end(w->pid, SIGKILL);
    start_service(w);
    assert_int_equal(
        cor_port_open(w->twin_bus, px_endpoint(PX_ENDPOINT_TWIN_BUS), &TWIN_OPS, w, &w->twin, &err),
        COR_OK);
    assert_true(stage_until(w->stage, twin_has, w));
    stage_idle(w->stage, 100);
    assert_int_equal(w->in.count, 20);
}

static void resume(void *self, uint64_t after)
{
    struct world *w = self;
    for (uint64_t seq = after + 1; seq <= w->last; seq++) {
        char payload[32];
        (void)snprintf(payload, sizeof(payload), "%d", (int)seq);
        struct px_mqtt_out out = {.topic = COR_VIEW("out/x"), .payload = cor_view_of(payload)};
        if (cor_origin_send(w->origin,
                            &(struct cor_event){.seq = seq, .number = PX_mqtt_out, .body = &out}) !=
            COR_OK) {
            return;
        }
    }
}

static void acked(void *self, uint64_t seq)
{
    ((struct world *)self)->acked = seq;
}

static bool all_acked(void *self)
{
    const struct world *w = self;
    return w->acked == w->last;
}

static bool probe_is_heard(void *self)
{
    publish(self, "ear/probe", "probe");
    return heard_enough(self);
}

static void listen_to_out(struct world *w)
{
    auto_(cor_freep) char *script = cor_sprintf(
        "exec mosquitto_sub --unix %s -q 1 -c -i ear -t out/# -t ear/# > %s", w->socket, w->heard);
    const char *const argv[] = {"sh", "-c", script, NULL};
    w->listener = stage_spawn(argv);
    w->want = 1;
    assert_true(stage_poll(w->stage, probe_is_heard, w));
}

static int heard_times(const struct world *w, const char *line)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    assert_int_equal(cor_file_read(w->heard, 1 << 20, &text, NULL), COR_OK);
    return (int)test_count(text.data, line);
}

struct hearing {
    struct world *w;
    const char *line;
};

static bool is_heard(void *self)
{
    const struct hearing *hearing = self;
    return heard_times(hearing->w, hearing->line) > 0;
}

static void until_heard(struct world *w, const char *line)
{
    struct hearing hearing = {w, line};
    assert_true(stage_poll(w->stage, is_heard, &hearing));
}

/* A broker that restarts in the middle of a stream of publications: all of them arrive. */
static void broker_restarts_lose_no_publication(void **state)
{
    static const struct cor_origin_ops ORIGIN = {resume, acked};
    struct world *w = *state;
    until_subscribed(w);
    listen_to_out(w);
    w->last = 500;
    w->origin = cor_origin_new(
        w->twin, &(struct cor_origin_spec){.stream = 1, .incarnation = 5, .last = 500, .acked = 0},
        &ORIGIN, w);
    stage_idle(w->stage, 3);
    (void)stage_end(w->broker, SIGTERM);
    stage_idle(w->stage, 50);
    start_broker(w);
    assert_true(stage_until(w->stage, all_acked, w));
    until_heard(w, "\n500\n");
    auto_(cor_buf_free) struct cor_buf text = {0};
    assert_int_equal(cor_file_read(w->heard, 1 << 20, &text, NULL), COR_OK);
    for (int n = 1; n <= 500; n++) {
        char line[16];
        (void)snprintf(line, sizeof(line), "\n%d\n", n);
        if (strstr(text.data, line) == NULL) {
            fail_msg("publication %d is missing", n);
        }
    }
}

static void what_cannot_be_published_stops_nothing(void **state)
{
    struct world *w = *state;
    until_subscribed(w);
    listen_to_out(w);
    static const char *const TOPICS[] = {"a/+/b", "a/#", ""};
    for (size_t i = 0; i < COR_COUNT(TOPICS); i++) {
        struct px_mqtt_out out = {.topic = cor_view_of(TOPICS[i]), .payload = COR_VIEW("x")};
        assert_int_equal(cor_send(w->twin, PX_mqtt_out, &out), COR_OK);
    }
    struct px_mqtt_out out = {.topic = COR_VIEW("out/good"), .payload = COR_VIEW("good")};
    assert_int_equal(cor_send(w->twin, PX_mqtt_out, &out), COR_OK);
    until_heard(w, "good");
}

static void on_done(void *self, const void *body, const struct cor_err *err)
{
    struct world *w = self;
    w->done += body != NULL ? 1 : 0;
    w->failed += body == NULL ? 1 : 0;
    w->code = body == NULL ? err->code : COR_OK;
}

static bool calls_ended(void *self)
{
    const struct world *w = self;
    return w->done + w->failed >= w->want;
}

static enum cor_code call(struct world *w, const char *topic, const char *payload, const char *key)
{
    struct px_publish body = {.topic = cor_view_of(topic),
                              .payload = cor_view_of(payload),
                              .idempotency = cor_view_of(key)};
    w->want = w->done + w->failed + 1;
    assert_int_equal(cor_call(w->hub, PX_publish, &body, COR_SEC(30), on_done, w), COR_OK);
    assert_true(stage_until(w->stage, calls_ended, w));
    return w->code;
}

/* What it answers to a verb of its control socket has text. */
static bool says(const struct world *w, const char *verb, const char *text)
{
    auto_(cor_freep) char *ctl = cor_sprintf("%s/run/ctl/eventbus", w->stage->dir);
    auto_(cor_buf_free) struct cor_buf answer = {0};
    return tool_ask(ctl, verb, COR_VIEW("{}"), 30000, &answer, NULL) == COR_OK &&
           strstr(answer.data, text) != NULL;
}

static bool has_broker(void *self)
{
    return says(self, "stats", "\"broker\":true");
}

static bool has_no_broker(void *self)
{
    return says(self, "stats", "\"broker\":false");
}

/* A publication of a rule is done when the broker has it; the same key is published once, also
 * after a kill. */
static void a_call_is_done_when_the_broker_has_it(void **state)
{
    struct world *w = *state;
    until_subscribed(w);
    listen_to_out(w);
    assert_int_equal(call(w, "out/a", "first", "key-1"), COR_OK);
    assert_int_equal(call(w, "out/a", "first", "key-1"), COR_OK);
    assert_int_equal(call(w, "out/a", "second", "key-2"), COR_OK);
    assert_int_equal(call(w, "out/a", "free", NULL), COR_OK);
    assert_int_equal(call(w, "out/a", "free", NULL), COR_OK);
    assert_int_equal(call(w, "out/#", "wrong", NULL), COR_INVALID);
    (void)stage_end(w->pid, SIGKILL);
    start_service(w);
    assert_true(stage_until(w->stage, both_up, w));
    until(w, has_broker);
    assert_int_equal(call(w, "out/a", "second", "key-2"), COR_OK);
    assert_int_equal(call(w, "out/a", "third", "key-3"), COR_OK);
    until_heard(w, "third");
    assert_int_equal(heard_times(w, "first"), 1);
    assert_int_equal(heard_times(w, "second"), 1);
    assert_int_equal(heard_times(w, "third"), 1);
    assert_int_equal(heard_times(w, "free"), 2);
    (void)stage_end(w->broker, SIGTERM);
    until(w, has_no_broker);
    assert_int_equal(call(w, "out/a", "nobody", "key-4"), COR_RETRY);
    start_broker(w);
}

/* The broker has what was subscribed when it has what was published behind it. */
static void subscribe(struct world *w, const char *a, const char *b)
{
    struct cor_view topics[] = {cor_view_of(a), cor_view_of(b)};
    struct px_subscriptions body = {.key = COR_VIEW("all"), .topics = {topics, b == NULL ? 1 : 2}};
    assert_int_equal(cor_send(w->hub, PX_subscriptions, &body), COR_OK);
    assert_int_equal(call(w, "fence", "x", NULL), COR_OK);
}

/* The set that the cloud wants replaces the one before; it is kept over a restart. */
static void subscriptions_are_the_whole_set(void **state)
{
    struct world *w = *state;
    until_subscribed(w);
    subscribe(w, "rule/a", "rule/b/#");
    publish(w, "rule/a", "1");
    publish(w, "rule/b/c", "2");
    w->want = 2;
    assert_true(stage_until(w->stage, cloud_has, w));
    subscribe(w, "rule/b/#", NULL);
    publish(w, "rule/a", "3");
    publish(w, "rule/b/c", "4");
    w->want = 3;
    assert_true(stage_until(w->stage, cloud_has, w));
    assert_string_equal(w->up.payload, "4");
    (void)stage_end(w->pid, SIGKILL);
    publish(w, "rule/a", "5");
    publish(w, "rule/b/c", "6");
    start_service(w);
    w->want = 4;
    assert_true(stage_until(w->stage, cloud_has, w));
    stage_idle(w->stage, 100);
    assert_int_equal(w->up.count, 4);
    assert_string_equal(w->up.payload, "6");
}

static bool books_tell(void *self)
{
    return says(self, "ledger", "\"dropped\":20");
}

/* While eventbus is away the broker keeps 1,000 messages for it and acknowledges more: the books
 * have what it dropped. */
static void what_the_broker_drops_is_in_the_books(void **state)
{
    struct world *w = *state;
    until_subscribed(w);
    (void)stage_end(w->pid, SIGKILL);
    auto_(cor_freep) char *script =
        cor_sprintf("seq 1 1020 | mosquitto_pub --unix %s -q 1 -t foo/user/bar -l", w->socket);
    const char *const argv[] = {"sh", "-c", script, NULL};
    assert_int_equal(stage_end(stage_spawn(argv), 0), 0);
    start_service(w);
    until(w, books_tell);
    w->want = 1000;
    assert_true(stage_until(w->stage, cloud_has, w));
    assert_int_equal(w->up.count, 1000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(topics_lead_to_twin_and_cloud),         T(killed_it_keeps_what_was_not_committed),
        T(broker_restarts_lose_no_publication),   T(what_cannot_be_published_stops_nothing),
        T(a_call_is_done_when_the_broker_has_it), T(subscriptions_are_the_whole_set),
        T(what_the_broker_drops_is_in_the_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
