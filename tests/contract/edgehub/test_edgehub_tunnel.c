// SPDX-License-Identifier: Apache-2.0
// edgehub's tunnel to a CloudCore: cloudcore.py plays the cloud, edged is here. Its API is a few
// paths: see PATHS.
#include "common/base/map.h"
#include "proto/stream/credit.h"
#include "tests/contract/edgehub/harness.h"
#include "tests/support/bus/stats.h"
#include "tests/support/port.h"
#include "tests/support/script.h"

enum { PATIENCE_S = 60, LARGE = 8 << 20, PIECE = PX_STREAM_PIECE };

struct edged {
    struct set *set;
    struct cor_bus *bus;
    struct cor_port *port;
    struct cor_map *streams; /* 8 bytes of id -> struct one, owned */
    struct cor_buf asked;    /* "METHOD TARGET headers\n" */
};

/* A request. */
struct one {
    struct edged *edged;
    uint64_t id;
    size_t room;  /* bytes that may be sent */
    size_t left;  /* of a large answer */
    bool stalls;  /* takes nothing */
    bool is_open; /* bytes go both ways */
    struct cor_buf back;
};

static void one_free(void *value)
{
    struct one *one = value;
    cor_buf_free(&one->back);
    cor_free(one);
}

static struct cor_view key_of(const uint64_t *id)
{
    return (struct cor_view){(const char *)id, sizeof(*id)};
}

static void say(struct one *one, uint16_t number, const void *body)
{
    assert_int_equal(cor_send(one->edged->port, number, body), COR_OK);
}

static void say_data(struct one *one, struct cor_view bytes)
{
    struct px_stream_data data = {.id = one->id, .bytes = bytes};
    assert_true(bytes.len <= one->room); /* edgehub gives credit in time, and not too little */
    one->room -= bytes.len;
    say(one, PX_stream_data, &data);
}

static void say_end(struct one *one, const char *error)
{
    struct px_stream_end end = {.id = one->id, .error = cor_view_of(error)};
    uint64_t id = one->id;
    say(one, PX_stream_end, &end);
    (void)cor_map_del(one->edged->streams, key_of(&id));
}

static void say_head(struct one *one, uint64_t status)
{
    static const struct px_header PLAIN[] = {{COR_VIEW("Content-Type"), COR_VIEW("text/plain")},
                                             {COR_VIEW("Content-Length"), COR_VIEW("4")}};
    static const struct px_header UPGRADED[] = {
        {COR_VIEW("Connection"), COR_VIEW("Upgrade")},
        {COR_VIEW("Upgrade"), COR_VIEW("SPDY/3.1")},
        {COR_VIEW("X-Stream-Protocol-Version"), COR_VIEW("v4.channel.k8s.io")}};
    bool is_open = status == 101;
    struct px_stream_head head = {.id = one->id,
                                  .status = status,
                                  .headers = {.items = is_open ? UPGRADED : PLAIN,
                                              .count = is_open         ? COR_COUNT(UPGRADED)
                                                       : status == 404 ? COR_COUNT(PLAIN)
                                                                       : 1},
                                  .credit = is_open ? PX_STREAM_WINDOW : 0};
    say(one, PX_stream_head, &head);
}

/* ---- paths ---- */

static void hello(struct one *one)
{
    say_head(one, 200);
    say_data(one, COR_VIEW("hello\n"));
    say_end(one, "");
}

static void missing(struct one *one)
{
    say_head(one, 404);
    say_data(one, COR_VIEW("none"));
    say_end(one, "");
}

static void broken(struct one *one)
{
    say_head(one, 200);
    say_data(one, COR_VIEW("hello\n"));
    say_end(one, "the file is gone");
}

static void nothing(struct one *one)
{
    say_end(one, "not now");
}

static void silent(struct one *one)
{
    (void)one;
}

static void produce(struct one *one)
{
    static char bytes[PIECE];
    memset(bytes, 'x', sizeof(bytes));
    while (one->left > 0 && one->room > 0) {
        size_t len = one->left < one->room ? one->left : one->room;
        len = len < PIECE ? len : PIECE;
        say_data(one, (struct cor_view){bytes, len});
        one->left -= len;
    }
    if (one->left == 0) {
        say_end(one, "");
    }
}

