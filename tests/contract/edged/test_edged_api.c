// SPDX-License-Identifier: Apache-2.0
// edged's API with a real containerd, and a peer in edgehub's place that asks.
#include <sys/stat.h>

#include "cloud.h"
#include "contained.h"
#include "proto/stream/credit.h"
#include "tests/support/bus/stats.h"

enum { PATIENCE = 30 * 1000 * 1000, ASKS_MAX = 80 };

/* A request, and what has come of its answer. */
struct asked {
    int status; /* 0: nothing yet */
    struct cor_buf body;
    uint64_t credit; /* that edged has been given and has not used */
    uint64_t owed;   /* that it is to be given when the bus has room */
    bool last, over;
    char error[257];
};

/* In edgehub's place. */
struct hub {
    struct cloud *cloud;
    struct cor_bus *bus;
    struct cor_port *port;
    struct asked asked[ASKS_MAX];
    size_t count;
    bool generous; /* gives back what it gets at once */
};

static struct asked *of(struct hub *hub, uint64_t id)
{
    assert_true(id > 0 && id <= hub->count);
    assert_false(hub->asked[id - 1].over);
    return &hub->asked[id - 1];
}

static enum cor_code on_head(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_head *head = body;
    (void)in;
    (void)err;
    of(self, head->id)->status = (int)head->status;
    return COR_OK;
}

/* False where the bus has no room now: on_room comes then. */
static bool is_sent(struct hub *hub, uint16_t number, const void *body)
{
    enum cor_code code = cor_send(hub->port, number, body);
    assert_true(code == COR_OK || code == COR_BUSY);
    return code == COR_OK;
}

/* Gives what is owed, as far as there is room. */
static void on_room(void *self, struct cor_port *port)
{
    struct hub *hub = self;
    (void)port;
    for (size_t i = 0; i < hub->count; i++) {
        struct asked *asked = &hub->asked[i];
        struct px_stream_credit credit = {.id = i + 1, .bytes = asked->owed};
        if (asked->owed == 0 || asked->over) {
            continue;
        }
        if (!is_sent(hub, PX_stream_credit, &credit)) {
            return;
        }
        asked->credit += asked->owed;
        asked->owed = 0;
    }
}

static void give(struct hub *hub, uint64_t id, uint64_t bytes)
{
    of(hub, id)->owed += bytes;
    on_room(hub, hub->port);
}

static enum cor_code on_data(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct hub *hub = self;
    const struct px_stream_data *data = body;
    struct asked *asked = of(hub, data->id);
    (void)in;
    (void)err;
    assert_true(data->bytes.len <= asked->credit);
    assert_false(asked->last);
    asked->credit -= data->bytes.len;
    asked->last = data->last;
    cor_buf_view(&asked->body, data->bytes);
    if (hub->generous && data->bytes.len > 0) {
        give(hub, data->id, data->bytes.len);
    }
    return COR_OK;
}

static enum cor_code on_credit(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)err;
    (void)of(self, ((const struct px_stream_credit *)body)->id);
    return COR_OK;
}

static enum cor_code on_end(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_end *end = body;
    struct asked *asked = of(self, end->id);
    (void)in;
    (void)err;
    asked->over = true;
    (void)snprintf(asked->error, sizeof(asked->error), "%.*s", COR_VIEW_ARG(end->error));
    return COR_OK;
}

static void open_hub(struct hub *hub)
{
    static const struct cor_handler HANDLERS[] = {{PX_stream_head, on_head},
                                                  {PX_stream_data, on_data},
                                                  {PX_stream_credit, on_credit},
                                                  {PX_stream_end, on_end}};
    static const struct cor_port_ops OPS = {
        .handlers = HANDLERS, .handler_count = COR_COUNT(HANDLERS), .room = on_room};
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *run_dir = cor_sprintf("%s/r", hub->cloud->dir);
    const struct cor_bus_spec spec = {.service = "edgehub",
                                      .run_dir = run_dir,
                                      .loop = hub->cloud->loop,
                                      .log = hub->cloud->log,
                                      .messages = px_messages()};
    assert_int_equal(cor_bus_new(&spec, &hub->bus, &err), COR_OK);
    assert_int_equal(
        cor_port_open(hub->bus, px_endpoint(PX_ENDPOINT_HUB_EDGED), &OPS, hub, &hub->port, &err),
        COR_OK);
}

