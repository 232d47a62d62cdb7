// SPDX-License-Identifier: Apache-2.0
// devicetwin as its peers see it: the test plays eventbus, metamanager and edgehub.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "tests/support/stage/books.h"
#include "tests/support/stage/places.h"
#include "tests/support/stage/stage.h"

enum { KEPT = 64, MESSAGES = 200 };

struct published {
    char topic[160];
    char payload[1500];
};

struct world {
    struct stage *stage;
    pid_t pid;
    struct cor_bus *bus_bus, *meta_bus, *hub_bus;
    struct cor_port *bus, *meta, *hub;
    struct cor_origin *origin;
    uint64_t acked, last; /* of the stream to devicetwin */
    char payloads[MESSAGES][256];
    char topics[MESSAGES][128];
    struct published out[KEPT]; /* what devicetwin published */
    size_t out_count;
    struct stage_places places; /* of what devicetwin publishes */
    int reports;
    char report[1000];
    bool hub_answers;
    bool deaf; /* commits nothing of what devicetwin publishes */
    struct {   /* the last of it */
        uint64_t stream, seq;
    } unheard;
    const char *options; /* further ones of devicetwin */
    size_t want;
};

static enum cor_code on_out(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    struct world *w = self;
    const struct px_mqtt_out *out = body;
    if (w->deaf) {
        w->unheard.stream = in->head->stream;
        w->unheard.seq = in->head->seq;
        w->out_count++;
        return COR_OK;
    }
    assert_int_equal(in->head->seq - in->head->skip, stage_places_take(&w->places, in) + 1);
    struct published *p = &w->out[w->out_count++ % KEPT];
    (void)snprintf(p->topic, sizeof(p->topic), "%.*s", COR_VIEW_ARG(out->topic));
    (void)snprintf(p->payload, sizeof(p->payload), "%.*s", COR_VIEW_ARG(out->payload));
    return COR_OK;
}

static uint64_t out_committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    (void)port;
    return stage_places_open(&((struct world *)self)->places, open);
}

static enum cor_code on_report(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct world *w = self;
    const struct px_device_report *report = body;
    w->reports++;
    (void)snprintf(w->report, sizeof(w->report), "%.*s", COR_VIEW_ARG(report->body));
    if (!w->hub_answers) {
        return cor_err_set(err, COR_RETRY, "the cloud does not answer");
    }
    struct px_done done = {0};
    cor_reply(in, &done);
    return COR_OK;
}

static const struct cor_handler BUS[] = {{PX_mqtt_out, on_out}};
static const struct cor_port_ops BUS_OPS = {
    .committed = out_committed, .handlers = BUS, .handler_count = 1};
static const struct cor_handler HUB[] = {{PX_device_report, on_report}};
static const struct cor_port_ops HUB_OPS = {.handlers = HUB, .handler_count = 1};
static const struct cor_port_ops META_OPS = {0};

static void resume(void *self, uint64_t after)
{
    struct world *w = self;
    for (uint64_t seq = after + 1; seq <= w->last; seq++) {
        struct px_mqtt_in in = {.topic = cor_view_of(w->topics[seq % MESSAGES]),
                                .payload = cor_view_of(w->payloads[seq % MESSAGES])};
        if (cor_origin_send(w->origin,
                            &(struct cor_event){.seq = seq, .number = PX_mqtt_in, .body = &in}) !=
            COR_OK) {
            return;
        }
    }
}

static void acked(void *self, uint64_t seq)
{
    ((struct world *)self)->acked = seq;
}

static const struct cor_origin_ops ORIGIN = {resume, acked};

static void say(struct world *w, const char *topic, const char *payload)
{
    w->last++;
    (void)snprintf(w->topics[w->last % MESSAGES], sizeof(w->topics[0]), "%s", topic);
    (void)snprintf(w->payloads[w->last % MESSAGES], sizeof(w->payloads[0]), "%s", payload);
    resume(w, w->last - 1);
}

static bool all_up(void *self)
{
    struct world *w = self;
    return cor_port_is_up(w->bus) && cor_port_is_up(w->meta) && cor_port_is_up(w->hub);
}

static void start(struct world *w)
{
    auto_(cor_freep) char *config =
        cor_sprintf("database: %s/twin.db\nnode: {name: n1}\n%s", w->stage->dir, w->options);
    w->pid = stage_start(w->stage, "devicetwin", config);
}

static struct cor_port *open_port(struct cor_bus *bus, enum px_endpoint which,
                                  const struct cor_port_ops *ops, struct world *w)
{
    struct cor_port *port = NULL;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_port_open(bus, px_endpoint(which), ops, w, &port, &err), COR_OK);
    return port;
}

