// SPDX-License-Identifier: Apache-2.0
// metamanager as its peers see it: the test plays edgehub and edged.
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
#include "proto/link/digest.h"
#include "tests/support/stage/books.h"
#include "tests/support/stage/stage.h"

struct world {
    struct stage *stage;
    pid_t pid;
    struct cor_bus *hub_bus, *edged_bus;
    struct cor_port *hub, *edged;
    /* what edgehub saw */
    int stored, asked;
    char stored_key[128];
    bool hub_answers;
    bool hub_waits;
    /* what edged saw */
    int objects, gone, done;
    char object[256];
    uint64_t status;
    char reply[256];
    int replies;
    bool link_up;
};

static enum cor_code on_stored(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)err;
    struct world *w = self;
    const struct px_object_stored *stored = body;
    w->stored++;
    (void)snprintf(w->stored_key, sizeof(w->stored_key), "%.*s", COR_VIEW_ARG(stored->key));
    return COR_OK;
}

static enum cor_code on_asked(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct world *w = self;
    const struct px_api_call *call = body;
    w->asked++;
    if (w->hub_waits) {
        (void)cor_defer(in); /* for ever */
        return COR_OK;
    }
    if (!w->hub_answers) {
        return cor_err_set(err, COR_RETRY, "the cloud does not answer");
    }
    struct px_key key;
    assert_true(px_key_parse(call->key, &key));
    struct px_api_reply reply = {.status = 200};
    if (cor_view_is(key.type, "serviceaccounttoken")) {
        reply.body = COR_VIEW("{\"status\":{\"token\":\"t1\",\"expirationTimestamp\":"
                              "\"2099-01-01T00:00:00Z\"}}");
    } else if (cor_view_is(key.name, "missing")) {
        reply.status = 404;
        reply.body = COR_VIEW("{\"reason\":\"NotFound\"}");
    } else {
        reply.body = COR_VIEW("{\"metadata\":{\"uid\":\"u9\",\"resourceVersion\":\"90\"},"
                              "\"data\":{\"a\":\"fetched\"}}");
    }
    cor_reply(in, &reply);
    return COR_OK;
}

static enum cor_code on_object(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)err;
    struct world *w = self;
    const struct px_object *object = body;
    w->objects += object->gone ? 0 : 1;
    w->gone += object->gone ? 1 : 0;
    (void)snprintf(w->object, sizeof(w->object), "%.*s %.*s", COR_VIEW_ARG(object->key),
                   COR_VIEW_ARG(object->body));
    return COR_OK;
}

static enum cor_code on_done(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)body;
    (void)err;
    ((struct world *)self)->done++;
    return COR_OK;
}

static enum cor_code on_link(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)err;
    ((struct world *)self)->link_up = ((const struct px_link *)body)->up;
    return COR_OK;
}

static const struct cor_handler HUB[] = {{PX_object_stored, on_stored}, {PX_api_call, on_asked}};
static const struct cor_port_ops HUB_OPS = {.handlers = HUB, .handler_count = COR_COUNT(HUB)};
static const struct cor_handler EDGED[] = {
    {PX_object, on_object}, {PX_objects_done, on_done}, {PX_link, on_link}};
static const struct cor_port_ops EDGED_OPS = {.handlers = EDGED, .handler_count = COR_COUNT(EDGED)};

static void start(struct world *w)
{
    auto_(cor_freep) char *config = cor_sprintf("database: %s/meta.db\n", w->stage->dir);
    w->pid = stage_start(w->stage, "metamanager", config);
}

static bool is_up(void *self)
{
    struct world *w = self;
    return cor_port_is_up(w->hub) && cor_port_is_up(w->edged) && w->done > 0;
}

static int setup(void **state)
{
    struct world *w = cor_alloc(sizeof(*w));
    struct cor_err err = COR_ERR_NONE;
    w->stage = stage_new();
    start(w);
    w->hub_bus = stage_bus(w->stage, "edgehub");
    w->edged_bus = stage_bus(w->stage, "edged");
    assert_int_equal(
        cor_port_open(w->hub_bus, px_endpoint(PX_ENDPOINT_HUB_META), &HUB_OPS, w, &w->hub, &err),
        COR_OK);
    assert_int_equal(cor_port_open(w->edged_bus, px_endpoint(PX_ENDPOINT_META_EDGED), &EDGED_OPS, w,
                                   &w->edged, &err),
                     COR_OK);
    assert_true(stage_until(w->stage, is_up, w));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    stage_balances(w->stage, "metamanager");
    cor_port_close(&w->hub);
    cor_port_close(&w->edged);
    cor_bus_free(&w->hub_bus);
    cor_bus_free(&w->edged_bus);
    int status = stage_end(w->pid, SIGTERM);
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    stage_free(&w->stage);
    cor_free(w);
    return clean ? 0 : -1;
}