static bool hub_is_up(struct cloud *cloud, void *hub)
{
    (void)cloud;
    return cor_port_is_up(((struct hub *)hub)->port);
}

static int set_up(void **state)
{
    struct hub *hub = cor_alloc(sizeof(*hub));
    if (cloud_set_up((void **)&hub->cloud) != 0) {
        return 1;
    }
    hub->generous = true;
    open_hub(hub);
    (void)cloud_await(hub->cloud, hub_is_up, hub, PATIENCE, "edged on hub-edged");
    *state = hub;
    return 0;
}

static int64_t open_streams(const struct hub *hub)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/r/ctl/edged", hub->cloud->dir);
    return test_stat(path, "streams");
}

static int tear_down(void **state)
{
    struct hub *hub = *state;
    struct cloud *cloud = hub->cloud;
    for (size_t i = 0; i < hub->count; i++) {
        cor_buf_free(&hub->asked[i].body);
    }
    cor_port_close(&hub->port);
    cor_bus_free(&hub->bus);
    cor_free(hub);
    return cloud_tear_down((void **)&cloud);
}

/* ---- asking ---- */

struct sending {
    struct hub *hub;
    uint16_t number;
    const void *body;
};

static bool goes(struct cloud *cloud, void *with)
{
    const struct sending *sending = with;
    (void)cloud;
    return is_sent(sending->hub, sending->number, sending->body);
}

/* Sends when the bus has room for it. */
static void send_on(struct hub *hub, uint16_t number, const void *body)
{
    struct sending sending = {.hub = hub, .number = number, .body = body};
    (void)cloud_await(hub->cloud, goes, &sending, PATIENCE, "there is room on the bus");
}

static uint64_t ask_with(struct hub *hub, const char *method, const char *target,
                         const struct px_header *headers, size_t count)
{
    assert_true(hub->count < ASKS_MAX);
    struct px_stream_open open = {.id = ++hub->count,
                                  .method = cor_view_of(method),
                                  .target = cor_view_of(target),
                                  .headers = {.items = headers, .count = count},
                                  .credit = PX_STREAM_WINDOW};
    hub->asked[open.id - 1].credit = PX_STREAM_WINDOW;
    send_on(hub, PX_stream_open, &open);
    return open.id;
}

static uint64_t ask(struct hub *hub, const char *target)
{
    return ask_with(hub, "GET", target, NULL, 0);
}

static void hang_up(struct hub *hub, uint64_t id)
{
    struct px_stream_end end = {.id = id, .error = COR_VIEW("test")};
    send_on(hub, PX_stream_end, &end);
}

struct wanted {
    struct hub *hub;
    uint64_t id;
    const char *text;
    size_t bytes;
};

static const char *body_of(const struct hub *hub, uint64_t id)
{
    const char *text = hub->asked[id - 1].body.data;
    return text == NULL ? "" : text;
}

static bool is_over(struct cloud *cloud, void *with)
{
    const struct wanted *wanted = with;
    (void)cloud;
    return wanted->hub->asked[wanted->id - 1].over;
}

static bool has_text(struct cloud *cloud, void *with)
{
    const struct wanted *wanted = with;
    (void)cloud;
    return strstr(body_of(wanted->hub, wanted->id), wanted->text) != NULL;
}

static bool has_bytes(struct cloud *cloud, void *with)
{
    const struct wanted *wanted = with;
    (void)cloud;
    return wanted->hub->asked[wanted->id - 1].body.len >= wanted->bytes;
}

static void await_over(struct hub *hub, uint64_t id)
{
    struct wanted wanted = {.hub = hub, .id = id};
    (void)cloud_await(hub->cloud, is_over, &wanted, PATIENCE, "the answer is complete");
}