static void large(struct one *one)
{
    say_head(one, 200);
    one->left = LARGE;
    produce(one);
}

static void open_both(struct one *one)
{
    one->is_open = true;
    say_head(one, 101);
}

static void stalled(struct one *one)
{
    one->stalls = true;
    open_both(one);
}

static const struct {
    const char *path;
    void (*fn)(struct one *one);
} PATHS[] = {{"/containerLogs/", hello}, {"/unmeasured", hello}, {"/missing", missing},
             {"/broken", broken},        {"/nothing", nothing},  {"/silent", silent},
             {"/large", large},          {"/exec/", open_both},  {"/stalled", stalled}};

/* ---- what edgehub says ---- */

static struct one *find(const struct edged *edged, uint64_t id)
{
    return cor_map_get(edged->streams, key_of(&id));
}

static enum cor_code on_open(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct edged *edged = self;
    const struct px_stream_open *open = body;
    const struct px_header *headers = open->headers.items;
    struct one *one = cor_alloc(sizeof(*one));
    (void)in;
    (void)err;
    assert_null(find(edged, open->id));
    *one = (struct one){.edged = edged, .id = open->id, .room = (size_t)open->credit};
    cor_map_set(edged->streams, key_of(&one->id), one);
    cor_buf_fmt(&edged->asked, "%.*s %.*s", COR_VIEW_ARG(open->method), COR_VIEW_ARG(open->target));
    for (size_t i = 0; i < open->headers.count; i++) {
        cor_buf_fmt(&edged->asked, " %.*s=%.*s", COR_VIEW_ARG(headers[i].name),
                    COR_VIEW_ARG(headers[i].value));
    }
    cor_buf_str(&edged->asked, "\n");
    for (size_t i = 0; i < COR_COUNT(PATHS); i++) {
        if (cor_view_starts(open->target, PATHS[i].path)) {
            PATHS[i].fn(one);
            return COR_OK;
        }
    }
    fail_msg("%.*s", COR_VIEW_ARG(open->target));
    return COR_OK;
}

/* What has come goes back, and may come again. */
static void echo(struct one *one)
{
    size_t len = one->back.len < one->room ? one->back.len : one->room;
    len = len < PIECE ? len : PIECE;
    if (len > 0) {
        struct px_stream_credit credit = {.id = one->id, .bytes = len};
        say_data(one, (struct cor_view){one->back.data, len});
        cor_buf_drop(&one->back, len);
        say(one, PX_stream_credit, &credit);
    }
}

static enum cor_code on_data(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_data *data = body;
    struct one *one = find(self, data->id);
    (void)in;
    (void)err;
    assert_true(one == NULL || one->is_open);
    if (one != NULL && cor_view_is(data->bytes, "quit")) {
        say_end(one, "");
    } else if (one != NULL) {
        cor_buf_view(&one->back, data->bytes);
        assert_true(one->back.len <= PX_STREAM_WINDOW); /* it keeps to its credit */
        if (!one->stalls) {
            echo(one);
        }
    }
    return COR_OK;
}

static enum cor_code on_credit(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_credit *credit = body;
    struct one *one = find(self, credit->id);
    (void)in;
    (void)err;
    if (one != NULL) {
        one->room += (size_t)credit->bytes;
        if (one->left > 0) {
            produce(one);
        } else {
            echo(one);
        }
    }
    return COR_OK;
}

static enum cor_code on_end(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    uint64_t id = ((const struct px_stream_end *)body)->id;
    (void)in;
    (void)err;
    (void)cor_map_del(((struct edged *)self)->streams, key_of(&id));
    return COR_OK;
}

static const struct cor_handler HANDLERS[] = {{PX_stream_open, on_open},
                                              {PX_stream_data, on_data},
                                              {PX_stream_credit, on_credit},
                                              {PX_stream_end, on_end}};

static const struct cor_port_ops OPS = {.handlers = HANDLERS, .handler_count = COR_COUNT(HANDLERS)};

/* ---- steps ---- */