static int setup_with(void **state, const char *options)
{
    struct world *w = cor_alloc(sizeof(*w));
    w->options = options;
    w->stage = stage_new();
    start(w);
    w->bus_bus = stage_bus(w->stage, "eventbus");
    w->meta_bus = stage_bus(w->stage, "metamanager");
    w->hub_bus = stage_bus(w->stage, "edgehub");
    w->bus = open_port(w->bus_bus, PX_ENDPOINT_TWIN_BUS, &BUS_OPS, w);
    w->meta = open_port(w->meta_bus, PX_ENDPOINT_META_TWIN, &META_OPS, w);
    w->hub = open_port(w->hub_bus, PX_ENDPOINT_HUB_TWIN, &HUB_OPS, w);
    w->origin = cor_origin_new(
        w->bus, &(struct cor_origin_spec){.stream = 1, .incarnation = 77, .last = 0, .acked = 0},
        &ORIGIN, w);
    assert_true(stage_until(w->stage, all_up, w));
    *state = w;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, "");
}

static int setup_small(void **state)
{
    return setup_with(state, "queue-bytes: 65536\nqueue-rules: [\"device/# share=100\"]\n");
}

static int setup_terse(void **state)
{
    return setup_with(state, "answers-bytes: 4096\n");
}

static int teardown(void **state)
{
    struct world *w = *state;
    stage_balances(w->stage, "devicetwin");
    cor_origin_free(&w->origin);
    cor_port_close(&w->bus);
    cor_port_close(&w->meta);
    cor_port_close(&w->hub);
    cor_bus_free(&w->bus_bus);
    cor_bus_free(&w->meta_bus);
    cor_bus_free(&w->hub_bus);
    int status = stage_end(w->pid, SIGTERM);
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    stage_free(&w->stage);
    cor_free(w);
    return clean ? 0 : -1;
}

static void object(struct world *w, const char *key, const char *body)
{
    struct px_object o = {.key = cor_view_of(key), .gone = body == NULL, .body = cor_view_of(body)};
    assert_int_equal(cor_send(w->meta, PX_object, &o), COR_OK);
}

static void objects_done(struct world *w)
{
    struct px_objects_done done = {.key = COR_VIEW("all")};
    assert_int_equal(cor_send(w->meta, PX_objects_done, &done), COR_OK);
}

static const char MODEL[] =
    "{\"metadata\":{\"namespace\":\"default\",\"name\":\"m\"},\"spec\":{\"properties\":"
    "[{\"name\":\"t\",\"type\":\"FLOAT\"},{\"name\":\"i\",\"type\":\"INT\"}]}}";

static void add_device(struct world *w, const char *desired)
{
    char device[400];
    (void)snprintf(device, sizeof(device),
                   "{\"metadata\":{\"namespace\":\"default\",\"name\":\"x\"},\"spec\":"
                   "{\"deviceModelRef\":{\"name\":\"m\"},\"properties\":[{\"name\":\"t\"},"
                   "{\"name\":\"i\",\"desired\":{\"value\":\"%s\"}}]}}",
                   desired);
    object(w, "default/device/x", device);
}

static bool has_out(void *self)
{
    const struct world *w = self;
    return w->out_count >= w->want;
}

static void until_out(struct world *w, size_t count)
{
    w->want = count;
    assert_true(stage_until(w->stage, has_out, w));
}

static bool is_acked(void *self)
{
    const struct world *w = self;
    return w->acked == w->last;
}

static const struct published *last_on(const struct world *w, const char *suffix)
{
    for (size_t i = w->out_count; i-- > 0;) {
        const char *topic = w->out[i % KEPT].topic;
        size_t len = strlen(topic);
        if (len >= strlen(suffix) && strcmp(topic + len - strlen(suffix), suffix) == 0) {
            return &w->out[i % KEPT];
        }
    }
    fail_msg("nothing was published on ...%s", suffix);
    return NULL;
}

#define UPDATE "$hw/events/device/default/x/twin/update"

/* The order in which objects come does not matter: the model may come behind its device. */
static void a_device_and_its_desired_value_arrive(void **state)
{
    struct world *w = *state;
    add_device(w, "10");
    object(w, "default/devicemodel/m", MODEL);
    objects_done(w);
    until_out(w, 3);
    assert_non_null(strstr(last_on(w, "membership/updated")->payload, "\"default/x\""));
    const struct published *delta = last_on(w, "twin/update/delta");
    assert_non_null(strstr(delta->payload, "\"delta\":{\"i\":\"10\"}"));
    assert_non_null(strstr(delta->payload, "\"type\":\"int\""));
}

