// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "proto/kubeedge/calls.h"
#include "proto/kubeedge/rules.h"
#include "tests/support/golden.h"

/* Replays what a real EdgeCore and a real CloudCore said (tests/golden/kubeedge). */
#define SESSION(n) CORACLE_SOURCE_DIR "/tests/golden/kubeedge/link-" #n ".txt"
static const char *const FILES[] = {SESSION(1), SESSION(2)};

/* Written again, a message reads as the same JSON. */
static void round_trip(void *self, bool up, struct cor_view text)
{
    (void)self;
    (void)up;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    assert_int_equal(px_kubeedge_read(text, &in, NULL), COR_OK);
    auto_(cor_buf_free) struct cor_buf content = {0};
    if (in.content != NULL) {
        cor_json_write(in.content, &content);
    }
    struct px_kubeedge_out out = {.id = in.id,
                                  .parent = in.parent,
                                  .timestamp = in.timestamp,
                                  .version = in.version,
                                  .source = in.source,
                                  .group = in.group,
                                  .operation = in.operation,
                                  .resource = in.resource,
                                  .content = in.content == NULL ? (struct cor_view){0}
                                                                : cor_buf_as_view(&content)};
    auto_(cor_buf_free) struct cor_buf again = {0};
    px_kubeedge_write(&out, &again);
    auto_(cor_json_free) struct cor_json *tree = NULL;
    assert_int_equal(
        cor_json_parse(cor_buf_as_view(&again), PX_KUBEEDGE_MAX, COR_JSON_PREFIX, &tree, NULL),
        COR_OK);
    assert_true(cor_json_equal(tree, in.tree));
}

static void every_frame_round_trips(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < COR_COUNT(FILES); i++) {
        count += test_golden(FILES[i], round_trip, NULL);
    }
    assert_int_equal(count, 161 + 86);
}

struct replay {
    struct cor_map *down;  /* msg_id to "A" or "N" */
    struct cor_map *asked; /* msg_id of an up call to its resource */
    size_t acked;
    size_t answered;
    size_t calls;
};

static void on_down(struct replay *replay, const struct px_kubeedge_in *in)
{
    auto_(cor_freep) char *path = cor_sprintf("node/edge-peer/%s", in->resource);
    struct px_kubeedge_shape shape = {.path = path,
                                      .source = in->source,
                                      .group = in->group,
                                      .operation = in->operation,
                                      .is_ok = cor_view_is(cor_json_as_view(in->content), "OK"),
                                      .is_error = cor_json_get(in->content, "ErrStatus") != NULL};
    bool needs = px_kubeedge_needs_ack(&shape);
    cor_map_set(replay->down, cor_view_of(in->id), (void *)(uintptr_t)(needs ? "A" : "N"));
    /* CloudCore tracks only what has a version or is a delete; the edge must ack all it tracks. */
    assert_true(!needs || in->version[0] != 0 || strcmp(in->operation, "delete") == 0);
    assert_true(!needs || px_kubeedge_must_ack(in));
    const char *asked = cor_map_get(replay->asked, cor_view_of(in->parent));
    if (asked != NULL) {
        auto_(cor_buf_free) struct cor_buf body = {0};
        uint64_t status = px_kubeedge_answered(cor_view_of(asked), in->content, &body);
        assert_true(status == 200 || status == 404 || status == 409);
        replay->answered++;
    }
}

static void on_up(struct replay *replay, const struct px_kubeedge_in *in)
{
    enum px_kubeedge_up up = px_kubeedge_up(in);
    assert_true(up != PX_UP_FORGED && up != PX_UP_CONTROL && up != PX_UP_ERROR);
    if (up == PX_UP_ACK) {
        assert_non_null(cor_map_get(replay->down, cor_view_of(in->parent)));
        replay->acked++;
    }
    if (up == PX_UP_EDGE) {
        auto_(px_kubeedge_call_free) struct px_kubeedge_call call = {0};
        assert_true(px_kubeedge_asked(in, &call));
        cor_map_set(replay->asked, cor_view_of(in->id), cor_strdup(call.key));
        replay->calls++;
        /* Said again at the edge, it is the same message. */
        const char *operation = NULL;
        auto_(cor_freep) char *resource = NULL;
        auto_(cor_buf_free) struct cor_buf content = {0};
        assert_true(px_kubeedge_ask(call.verb, cor_view_of(call.key), cor_buf_as_view(&call.body),
                                    &operation, &resource, &content));
        assert_string_equal(operation, in->operation);
        assert_string_equal(resource, in->resource);
        auto_(cor_json_free) struct cor_json *value = NULL;
        auto_(cor_buf_free) struct cor_buf wrapped = {0};
        cor_buf_fmt(&wrapped, "[%s]", content.data);
        assert_int_equal(
            cor_json_parse(cor_buf_as_view(&wrapped), PX_KUBEEDGE_MAX, 0, &value, NULL), COR_OK);
        assert_true(cor_json_is_null(cor_json_item(value, 0))
                        ? in->content == NULL
                        : cor_json_equal(cor_json_item(value, 0), in->content));
    }
}

static void replay_line(void *self, bool up, struct cor_view text)
{
    struct replay *replay = self;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    assert_int_equal(px_kubeedge_read(text, &in, NULL), COR_OK);
    if (up) {
        on_up(replay, &in);
    } else {
        assert_true(px_kubeedge_down(&in) != PX_DOWN_DROP);
        on_down(replay, &in);
    }
}

static void both_roles_understand_everything(void **state)
{
    (void)state;
    for (size_t i = 0; i < COR_COUNT(FILES); i++) {
        struct replay replay = {.down = cor_map_new(NULL), .asked = cor_map_new(cor_free)};
        (void)test_golden(FILES[i], replay_line, &replay);
        assert_true(replay.acked > 10);
        assert_true(replay.calls > 5);
        assert_true(replay.answered > 5);
        cor_map_free(&replay.down);
        cor_map_free(&replay.asked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_round_trips),
        cmocka_unit_test(both_roles_understand_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
