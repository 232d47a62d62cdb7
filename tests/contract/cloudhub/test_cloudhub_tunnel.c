// SPDX-License-Identifier: Apache-2.0
// A cloudhub between an EdgeCore's edgestream and an API server: cloudstream.py plays both.
#include <signal.h>

#include "tests/contract/cloudhub/harness.h"
#include "tests/support/bus/stats.h"
#include "tests/support/script.h"

enum { PATIENCE_S = 60 };

/* A number of the hub's stats. */
static int64_t stat_of(const struct set *set, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/run/ctl/cloudhub", set->dir);
    return test_stat(path, name);
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

/* Ports of the other hub, as its log says them. */
struct other_log {
    struct set *set;
    int link;
    int tunnel;
};

static bool serves(void *arg)
{
    struct other_log *at = arg;
    auto_(cor_freep) char *log = test_read(at->set->dir, "log2");
    const char *tunnel = strstr(log, "hub.tunnel.listening");
    at->link = (int)test_number(log, "link");
    at->tunnel = tunnel == NULL ? 0 : atoi(strstr(tunnel, "port=") + 5);
    return at->link > 0 && at->tunnel > 0 && strstr(log, "hub.kubelet.listening") != NULL;
}

/* The set's hub is told that 127.0.0.2 has the node; there another one listens at the same port,
 * with the same CA, and nobody tells it anything. */
static void a_node_at_another_replica_is_reached(void **state)
{
    struct set *set = *state;
    struct test_process other = {0};
    char line[64];
    auto_(hub_identity_free) struct identity n1 = {0};
    hub_wait(set, is_listening, set);
    auto_(cor_freep) char *text = cor_sprintf(
        "run-dir: %s/run2\nkubeconfig: %s/kubeconfig\nnames: [127.0.0.1, 127.0.0.2]\n"
        "streams: {listen: \"127.0.0.2:%d\", client-ca: %s/ca.pem, tunnel-address: 127.0.0.1, "
        "tunnel-port: 0}\n"
        "listen: {address: 127.0.0.1, port: 0}\nenrol: {address: 127.0.0.1, port: 0}\n"
        "link: {keepalive-ms: 60000}\n",
        set->dir, set->dir, (int)stat_of(set, "streams_port"), set->dir);
    auto_(cor_freep) char *config = cor_sprintf("%s/hub2.yaml", set->dir);
    auto_(cor_freep) char *log_path = cor_sprintf("%s/log2", set->dir);
    const char *const argv[] = {
        CORACLE_BINARY_DIR "/bin/cloudhub", "--config", config, "--ready-fd", "READY-FD", NULL};
    test_write(set->dir, "hub2.yaml", text);
    test_process_start(&other, argv, log_path, line, sizeof(line));
    set->replica = "127.0.0.2";
    hub_enrol(set, "n1", &n1);
    hub_write_identity(set, &n1);
    struct other_log at = {.set = set};
    hub_wait(set, serves, &at);
    auto_(cor_freep) char *command = cor_sprintf(
        "env SUPPORT=%s/tests/support python3 %s/tests/contract/cloudhub/cloudstream.py %d %d %d "
        "replicas",
        CORACLE_SOURCE_DIR, CORACLE_SOURCE_DIR, at.link, (int)stat_of(set, "streams_port"),
        at.tunnel);
    test_script(set->loop, set->dir, "replicas", PATIENCE_S, command);
    hub_wait(set, is_idle, set);
    (void)test_process_stop(&other, SIGTERM);
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

static void a_replica_that_is_away_is_told(void **state)
{
    ((struct set *)*state)->replica = "127.0.0.3";
    play(*state, "nowhere");
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
        T(a_node_at_another_replica_is_reached),
        T(a_replica_that_is_away_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