static void await_text(struct hub *hub, uint64_t id, const char *text)
{
    struct wanted wanted = {.hub = hub, .id = id, .text = text};
    (void)cloud_await(hub->cloud, has_text, &wanted, PATIENCE, text);
}

static void expect(struct hub *hub, const char *target, int status, const char *body)
{
    uint64_t id = ask(hub, target);
    await_over(hub, id);
    assert_string_equal(hub->asked[id - 1].error, "");
    assert_string_equal(body_of(hub, id), body);
    assert_int_equal(hub->asked[id - 1].status, status);
}

static bool no_streams(struct cloud *cloud, void *hub)
{
    (void)cloud;
    return open_streams(hub) == 0;
}

static void await_none(struct hub *hub)
{
    (void)cloud_await(hub->cloud, no_streams, hub, PATIENCE, "no stream is left");
}

/* Tells the shell of a container of Pod talk to say a line. */
#define TALK                                                                                       \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c',"      \
    "'echo one; echo two; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo three; "                \
    "while [ ! -e /tmp/end ]; do sleep 0.1; done; echo four']}],'restartPolicy':'Never'}"

static void start_pod(struct hub *hub, const char *name, const char *spec)
{
    cloud_put_pod(hub->cloud, name, spec);
    (void)cloud_await(hub->cloud, cloud_is_running, CLOUD_NAME(name), PATIENCE, "it runs");
}

/* ---- exec ---- */

static const struct px_header UPGRADE[] = {
    {COR_VIEW("Connection"), COR_VIEW("Upgrade")},
    {COR_VIEW("Upgrade"), COR_VIEW("websocket")},
    {COR_VIEW("Sec-WebSocket-Version"), COR_VIEW("13")},
    {COR_VIEW("Sec-WebSocket-Key"), COR_VIEW("dGhlIHNhbXBsZSBub25jZQ==")},
    {COR_VIEW("Sec-WebSocket-Protocol"), COR_VIEW("v4.channel.k8s.io")},
};

static uint64_t run_in(struct hub *hub, const char *target)
{
    return ask_with(hub, "GET", target, UPGRADE, COR_COUNT(UPGRADE));
}

/* Runs a command to its end. */
static void run_word(struct hub *hub, const char *target)
{
    uint64_t id = run_in(hub, target);
    await_over(hub, id);
    assert_int_equal(hub->asked[id - 1].status, 101);
}

/* ---- the tests ---- */

static void logs_are_read(void **state)
{
    struct hub *hub = *state;
    start_pod(hub, "talk", TALK);
    uint64_t id = ask(hub, "/containerLogs/default/talk/c?follow=true");
    await_text(hub, id, "two\n");
    expect(hub, "/containerLogs/default/talk/c", 200, "one\ntwo\n");
    expect(hub, "/containerLogs/default/talk/c?tailLines=1", 200, "two\n");
    expect(hub, "/containerLogs/default/talk/c?tailLines=0", 200, "");
    expect(hub, "/containerLogs/default/talk/c?limitBytes=5", 200, "one\nt");
    expect(hub, "/containerLogs/default/talk/c?sinceTime=2099-01-01T00%3A00%3A00Z", 200, "");
    expect(hub, "/containerLogs/default/talk/c?tailLines=-1", 422, "Invalid request.");
    expect(hub, "/containerLogs/default/talk/x", 404, "container \"x\" not found in pod \"talk\"");
    expect(hub, "/containerLogs/default/none/c", 404, "pod \"none\" does not exist");
    expect(hub, "/containerLogs/default/talk/c?previous=true", 400,
           "previous terminated container \"c\" in pod \"talk\" not found");
    expect(hub, "/containerLogs/default/%zz/c", 404, "404 page not found\n");
    expect(hub, "/what", 404, "404 page not found\n");
    hang_up(hub, id);
    await_none(hub);
    cloud_delete_pods(hub->cloud);
}