static bool meta_is_down(void *self)
{
    return !cor_port_is_up(((struct world *)self)->meta);
}

/* metamanager, with its disk full, has nothing when it comes again. */
static void meta_comes_with_nothing(struct world *w)
{
    cor_port_close(&w->meta);
    w->meta = open_port(w->meta_bus, PX_ENDPOINT_META_TWIN, &META_OPS, w);
    assert_true(stage_until(w->stage, all_up, w));
    objects_done(w);
}

/* A device that only the membership has told of keeps what it has reported, until its object comes
 * or metamanager says that it is gone. */
static void what_membership_has_told_stays(void **state)
{
    struct world *w = *state;
    struct px_membership members = {
        .body = COR_VIEW("{\"added_devices\":[{\"id\":\"default/x\",\"name\":\"x\"}]}")};
    assert_int_equal(cor_send(w->hub, PX_membership, &members), COR_OK);
    until_out(w, 1);
    say(w, UPDATE, "{\"event_id\":\"1\",\"twin\":{\"n\":{\"actual\":{\"value\":\"7\"}}}}");
    until_out(w, 3);
    meta_comes_with_nothing(w);
    (void)stage_end(w->pid, SIGKILL);
    assert_true(stage_until(w->stage, meta_is_down, w));
    start(w);
    assert_true(stage_until(w->stage, all_up, w));
    objects_done(w);
    say(w, "$hw/events/device/default/x/twin/get", "{\"event_id\":\"2\"}");
    until_out(w, 4);
    assert_non_null(strstr(last_on(w, "get/result")->payload, "\"value\":\"7\""));
    add_device(w, "10");
    until_out(w, 6);
    meta_comes_with_nothing(w);
    until_out(w, 7);
    assert_non_null(strstr(last_on(w, "membership/updated")->payload, "\"removed_devices\":[{"));
    assert_int_equal(cor_send(w->hub, PX_membership, &members), COR_OK);
    until_out(w, 8);
    object(w, "default/device/x", NULL);
    until_out(w, 9);
    assert_non_null(strstr(last_on(w, "membership/updated")->payload, "\"removed_devices\":[{"));
}

static void an_update_is_answered_and_acknowledged(void **state)
{
    struct world *w = *state;
    object(w, "default/devicemodel/m", MODEL);
    add_device(w, "10");
    until_out(w, 3);
    say(w, UPDATE,
        "{\"event_id\":\"e1\",\"twin\":{\"i\":{\"actual\":{\"value\":\"10\"}},"
        "\"t\":{\"actual\":{\"value\":\"1.5\"},\"metadata\":{\"type\":\"float\"}}}}");
    until_out(w, 5);
    assert_non_null(strstr(last_on(w, "update/result")->payload, "\"event_id\":\"e1\""));
    assert_non_null(strstr(last_on(w, "update/document")->payload, "\"last\":null"));
    assert_true(stage_until(w->stage, is_acked, w));
    stage_idle(w->stage, 50);
    assert_int_equal(w->out_count, 5); /* no delta: nothing differs any more */
}

static void wrong_requests_get_their_error(void **state)
{
    static const struct {
        const char *topic;
        const char *payload;
        const char *answer; /* suffix of the topic; NULL: none */
        const char *part;
    } ROWS[] = {
        {"$hw/events/device/default/unknown/twin/update", "{\"event_id\":\"7\",\"twin\":{}}",
         "update/result", "\"code\":404"},
        {"$hw/events/device/default/unknown/twin/get", "{\"event_id\":\"7\"}", "get/result",
         "Device default/unknown not found"},
        {UPDATE, "not json", "update/result", "\"code\":400"},
        {UPDATE, "null", "update/result", "\"code\":400"},
        {UPDATE, "[]", "update/result", "\"code\":400"},
        {UPDATE, "{}", "update/result", "key:twin does not exist"},
        {UPDATE, "{\"twin\":null}", "update/result", "key:twin does not exist"},
        {UPDATE, "{\"twin\":{\"a b\":{}}}", "update/result", "The key of twin"},
        {UPDATE, "{\"twin\":{\"t\":{\"expected\":{}}}}", "update/result", "\"code\":400"},
        {UPDATE, "{\"twin\":{\"i\":{\"actual\":{\"value\":\"x\"}}}}", "update/result",
         "the value is not int or integer"},
        {"$hw/events/node/n1/membership/get", "[", "get/result", "\"code\":400"},
        {"$hw/events/device/default/x/state/update", "{\"state\":\"flying\"}", NULL, NULL},
        {"$hw/events/device//twin/update", "{}", NULL, NULL},
        {"$hw/events/device/default/x/twin/cloud_updated", "{}", NULL, NULL},
    };
    struct world *w = *state;
    object(w, "default/devicemodel/m", MODEL);
    add_device(w, "10");
    until_out(w, 3);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        size_t before = w->out_count;
        say(w, ROWS[i].topic, ROWS[i].payload);
        assert_true(stage_until(w->stage, is_acked, w));
        if (ROWS[i].answer == NULL) {
            continue;
        }
        until_out(w, before + 1);
        if (strstr(last_on(w, ROWS[i].answer)->payload, ROWS[i].part) == NULL) {
            fail_msg("%s %s -> %s", ROWS[i].topic, ROWS[i].payload,
                     last_on(w, ROWS[i].answer)->payload);
        }
    }
}