static void put(struct world *w, const char *key, const char *uid, const char *version,
                const char *body)
{
    struct px_object object = {.key = cor_view_of(key),
                               .gone = body == NULL,
                               .uid = cor_view_of(uid),
                               .version = cor_view_of(version),
                               .source = COR_VIEW("edgecontroller"),
                               .body = cor_view_of(body)};
    assert_int_equal(cor_send(w->hub, PX_object, &object), COR_OK);
}

static int wanted;

static bool stored_wanted(void *self)
{
    return ((struct world *)self)->stored >= wanted;
}

static void until_stored(struct world *w, int count)
{
    wanted = count;
    assert_true(stage_until(w->stage, stored_wanted, w));
    assert_int_equal(w->stored, count);
}

static void on_reply(void *self, const void *body, const struct cor_err *err)
{
    struct world *w = self;
    const struct px_api_reply *reply = body;
    w->replies++;
    w->status = reply == NULL ? (uint64_t)err->code : reply->status;
    (void)snprintf(w->reply, sizeof(w->reply), "%.*s",
                   COR_VIEW_ARG(reply == NULL ? COR_VIEW("") : reply->body));
}

static bool is_replied(void *self)
{
    return ((struct world *)self)->replies > 0;
}

static void ask(struct world *w, enum px_verb verb, const char *key, const char *body)
{
    w->replies = 0;
    struct px_api_call call = {.verb = verb, .key = cor_view_of(key), .body = cor_view_of(body)};
    assert_int_equal(cor_call(w->edged, PX_api_call, &call, COR_SEC(30), on_reply, w), COR_OK);
    assert_true(stage_until(w->stage, is_replied, w));
}

static bool link_is_up(void *self)
{
    return ((struct world *)self)->link_up;
}

static bool link_is_down(void *self)
{
    return !((struct world *)self)->link_up;
}

/* edgehub tells; edged hears of it through metamanager. */
static void set_link(struct world *w, bool up)
{
    struct px_link link = {.node = COR_VIEW("n1"), .up = up, .epoch = 1};
    assert_int_equal(cor_send(w->hub, PX_link, &link), COR_OK);
    assert_true(stage_until(w->stage, up ? link_is_up : link_is_down, w));
}

static bool edged_has_object(void *self)
{
    return ((struct world *)self)->objects > 0;
}

static bool edged_has_deletion(void *self)
{
    return ((struct world *)self)->gone > 0;
}

static void stored_is_acknowledged_and_passed_on(void **state)
{
    struct world *w = *state;
    put(w, "default/pod/web", "u1", "5", "{\"a\":1}");
    until_stored(w, 1);
    assert_string_equal(w->stored_key, "default/pod/web");
    assert_true(stage_until(w->stage, edged_has_object, w));
    assert_string_equal(w->object, "default/pod/web {\"a\":1}");
}

static void old_news_is_acknowledged_but_not_passed_on(void **state)
{
    struct world *w = *state;
    put(w, "default/pod/web", "u1", "10", "{\"v\":10}");
    put(w, "default/pod/web", "u1", "9", "{\"v\":9}");
    put(w, "default/pod/web", "u1", "10", "{\"v\":10}");
    until_stored(w, 3);
    assert_true(stage_until(w->stage, edged_has_object, w));
    stage_idle(w->stage, 50);
    assert_int_equal(w->objects, 1);
    ask(w, PX_VERB_GET, "default/pod/web", NULL);
    assert_string_equal(w->reply, "{\"v\":10}");
}

static int64_t counted(const struct world *w, const char *flow, const char *stream,
                       const char *column)
{
    return stage_counted(w->stage, "metamanager", flow, stream, column);
}