static void a_follower_hears_of_the_end(void **state)
{
    struct hub *hub = *state;
    start_pod(hub, "talk", TALK);
    uint64_t all = ask(hub, "/containerLogs/default/talk/c?follow=true");
    await_text(hub, all, "two\n");
    hang_up(hub, all);
    uint64_t id = ask(hub, "/containerLogs/default/talk/c?follow=true&tailLines=1");
    await_text(hub, id, "two\n");
    run_word(hub, "/exec/default/talk/c?command=touch&command=%2Ftmp%2Fgo&output=1");
    await_text(hub, id, "three\n");
    assert_false(hub->asked[id - 1].over);
    run_word(hub, "/exec/default/talk/c?command=touch&command=%2Ftmp%2Fend&output=1");
    await_over(hub, id);
    assert_string_equal(body_of(hub, id), "two\nthree\nfour\n");
    assert_string_equal(hub->asked[id - 1].error, "");
    expect(hub, "/containerLogs/default/talk/c?follow=true&tailLines=1", 200, "four\n");
    await_none(hub);
    cloud_delete_pods(hub->cloud);
}

/* The runtime is told to begin a new file: what was written to the old one comes first. */
static void rotation_loses_nothing(void **state)
{
    struct hub *hub = *state;
    struct cor_err err = COR_ERR_NONE;
    start_pod(hub, "talk", TALK);
    uint64_t id = ask(hub, "/containerLogs/default/talk/c?follow=true");
    await_text(hub, id, "two\n");
    auto_(cor_freep) char *log =
        cor_sprintf("%s/logs/default_talk_uid-talk/c/0.log", hub->cloud->dir);
    auto_(cor_freep) char *old = cor_sprintf("%s.old", log);
    assert_int_equal(rename(log, old), 0);
    assert_int_equal(
        cor_file_write(log, COR_VIEW("2026-01-01T00:00:00Z stdout F new file\n"), 0640, &err),
        COR_OK);
    await_text(hub, id, "new file\n");
    assert_string_equal(body_of(hub, id), "one\ntwo\nnew file\n");
    hang_up(hub, id);
    cloud_delete_pods(hub->cloud);
}

#define BIG                                                                                        \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c',"      \
    "'seq 1 200000; echo done; sleep 1000']}]}"

/* How much of file edged has read through its one descriptor of it. */
static long long read_of(const struct hub *hub, const char *file)
{
    for (int fd = 0; fd < 256; fd++) {
        char target[4096] = "";
        long long at = -1;
        auto_(cor_freep) char *link = cor_sprintf("/proc/%d/fd/%d", (int)hub->cloud->edged, fd);
        auto_(cor_freep) char *info = cor_sprintf("/proc/%d/fdinfo/%d", (int)hub->cloud->edged, fd);
        if (readlink(link, target, sizeof(target) - 1) > 0 && strcmp(target, file) == 0) {
            auto_(cor_buf_free) struct cor_buf text = {0};
            assert_int_equal(cor_file_read(info, 65536, &text, NULL), COR_OK);
            assert_int_equal(sscanf(text.data, "pos: %lld", &at), 1);
            return at;
        }
    }
    return -1;
}

/* Who reads slowly makes edged read slowly. */
static void a_slow_reader_holds_it_back(void **state)
{
    struct hub *hub = *state;
    start_pod(hub, "big", BIG);
    uint64_t all = ask(hub, "/containerLogs/default/big/c?follow=true");
    await_text(hub, all, "done\n");
    hang_up(hub, all);
    hub->generous = false;
    uint64_t id = ask(hub, "/containerLogs/default/big/c");
    struct wanted window = {.hub = hub, .id = id, .bytes = PX_STREAM_WINDOW};
    (void)cloud_await(hub->cloud, has_bytes, &window, PATIENCE, "a window");
    for (int i = 0; i < 20; i++) { /* meanwhile others are served, and no more has come */
        await_over(hub, ask(hub, "/containerLogs/default/big/c?tailLines=1"));
    }
    assert_int_equal(hub->asked[id - 1].body.len, PX_STREAM_WINDOW);
    auto_(cor_freep) char *log =
        cor_sprintf("%s/logs/default_big_uid-big/c/0.log", hub->cloud->dir);
    struct stat whole;
    assert_int_equal(stat(log, &whole), 0);
    assert_in_range(read_of(hub, log), 1, whole.st_size / 2); /* nor has it been read */
    hub->generous = true;
    give(hub, id, PX_STREAM_WINDOW);
    await_over(hub, id);
    assert_int_equal(hub->asked[id - 1].body.len, hub->asked[all - 1].body.len);
    assert_memory_equal(body_of(hub, id), body_of(hub, all), hub->asked[id - 1].body.len);
    cloud_delete_pods(hub->cloud);
}