static bool has_report(void *self)
{
    return ((struct world *)self)->reports > 0;
}

static void link_up(struct world *w)
{
    struct px_link link = {.node = COR_VIEW("n1"), .up = true, .epoch = 1};
    assert_int_equal(cor_send(w->hub, PX_link, &link), COR_OK);
}

static int64_t counted(const struct world *w, const char *column)
{
    return stage_counted(w->stage, "devicetwin", "reports", "devices", column);
}

static bool two_are_delivered(void *self)
{
    return counted(self, "delivered") == 2;
}

/* What changed while the cloud was away is reported when it comes back; what it does not confirm is
 * reported again, and what it has confirmed is not. */
static void reports_wait_for_the_cloud(void **state)
{
    struct world *w = *state;
    object(w, "default/devicemodel/m", MODEL);
    add_device(w, "10");
    until_out(w, 3); /* objects and messages come on ports of their own, in no order */
    say(w, UPDATE, "{\"twin\":{\"t\":{\"actual\":{\"value\":\"1\"}}}}");
    say(w, UPDATE, "{\"twin\":{\"t\":{\"actual\":{\"value\":\"2\"}}}}");
    assert_true(stage_until(w->stage, is_acked, w));
    assert_int_equal(w->reports, 0);
    link_up(w);
    assert_true(stage_until(w->stage, has_report, w));
    assert_non_null(strstr(w->report, "\"value\":\"2\""));
    w->hub_answers = true;
    w->reports = 0;
    assert_true(stage_until(w->stage, has_report, w));
    stage_idle(w->stage, 600);
    assert_int_equal(w->reports, 1);
    assert_true(stage_poll(w->stage, two_are_delivered, w));
    /* A desired value, and two reported ones of which the newest has arrived. */
    assert_int_equal(counted(w, "accepted"), 3);
    assert_int_equal(counted(w, "superseded"), 1);
}

static bool bus_is_down(void *self)
{
    return !cor_port_is_up(((struct world *)self)->bus);
}

static bool out_has_all(void *self)
{
    return ((struct world *)self)->acked == MESSAGES - 1;
}

/* Killed in the middle of a stream of updates: each counts once, none is lost. */
static void killed_it_loses_and_doubles_nothing(void **state)
{
    struct world *w = *state;
    object(w, "default/devicemodel/m", MODEL);
    add_device(w, "10");
    objects_done(w);
    until_out(w, 3);
    for (int i = 1; i < MESSAGES; i++) {
        char payload[128];
        (void)snprintf(payload, sizeof(payload),
                       "{\"event_id\":\"%d\",\"twin\":{\"n\":{\"actual\":{\"value\":\"%d\"}}}}", i,
                       i);
        say(w, UPDATE, payload);
    }
    until_out(w, 20);
    (void)stage_end(w->pid, SIGKILL);
    assert_true(stage_until(w->stage, bus_is_down, w));
    start(w);
    assert_true(stage_until(w->stage, all_up, w));
    assert_true(stage_until(w->stage, out_has_all, w));
    say(w, "$hw/events/device/default/x/twin/get", "{\"event_id\":\"end\"}");
    until_out(w,
              3 + 3 * (MESSAGES - 1) + 1); /* result, document and delta of each, then the answer */
    link_up(w);
    assert_true(stage_until(w->stage, has_report, w));
    char version[64];
    (void)snprintf(version, sizeof(version), "\"actual_version\":{\"cloud\":0,\"edge\":%d}",
                   MESSAGES - 1);
    assert_non_null(strstr(w->report, version));
}