static void edged_comes(struct edged *edged, struct set *set)
{
    struct cor_bus_spec spec = {.service = "edged",
                                .run_dir = set->run,
                                .loop = set->loop,
                                .log = set->log,
                                .messages = px_messages()};
    *edged = (struct edged){.set = set, .streams = cor_map_new(one_free)};
    assert_int_equal(cor_bus_new(&spec, &edged->bus, NULL), COR_OK);
    assert_int_equal(cor_port_open(edged->bus, px_endpoint(PX_ENDPOINT_HUB_EDGED), &OPS, edged,
                                   &edged->port, NULL),
                     COR_OK);
}

static void edged_goes(struct edged *edged)
{
    cor_port_close(&edged->port);
    cor_bus_free(&edged->bus);
    cor_map_free(&edged->streams);
    cor_buf_free(&edged->asked);
}

static bool is_up(void *arg)
{
    return cor_port_is_up(((struct edged *)arg)->port);
}

/* A number of the hub's stats. */
static int64_t stat_of(const struct set *set, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/run/ctl/edgehub", set->dir);
    return test_stat(path, name);
}

static bool is_idle(void *arg)
{
    const struct edged *edged = arg;
    return stat_of(edged->set, "streams") == 0 && stat_of(edged->set, "tunnel_requests") == 0 &&
           cor_map_count(edged->streams) == 0;
}

static void play(struct set *set, const char *part, struct edged *edged)
{
    set->tunnel_port = test_free_port();
    auto_(cor_freep) char *command = cor_sprintf(
        "env SUPPORT=%s/tests/support python3 %s/tests/contract/edgehub/cloudcore.py %d %s",
        CORACLE_SOURCE_DIR, CORACLE_SOURCE_DIR, set->tunnel_port, part);
    test_certs_write(&set->certs, set->dir);
    edged_comes(edged, set);
    edge_start(set, NULL);
    edge_connected(set, 1);
    edge_wait(set, is_up, edged);
    test_script(set->loop, set->dir, part, PATIENCE_S, command);
    if (strcmp(part, "stalls") == 0) {
        cor_ws_close(set->conn, 0, "cut"); /* what is not read is not seen to end */
    }
    edge_wait(set, is_idle, edged); /* a killed client leaves nothing on either side */
}

static void answers_go_up(void **state)
{
    struct edged edged;
    play(*state, "logs", &edged);
    assert_non_null(strstr(edged.asked.data,
                           "GET /containerLogs/default/p/c?follow=true&tailLines=3 "
                           "Accept-Encoding=identity\n"));
    edged_goes(&edged);
}

static void bytes_go_both_ways(void **state)
{
    struct edged edged;
    play(*state, "execs", &edged);
    assert_non_null(strstr(edged.asked.data,
                           "POST /exec/default/p/c?command=a Connection=Upgrade Upgrade=SPDY/3.1 "
                           "X-Stream-Protocol-Version=v4.channel.k8s.io "
                           "X-Stream-Protocol-Version=v3\n"));
    edged_goes(&edged);
}

/* A CloudCore writes its port into the Node when it has the tunnel. */
static void its_port_stays_in_the_node(void **state)
{
    struct set *set = *state;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    struct px_api_call call = {.verb = PX_VERB_PATCH,
                               .key = COR_VIEW("null/nodepatch/n1"), /* as edged names it */
                               .body = COR_VIEW("{\"status\":{\"phase\":\"x\",\"daemonEndpoints\":"
                                                "{\"kubeletEndpoint\":{\"Port\":10350}}}}")};
    set->tunnel_port = test_free_port();
    edge_start(set, NULL);
    edge_connected(set, 1);
    edge_call(set, PEER_META, PX_api_call, &call);
    edge_frame(set, 0, &in);
    assert_string_equal(in.resource, "null/nodepatch/n1");
    assert_string_equal(cor_json_as_str(in.content, ""), "{\"status\":{\"phase\":\"x\"}}");
}

/* CVE-2022-31079 */
static void bad_frames_end_the_tunnel(void **state)
{
    struct edged edged;
    play(*state, "frames", &edged);
    edged_goes(&edged);
}

static void slow_programs_hold_the_cloud_back(void **state)
{
    struct edged edged;
    play(*state, "stalls", &edged);
    edged_goes(&edged);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, edge_setup, edge_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(answers_go_up),
        T(bytes_go_both_ways),
        T(its_port_stays_in_the_node),
        T(bad_frames_end_the_tunnel),
        T(slow_programs_hold_the_cloud_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