static void commands_are_run(void **state)
{
    struct hub *hub = *state;
    start_pod(hub, "big", BIG);
    uint64_t id = run_in(hub, "/exec/default/big/c?command=echo&command=a+b%26c&output=1&error=1");
    await_over(hub, id);
    assert_int_equal(hub->asked[id - 1].status, 101);
    /* Frames of binary data: channel 1 with its output, channel 3 with how it ended. */
    struct cor_buf *body = &hub->asked[id - 1].body;
    assert_non_null(memmem(body->data, body->len,
                           "\x82\x07\x01"
                           "a b&c\n",
                           9));
    assert_non_null(memmem(body->data, body->len, "\"status\":\"Success\"", 18));
    expect(hub, "/exec/default/big/c?command=ls&output=1", 400, "Upgrade request required");
    id = run_in(hub, "/exec/default/big/c?output=1");
    await_over(hub, id);
    assert_int_equal(hub->asked[id - 1].status, 400);
    id = run_in(hub, "/exec/default/big/c?command=ls");
    await_over(hub, id);
    assert_int_equal(hub->asked[id - 1].status, 400);
    id = run_in(hub, "/exec/default/big/x?command=ls&output=1");
    await_over(hub, id);
    assert_int_equal(hub->asked[id - 1].status, 404);
    cloud_delete_pods(hub->cloud);
}

static void streams_are_bounded(void **state)
{
    struct hub *hub = *state;
    start_pod(hub, "talk", TALK);
    for (int i = 0; i < PX_STREAMS_MAX; i++) {
        uint64_t id = ask(hub, "/containerLogs/default/talk/c?follow=true");
        await_text(hub, id, "two\n");
    }
    uint64_t id = ask(hub, "/containerLogs/default/talk/c");
    await_over(hub, id);
    assert_string_equal(hub->asked[id - 1].error, "too many streams");
    assert_int_equal(open_streams(hub), PX_STREAMS_MAX);
    cor_port_close(&hub->port); /* edgehub has gone */
    await_none(hub);
    cor_bus_free(&hub->bus);
    open_hub(hub);
    (void)cloud_await(hub->cloud, hub_is_up, hub, PATIENCE, "edgehub is back");
    expect(hub, "/containerLogs/default/talk/c?tailLines=1", 200, "two\n");
    cloud_delete_pods(hub->cloud);
}

static void what_does_not_run_says_why(void **state)
{
    struct hub *hub = *state;
    cloud_put_pod(hub->cloud, "never",
                  "{'containers':[{'name':'c','image':'coracle.local/none:1',"
                  "'imagePullPolicy':'Never'}]}");
    (void)cloud_await(hub->cloud, cloud_has_event, CLOUD_NAME("ErrImageNeverPull"), PATIENCE,
                      "ErrImageNeverPull");
    expect(hub, "/containerLogs/default/never/c", 400,
           "container \"c\" in pod \"never\" is waiting to start: ErrImageNeverPull");
    uint64_t id = run_in(hub, "/exec/default/never/c?command=ls&output=1");
    await_over(hub, id);
    assert_string_equal(body_of(hub, id), "container not found (\"c\")");
    cloud_delete_pods(hub->cloud);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(logs_are_read),
        CASE(a_follower_hears_of_the_end),
        CASE(rotation_loses_nothing),
        CASE(a_slow_reader_holds_it_back),
        CASE(commands_are_run),
        CASE(streams_are_bounded),
        CASE(what_does_not_run_says_why),
    };
    (void)argc;
    be_contained(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