/* Updates of "n" to 1, 2, ... count, each of some length. */
static void say_many(struct world *w, int count)
{
    for (int i = 1; i <= count; i++) {
        char payload[256];
        (void)snprintf(payload, sizeof(payload),
                       "{\"event_id\":\"%d\",\"twin\":{\"n\":{\"actual\":{\"value\":\"%0150d\"}}}}",
                       i, i);
        say(w, UPDATE, payload);
    }
}

/* What was not committed is: the broker takes again. */
static void hear(struct world *w)
{
    w->deaf = false;
    for (size_t i = 0; i < w->places.count; i++) {
        if (w->places.items[i].stream == w->unheard.stream) {
            w->places.items[i].seq = w->unheard.seq;
        }
    }
    cor_commit(w->bus, w->unheard.stream, w->unheard.seq);
}

static void assert_reported_version(struct world *w, int version)
{
    char text[80];
    (void)snprintf(text, sizeof(text), "\"actual_version\":{\"cloud\":0,\"edge\":%d}", version);
    link_up(w);
    assert_true(stage_until(w->stage, has_report, w));
    if (strstr(w->report, text) == NULL) {
        fail_msg("%s is not in %s", text, w->report);
    }
}

static bool some_are_acked(void *self)
{
    return ((struct world *)self)->acked >= 10;
}

/* No room for what follows from a message: it is held, and taken when there is room again. */
static void messages_are_held_while_there_is_no_room(void **state)
{
    struct world *w = *state;
    object(w, "default/devicemodel/m", MODEL);
    add_device(w, "10");
    objects_done(w);
    until_out(w, 3);
    w->deaf = true;
    say_many(w, MESSAGES - 1);
    assert_true(stage_until(w->stage, some_are_acked, w));
    stage_idle(w->stage, 300);
    assert_in_range(w->acked, 10, w->last - 10);
    hear(w);
    assert_true(stage_until(w->stage, is_acked, w));
    assert_reported_version(w, MESSAGES - 1);
}

/* Says it until it is answered. */
static bool last_is_answered(void *self)
{
    struct world *w = self;
    size_t count = w->out_count < KEPT ? w->out_count : KEPT;
    for (size_t i = 0; i < count; i++) {
        if (strstr(w->out[i].topic, "update/result") != NULL &&
            strstr(w->out[i].payload, "\"last\"") != NULL) {
            return true;
        }
    }
    say(w, UPDATE, "{\"event_id\":\"last\",\"twin\":{\"n\":{\"actual\":{\"value\":\"1\"}}}}");
    return false;
}

/* Its values count, its answers are dropped while too many of them wait. */
static void a_flood_is_taken_without_answers(void **state)
{
    struct world *w = *state;
    object(w, "default/devicemodel/m", MODEL);
    add_device(w, "10");
    objects_done(w);
    until_out(w, 3);
    w->deaf = true;
    say_many(w, MESSAGES - 1);
    assert_true(stage_until(w->stage, is_acked, w));
    assert_in_range(w->out_count, 3 + 2, 3 + MESSAGES);
    assert_reported_version(w, MESSAGES - 1);
    hear(w);
    assert_true(stage_poll(w->stage, last_is_answered, w)); /* there is room again */
}

static bool reported_last(void *self)
{
    return strstr(((struct world *)self)->report, "\"edge\":199") != NULL;
}

/* However fast a device talks, the cloud hears of it a few times a second. */
static void reports_are_gathered(void **state)
{
    struct world *w = *state;
    object(w, "default/devicemodel/m", MODEL);
    add_device(w, "10");
    until_out(w, 3);
    w->hub_answers = true;
    link_up(w);
    struct cor_mono began = cor_mono_now();
    say_many(w, MESSAGES - 1);
    assert_true(stage_until(w->stage, reported_last, w));
    int64_t quarters = cor_mono_since(cor_mono_now(), began) / 250000;
    assert_in_range(w->reports, 1, (uint64_t)quarters + 2);
}

#define T_WITH(name, with) cmocka_unit_test_setup_teardown(name, with, teardown)
#define T(name) T_WITH(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_device_and_its_desired_value_arrive),
        T(what_membership_has_told_stays),
        T(an_update_is_answered_and_acknowledged),
        T(wrong_requests_get_their_error),
        T(reports_wait_for_the_cloud),
        T(killed_it_loses_and_doubles_nothing),
        T(reports_are_gathered),
        T_WITH(messages_are_held_while_there_is_no_room, setup_small),
        T_WITH(a_flood_is_taken_without_answers, setup_terse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
