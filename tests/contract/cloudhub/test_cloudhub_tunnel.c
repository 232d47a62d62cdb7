// SPDX-License-Identifier: Apache-2.0
// A cloudhub between an EdgeCore's edgestream and an API server: cloudstream.py plays both.
#include "tests/contract/cloudhub/harness.h"
#include "tests/support/script.h"
#include "tools/ctl/ctl.h"

enum { PATIENCE_S = 60 };

/* A number of the hub's stats. */
static int64_t stat_of(const struct set *set, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/run/ctl/cloudhub", set->dir);
    auto_(cor_buf_free) struct cor_buf answer = {0};
    auto_(cor_json_free) struct cor_json *tree = NULL;
    assert_int_equal(tool_ask(path, "stats", (struct cor_view){0}, 5000, &answer, NULL), COR_OK);
    assert_int_equal(cor_json_parse(cor_buf_as_view(&answer), 100000, 0, &tree, NULL), COR_OK);
    return cor_json_int_at(tree, name, -1);
}

static bool is_idle(void *arg)
{
    const struct set *set = arg;
    return stat_of(set, "streams") == 0 && stat_of(set, "tunnel_requests") == 0 &&
           stat_of(set, "tunnels") == 0;
}

static bool is_listening(void *arg)
{
    return stat_of(arg, "streams_port") > 0;
}

static void play(struct set *set, const char *part)
{
    auto_(hub_identity_free) struct identity n1 = {0};
    hub_wait(set, is_listening, set);
    auto_(cor_freep) char *command = cor_sprintf(
        "env SUPPORT=%s/tests/support python3 %s/tests/contract/cloudhub/cloudstream.py %d %d %d "
        "%s",
        CORACLE_SOURCE_DIR, CORACLE_SOURCE_DIR, set->link_port, (int)stat_of(set, "streams_port"),
        (int)stat_of(set, "tunnel_port"), part);
    hub_enrol(set, "n1", &n1);
    hub_write_identity(set, &n1);
    test_script(set->loop, set->dir, part, PATIENCE_S, command);
    hub_wait(set, is_idle, set); /* nothing is left of what was asked */
}

static void tunnels_are_of_nodes(void **state)
{
    play(*state, "identities");
}

static void answers_come_whole(void **state)
{
    play(*state, "logs");
}

static void bytes_go_both_ways(void **state)
{
    play(*state, "execs");
}

/* CVE-2022-31079 */
static void bad_frames_end_the_tunnel(void **state)
{
    play(*state, "frames");
}

static void slow_clients_hold_the_node_back(void **state)
{
    play(*state, "slow");
}

static void long_answers_come_whole(void **state)
{
    play(*state, "many");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, hub_setup, hub_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tunnels_are_of_nodes),
        T(answers_come_whole),
        T(bytes_go_both_ways),
        T(bad_frames_end_the_tunnel),
        T(slow_clients_hold_the_node_back),
        T(long_answers_come_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