static void books_are_kept(void **state)
{
    static const struct {
        const char *flow, *stream, *column;
        int64_t value;
    } ROWS[] = {
        {"objects", "pod", "received", 3},   {"objects", "pod", "accepted", 2},
        {"objects", "pod", "delivered", 1},  {"objects", "pod", "superseded", 1},
        {"objects", "pod", "duplicates", 1}, {"objects", "pod", "passed", 1},
        {"objects", "others", "refused", 1}, {"calls", "store", "delivered", 1},
        {"calls", "cloud", "delivered", 1},  {"calls", "cloud", "refused", 1},
    };
    struct world *w = *state;
    put(w, "default/pod/web", "u1", "10", "{\"v\":10}");
    put(w, "default/pod/web", "u1", "9", "{\"v\":9}");
    put(w, "default/pod/web", "u1", "10", "{\"v\":10}");
    put(w, "odd", "u1", "10", "{\"v\":10}");
    until_stored(w, 3);
    ask(w, PX_VERB_GET, "default/pod/web", NULL);
    ask(w, PX_VERB_PATCH, "default/podpatch/web", "{}"); /* no link */
    w->hub_answers = true;
    set_link(w, true);
    ask(w, PX_VERB_PATCH, "default/podpatch/web", "{}");
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        print_message("%s %s %s\n", ROWS[i].flow, ROWS[i].stream, ROWS[i].column);
        assert_int_equal(counted(w, ROWS[i].flow, ROWS[i].stream, ROWS[i].column), ROWS[i].value);
    }
}

static void deleted_stays_deleted(void **state)
{
    struct world *w = *state;
    put(w, "default/pod/web", "u1", "10", "{\"v\":10}");
    put(w, "default/pod/web", "u1", "", NULL);
    until_stored(w, 2);
    assert_true(stage_until(w->stage, edged_has_deletion, w));
    put(w, "default/pod/web", "u1", "11", "{\"v\":11}");
    until_stored(w, 3);
    ask(w, PX_VERB_LIST, "default/pod", NULL);
    assert_string_equal(w->reply, "{\"items\":[]}");
    put(w, "default/pod/web", "u2", "12", "{\"v\":12}");
    until_stored(w, 4);
    ask(w, PX_VERB_LIST, "/pod", NULL);
    assert_string_equal(w->reply, "{\"items\":[{\"v\":12}]}");
}

/* devicetwin may know of a device by other means. */
static void devicetwin_hears_of_what_is_gone(void **state)
{
    struct world *w = *state;
    put(w, "default/device/d", "u1", "10", "{\"v\":10}");
    put(w, "default/device/e", "u2", "", NULL);
    put(w, "default/pod/p", "u3", "", NULL);
    until_stored(w, 3);
    assert_true(stage_until(w->stage, edged_has_deletion, w)); /* the last of it */
    w->objects = w->gone = w->done = 0;
    struct cor_bus *bus = stage_bus(w->stage, "devicetwin");
    struct cor_port *twin = NULL;
    assert_int_equal(
        cor_port_open(bus, px_endpoint(PX_ENDPOINT_META_TWIN), &EDGED_OPS, w, &twin, NULL), COR_OK);
    assert_true(stage_until(w->stage, is_up, w));
    assert_int_equal(w->objects, 1);
    assert_int_equal(w->gone, 1);
    assert_string_equal(w->object, "default/device/e ");
    cor_port_close(&twin);
    cor_bus_free(&bus);
}

static bool edged_is_down(void *self)
{
    return !cor_port_is_up(((struct world *)self)->edged);
}

static void killed_it_comes_back_with_everything(void **state)
{
    struct world *w = *state;
    char key[64];
    for (int i = 0; i < 300; i++) { /* more than a window */
        (void)snprintf(key, sizeof(key), "default/configmap/c%d", i);
        put(w, key, "u", "5", "{\"a\":1}");
        until_stored(w, i + 1);
    }
    (void)stage_end(w->pid, SIGKILL);
    assert_true(stage_until(w->stage, edged_is_down, w));
    w->objects = 0;
    w->done = 0;
    start(w);
    assert_true(stage_until(w->stage, is_up, w));
    assert_int_equal(w->objects, 300);
}

static void unknown_is_asked_of_the_cloud_and_kept(void **state)
{
    struct world *w = *state;
    ask(w, PX_VERB_GET, "default/configmap/x", NULL);
    assert_int_equal(w->status, 503);
    set_link(w, true);
    w->hub_answers = true;
    ask(w, PX_VERB_GET, "default/configmap/missing", NULL);
    assert_int_equal(w->status, 404);
    ask(w, PX_VERB_GET, "default/configmap/x", NULL);
    assert_int_equal(w->status, 200);
    assert_int_equal(w->asked, 2);
    set_link(w, false);
    ask(w, PX_VERB_GET, "default/configmap/x", NULL);
    assert_int_equal(w->status, 200);
    assert_non_null(strstr(w->reply, "fetched"));
    assert_int_equal(w->asked, 2);
    ask(w, PX_VERB_GET, "default/configmap/missing", NULL); /* a failure is not kept */
    assert_int_equal(w->status, 503);
}

