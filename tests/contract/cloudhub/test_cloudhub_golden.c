// SPDX-License-Identifier: Apache-2.0
// The cloud's role: what an unmodified EdgeCore said is said again to a real cloudhub.
#include "common/base/map.h"
#include "proto/kubeedge/rules.h"
#include "tests/contract/cloudhub/harness.h"
#include "tests/support/golden.h"
#include "tools/ctl/ctl.h"

#define SESSION(n) CORACLE_SOURCE_DIR "/tests/golden/kubeedge/link-" #n ".txt"

struct replay {
    struct node *node;
    struct cor_map *asked; /* message ids that must be answered */
    size_t calls, reports, uploads, apps, dropped;
};

static bool is_event(const struct px_kubeedge_in *in)
{
    return strstr(in->resource, "/event/") != NULL;
}

static void say(void *self, bool up, struct cor_view text)
{
    struct replay *replay = self;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    if (!up) {
        return;
    }
    assert_int_equal(px_kubeedge_read(text, &in, NULL), COR_OK);
    enum px_kubeedge_up kind = px_kubeedge_up(&in);
    bool detail = strcmp(in.resource, "membership/detail") == 0;
    replay->calls += kind == PX_UP_EDGE;
    replay->reports += kind == PX_UP_DEVICE && !detail;
    replay->uploads += kind == PX_UP_UPLOAD;
    replay->apps += kind == PX_UP_DYNAMIC;
    replay->dropped += kind == PX_UP_TASK || kind == PX_UP_VOLUME;
    if ((kind == PX_UP_EDGE && !is_event(&in)) || kind == PX_UP_DEVICE || kind == PX_UP_DYNAMIC) {
        cor_map_set(replay->asked, cor_view_of(in.id), replay);
    }
    assert_int_equal(cor_ws_send(replay->node->conn, text), COR_OK);
}

static size_t lines(const struct cor_buf *buf)
{
    size_t count = 0;
    for (size_t i = 0; i < buf->len; i++) {
        count += buf->data[i] == '\n';
    }
    return count;
}

/* Counts off what was answered since the last call. */
static bool all_answered(void *arg)
{
    struct replay *replay = arg;
    for (size_t i = 0; i < replay->node->count; i++) {
        auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
        assert_int_equal(px_kubeedge_read(cor_view_of(replay->node->frames[i]), &in, NULL), COR_OK);
        if (cor_map_del(replay->asked, cor_view_of(in.parent))) {
            bool twin = strcmp(in.group, "twin") == 0;
            assert_true(twin || strcmp(in.group, "resource") == 0);
            bool app = strcmp(in.source, "dynamiccontroller") == 0;
            assert_string_equal(in.operation, app ? "applicationResponse" : "response");
        }
    }
    return cor_map_count(replay->asked) == 0;
}

static void what_an_edgecore_said_is_taken(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity identity = {0};
    struct node node;
    hub_enrol(set, "edge-peer", &identity);
    hub_dial_as(set, &node, &identity, "edge-peer", "msg");
    assert_true(node.opened);
    auto_(cor_map_free) struct cor_map *asked = cor_map_new(NULL);
    struct replay replay = {.node = &node, .asked = asked};
    assert_int_equal(test_golden(SESSION(1), say, &replay), 161);
    assert_int_equal(test_golden(SESSION(2), say, &replay), 86);
    assert_true(replay.calls > 40 && replay.reports > 1 && replay.uploads > 0 && replay.apps > 5);
    hub_wait(set, all_answered, &replay);
    assert_int_equal(lines(&set->calls), replay.calls);
    assert_int_equal(lines(&set->reports), replay.reports);
    assert_int_equal(lines(&set->uploads), replay.uploads);
    assert_false(node.closed);
    auto_(cor_freep) char *ctl = cor_sprintf("%s/ctl/cloudhub", set->run);
    auto_(cor_freep) char *dropped = cor_sprintf("\"up_dropped\":%zu,", replay.dropped);
    auto_(cor_buf_free) struct cor_buf stats = {0};
    assert_int_equal(tool_ask(ctl, "stats", (struct cor_view){0}, 30000, &stats, NULL), COR_OK);
    assert_non_null(strstr(stats.data, "\"up_bad\":0,"));
    assert_non_null(strstr(stats.data, dropped));
    hub_end(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_an_edgecore_said_is_taken, hub_setup, hub_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
