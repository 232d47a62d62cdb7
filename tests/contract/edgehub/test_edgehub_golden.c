// SPDX-License-Identifier: Apache-2.0
// The edge's role: what an unmodified CloudCore said is said again to a real edgehub.
#include "common/base/map.h"
#include "proto/kubeedge/rules.h"
#include "tests/contract/edgehub/harness.h"
#include "tests/support/golden.h"

#define SESSION(n) CORACLE_SOURCE_DIR "/tests/golden/kubeedge/link-" #n ".txt"

struct replay {
    struct set *set;
    struct cor_map *unacked; /* message ids that CloudCore waits for */
    size_t objects, memberships;
};

/* CloudCore's rule (dispatcher.noAckRequired). */
static bool is_tracked(const struct px_kubeedge_in *in)
{
    auto_(cor_freep) char *path = cor_sprintf("node/n1/%s", in->resource);
    struct px_kubeedge_shape shape = {.path = path,
                                      .source = in->source,
                                      .group = in->group,
                                      .operation = in->operation,
                                      .is_ok = cor_view_is(cor_json_as_view(in->content), "OK"),
                                      .is_error = cor_json_get(in->content, "ErrStatus") != NULL};
    return px_kubeedge_needs_ack(&shape);
}

/* The store has it: what was said last, for one object after the other. */
static void store(struct replay *replay, const struct px_kubeedge_in *in)
{
    struct px_object_stored stored = {.key = cor_view_of(in->resource),
                                      .version = cor_view_of(in->version),
                                      .id = replay->set->object_id};
    auto_(cor_freep) char *seen = cor_sprintf(
        "object %s%s uid=%s v=%s", in->resource, strcmp(in->operation, "delete") == 0 ? "!" : "",
        cor_json_str_at(in->content, "metadata.uid", ""), in->version);
    edge_seen(replay->set, PEER_META, seen);
    assert_int_equal(cor_send(replay->set->peers.ports[PEER_META], PX_object_stored, &stored),
                     COR_OK);
}

static void say(void *self, bool up, struct cor_view text)
{
    struct replay *replay = self;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    if (up) {
        return;
    }
    assert_int_equal(px_kubeedge_read(text, &in, NULL), COR_OK);
    auto_(cor_freep) char *line = cor_view_dup(text);
    enum px_kubeedge_down kind = px_kubeedge_down(&in);
    if (is_tracked(&in)) {
        cor_map_set(replay->unacked, cor_view_of(in.id), replay);
    }
    cor_buf_clear(&replay->set->seen[PEER_META]);
    edge_say(replay->set, line);
    if (kind == PX_DOWN_META && strcmp(in.operation, "applicationResponse") != 0) {
        store(replay, &in);
        replay->objects++;
    }
    replay->memberships += kind == PX_DOWN_TWIN && in.parent[0] == 0;
}

static bool all_acked(void *arg)
{
    struct replay *replay = arg;
    for (size_t i = 0; i < replay->set->count; i++) {
        auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
        assert_int_equal(px_kubeedge_read(cor_view_of(replay->set->frames[i]), &in, NULL), COR_OK);
        assert_string_equal(in.operation, "response");
        (void)cor_map_del(replay->unacked, cor_view_of(in.parent));
    }
    return cor_map_count(replay->unacked) == 0;
}

static void what_a_cloudcore_said_is_taken(void **state)
{
    struct set *set = *state;
    edge_start(set, NULL);
    edge_connected(set, 1);
    edge_seen(set, PEER_META, "link n1 up");
    auto_(cor_map_free) struct cor_map *unacked = cor_map_new(NULL);
    struct replay replay = {.set = set, .unacked = unacked};
    assert_int_equal(test_golden(SESSION(1), say, &replay), 161);
    assert_int_equal(test_golden(SESSION(2), say, &replay), 86);
    assert_true(replay.objects > 20 && replay.memberships == 2);
    assert_true(cor_map_count(unacked) > 20);
    edge_wait(set, all_acked, &replay);
    edge_seen(set, PEER_TWIN, "membership 0 {\"event_id\"");
    assert_int_equal(set->connections, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_cloudcore_said_is_taken, edge_setup, edge_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