/* Nobody pushes a claim: the cloud says how it is now, the store how it was when it cannot. */
static void claims_are_asked_anew(void **state)
{
    struct world *w = *state;
    set_link(w, true);
    w->hub_answers = true;
    ask(w, PX_VERB_GET, "default/persistentvolumeclaim/x", NULL);
    ask(w, PX_VERB_GET, "default/persistentvolumeclaim/x", NULL);
    assert_int_equal(w->status, 200);
    assert_int_equal(w->asked, 2);
    w->hub_answers = false;
    ask(w, PX_VERB_GET, "default/persistentvolumeclaim/x", NULL);
    assert_int_equal(w->status, 200);
    assert_non_null(strstr(w->reply, "fetched"));
    set_link(w, false);
    ask(w, PX_VERB_GET, "default/persistentvolumeclaim/x", NULL);
    assert_int_equal(w->status, 200);
    ask(w, PX_VERB_GET, "default/persistentvolumeclaim/y", NULL);
    assert_int_equal(w->status, 503);
}

static void tokens_outlive_the_link(void **state)
{
    static const char REQUEST[] = "{\"spec\":{\"audiences\":[\"a\"]}}";
    struct world *w = *state;
    set_link(w, true);
    w->hub_answers = true;
    ask(w, PX_VERB_CREATE, "default/serviceaccounttoken/sa", REQUEST);
    assert_non_null(strstr(w->reply, "\"t1\""));
    ask(w, PX_VERB_CREATE, "default/serviceaccounttoken/sa", REQUEST);
    assert_int_equal(w->asked, 1);
    set_link(w, false);
    ask(w, PX_VERB_CREATE, "default/serviceaccounttoken/sa", REQUEST);
    assert_non_null(strstr(w->reply, "\"t1\""));
    ask(w, PX_VERB_CREATE, "default/serviceaccounttoken/other", REQUEST);
    assert_int_equal(w->status, 503);
}

static bool is_asked(void *self)
{
    return ((struct world *)self)->asked > 0;
}

/* The call ends with the process, when the store in which an older token might be is closed. */
static void it_ends_well_while_it_asks_for_a_token(void **state)
{
    struct world *w = *state;
    struct px_api_call call = {.verb = PX_VERB_CREATE,
                               .key = COR_VIEW("default/serviceaccounttoken/sa"),
                               .body = COR_VIEW("{\"spec\":{\"audiences\":[\"a\"]}}")};
    set_link(w, true);
    w->hub_waits = true;
    assert_int_equal(cor_call(w->edged, PX_api_call, &call, COR_SEC(60), on_reply, w), COR_OK);
    assert_true(stage_until(w->stage, is_asked, w));
    int status = stage_end(w->pid, SIGTERM);
    w->done = 0;
    start(w); /* teardown ends one */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(stage_until(w->stage, is_up, w));
}

static void writes_go_to_the_cloud_only(void **state)
{
    struct world *w = *state;
    ask(w, PX_VERB_PATCH, "default/pod/web", "{\"status\":{}}");
    assert_int_equal(w->status, 503);
    set_link(w, true);
    w->hub_answers = true;
    ask(w, PX_VERB_PATCH, "default/pod/web", "{\"status\":{}}");
    assert_int_equal(w->status, 200);
    w->hub_answers = false;
    ask(w, PX_VERB_PATCH, "default/pod/web", "{\"status\":{}}");
    assert_int_equal(w->status, 503);
}

static void odd_objects_change_nothing(void **state)
{
    struct world *w = *state;
    static const char *const KEYS[] = {"", "x", "a//b", "default/pod/"};
    for (size_t i = 0; i < COR_COUNT(KEYS); i++) {
        put(w, KEYS[i], "u", "1", "{}");
    }
    put(w, "default/pod/web", "u", "1", "");
    put(w, "default/pod/good", "u", "1", "{}");
    until_stored(w, 1);
    ask(w, PX_VERB_LIST, "/pod", NULL);
    assert_string_equal(w->reply, "{\"items\":[{}]}");
}

/* ---- what it has ---- */

struct held_answer {
    enum cor_code code;
    int count;
    uint64_t buckets;
    struct cor_buf sums, objects; /* as HELD has them; "key uid content\n" each */
};

static void on_held(void *self, const void *body, const struct cor_err *err)
{
    struct held_answer *answer = self;
    const struct px_held *held = body;
    answer->count++;
    answer->code = held == NULL ? err->code : COR_OK;
    if (held == NULL) {
        return;
    }
    answer->buckets = held->buckets;
    cor_buf_add(&answer->sums, held->sums.ptr, held->sums.len);
    for (size_t i = 0; i < held->objects.count; i++) {
        const struct px_held_object *object =
            (const struct px_held_object *)held->objects.items + i;
        cor_buf_fmt(&answer->objects, "%.*s %.*s %lu\n", COR_VIEW_ARG(object->key),
                    COR_VIEW_ARG(object->uid), (unsigned long)object->content);
    }
}

static bool has_answer(void *self)
{
    return ((struct held_answer *)self)->count > 0;
}

static void held_answer_free(struct held_answer *answer)
{
    cor_buf_free(&answer->sums);
    cor_buf_free(&answer->objects);
}

static struct held_answer compare(struct world *w, const struct px_compare *what)
{
    struct held_answer answer = {0};
    assert_int_equal(cor_call(w->hub, PX_compare, what, COR_SEC(30), on_held, &answer), COR_OK);
    assert_true(stage_until(w->stage, has_answer, &answer));
    return answer;
}

static void has_that(struct world *w, struct cor_view key, struct cor_view uid, uint64_t content)
{
    struct px_object object = {.key = key,
                               .uid = uid,
                               .version = COR_VIEW("1"),
                               .source = COR_VIEW("edgecontroller"),
                               .content = content,
                               .body = COR_VIEW("{}")};
    assert_int_equal(cor_send(w->hub, PX_object, &object), COR_OK);
}

/* The sums are those of what was stored, not of what was deleted or came without a content; the
 * objects of the wanted buckets are told, and no others. */
static void what_it_has_is_told(void **state)
{
    const struct px_held_object HAS[] = {{COR_VIEW("default/configmap/a"), COR_VIEW("u-a"), 11},
                                         {COR_VIEW("default/pod/b"), COR_VIEW("u-b"), UINT64_MAX},
                                         {COR_VIEW("default/secret/c"), COR_VIEW("u-c"), 13}};
    struct world *w = *state;
    for (size_t i = 0; i < COR_COUNT(HAS); i++) {
        has_that(w, HAS[i].key, HAS[i].uid, HAS[i].content);
    }
    has_that(w, COR_VIEW("default/configmap/gone"), COR_VIEW("u-gone"), 14);
    put(w, "default/configmap/gone", "u-gone", "2", NULL);
    until_stored(w, 5);

    auto_(px_digest_free) struct px_digest expected = {0};
    auto_(cor_buf_free) struct cor_buf sums = {0};
    px_digest_init(&expected, px_digest_buckets(COR_COUNT(HAS)));
    for (size_t i = 0; i < COR_COUNT(HAS); i++) {
        px_digest_add(&expected, &HAS[i]);
    }
    px_digest_write(&expected, &sums);
    auto_(held_answer_free) struct held_answer all = compare(w, &(struct px_compare){0});
    assert_int_equal(all.buckets, expected.buckets);
    assert_int_equal(all.sums.len, sums.len);
    assert_memory_equal(all.sums.data, sums.data, sums.len);
    assert_int_equal(all.objects.len, 0);

    size_t bucket = px_digest_bucket(HAS[1].key, expected.buckets);
    uint8_t bits[PX_DIGEST_MIN / 8] = {0};
    bits[bucket / 8] = (uint8_t)(1U << bucket % 8);
    struct px_compare one = {.buckets = expected.buckets,
                             .wanted = {(const char *)bits, sizeof(bits)}};
    auto_(held_answer_free) struct held_answer some = compare(w, &one);
    assert_string_equal(cor_buf_as_view(&some.objects).ptr,
                        "default/pod/b u-b 18446744073709551615\n");
}

static void odd_comparisons_are_refused(void **state)
{
    static const uint64_t BUCKETS[] = {3, PX_DIGEST_MAX * 2, UINT64_MAX};
    struct world *w = *state;
    for (size_t i = 0; i < COR_COUNT(BUCKETS); i++) {
        struct px_compare odd = {.buckets = BUCKETS[i], .wanted = COR_VIEW("\xff\xff")};
        auto_(held_answer_free) struct held_answer answer = compare(w, &odd);
        assert_int_equal(answer.code, COR_INVALID);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(stored_is_acknowledged_and_passed_on),
        T(old_news_is_acknowledged_but_not_passed_on),
        T(books_are_kept),
        T(deleted_stays_deleted),
        T(devicetwin_hears_of_what_is_gone),
        T(killed_it_comes_back_with_everything),
        T(unknown_is_asked_of_the_cloud_and_kept),
        T(claims_are_asked_anew),
        T(tokens_outlive_the_link),
        T(it_ends_well_while_it_asks_for_a_token),
        T(writes_go_to_the_cloud_only),
        T(odd_objects_change_nothing),
        T(what_it_has_is_told),
        T(odd_comparisons_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
