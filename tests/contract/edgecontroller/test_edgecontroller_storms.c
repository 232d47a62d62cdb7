// SPDX-License-Identifier: Apache-2.0
// The real edgecontroller and an API server in trouble: how often it is asked, and that all is well
// when it is.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>

#include "common/base/mem.h"
#include "tests/contract/edgecontroller/harness.h"
#include "tests/support/bus/answer.h"
#include "tests/support/certs.h"
#include "tests/support/process.h"
#include "tests/support/text/text.h"

enum { KINDS = 11 }; /* collections that edgecontroller watches */

struct set {
    char *dir;
    struct test_process api;
    struct world *w;
    struct test_answer answer;
    int64_t since_us; /* when the API became as it is */
};

static void mode(struct set *set, const char *text)
{
    set->since_us = cor_mono_now().us;
    test_write(set->dir, "mode", text);
    test_write(set->dir, "requests", "");
}

static int requests(const struct set *set, const char *what)
{
    auto_(cor_freep) char *text = test_read(set->dir, "requests");
    return (int)test_count(text, what);
}

/* How many times a period has passed since the API became as it is, the one that has begun too: a
 * busy machine lets a pause last. */
static int periods(const struct set *set, int64_t period_us)
{
    return 1 + (int)((cor_mono_now().us - set->since_us) / period_us);
}

static void write_certs(const struct set *set)
{
    struct test_certs certs;
    test_certs_make(&certs, "someone", "org");
    test_certs_write(&certs, set->dir);
    test_certs_free(&certs);
}

static int setup(void **state)
{
    char line[32];
    struct set *set = cor_alloc(sizeof(*set));
    set->dir = test_dir_new();
    write_certs(set);
    mode(set, "well");
    const char *const argv[] = {"python3", CORACLE_SOURCE_DIR "/tests/unit/common/kube/bad_api.py",
                                set->dir, NULL};
    test_process_start(&set->api, argv, "/dev/null", line, sizeof(line));
    auto_(cor_freep) char *file = cor_sprintf("%s/kubeconfig", set->dir);
    auto_(cor_freep) char *text = cor_sprintf(
        "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: \"https://127.0.0.1:%d\", "
        "certificate-authority: \"%s/ca.pem\"}}]\nusers: [{name: u, user: {token: t}}]\n",
        atoi(line), set->dir);
    test_write(set->dir, "kubeconfig", text);
    (void)setenv("CORACLE_TEST_KUBECONFIG", file, 1);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    world_free(&set->w);
    cor_buf_free(&set->answer.body);
    (void)unsetenv("CORACLE_TEST_KUBECONFIG");
    (void)test_process_stop(&set->api, SIGKILL);
    test_dir_free(&set->dir);
    cor_free(set);
    return 0;
}

/* Node n1 begins to patch the status of its Pod. */
static void begin(struct set *set, int within_s)
{
    struct px_node_call call = {.node = COR_VIEW("n1"),
                                .verb = PX_VERB_PATCH,
                                .key = COR_VIEW("a/podpatch/one"),
                                .patch = PX_PATCH_STRATEGIC,
                                .body = COR_VIEW("{\"metadata\":{\"uid\":\"1\"}}")};
    test_call(set->w->hub, PX_node_call, &call, COR_SEC(within_s), &set->answer);
}

/* It patches it; the answer's HTTP status. */
static uint64_t patch(struct set *set)
{
    begin(set, 60);
    world_until(set->w, test_is_answered, &set->answer);
    return set->answer.status;
}

static bool is_started(void *self)
{
    return patch(self) != 503;
}

static uint64_t patch_when_started(struct set *set)
{
    world_poll(set->w, is_started, set);
    return set->answer.status;
}

/* Everything fails from the start; in the first three seconds each collection may be asked
 * a handful of times, later not more often, and when the trouble is over all is well. */
static void trouble_from_the_start(void **state)
{
    static const struct {
        const char *mode;
        int each; /* requests a collection */
    } ROWS[] = {{"429 1", 3}, {"500", 9}, {"503 1", 3}, {"gone", 18}, {"gone-after", 18}};
    struct set *set = *state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        mode(set, ROWS[i].mode);
        if (set->w == NULL) {
            set->w = world_new(false);
        } else {
            world_kill(set->w);
        }
        stage_idle(set->w->stage, 2000);
        int count = requests(set, "\n");
        if (count > KINDS * ROWS[i].each * periods(set, COR_SEC(3))) {
            fail_msg("%s: %d requests", ROWS[i].mode, count);
        }
        mode(set, "well");
        assert_int_equal(patch_when_started(set), 200);
    }
}

/* The server loses its own race twice; the node does not hear of it. More often is not tried. */
static void conflicts_are_tried_again(void **state)
{
    struct set *set = *state;
    set->w = world_new(false);
    assert_int_equal(patch_when_started(set), 200);
    mode(set, "409 2");
    assert_int_equal(patch(set), 200);
    assert_int_equal(requests(set, "one/status"), 3);
    assert_int_equal(requests(set, "look"), 2);
    mode(set, "409 1000");
    assert_int_equal(patch(set), 409);
    assert_int_equal(requests(set, "one/status"), 4);
    assert_int_equal(set->w->gone, 0);
}

/* Too many requests while a node writes: it hears of it only when its time is over. */
static void writes_wait_for_a_busy_server(void **state)
{
    struct set *set = *state;
    set->w = world_new(false);
    assert_int_equal(patch_when_started(set), 200);
    mode(set, "429 1");
    begin(set, 60);
    stage_idle(set->w->stage, 1500);
    assert_false(set->answer.answered);
    assert_in_range(requests(set, "one/status"), 0, 1 + periods(set, COR_SEC(1)));
    mode(set, "well");
    world_until(set->w, test_is_answered, &set->answer);
    assert_int_equal(set->answer.status, 200);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(trouble_from_the_start),
        T(conflicts_are_tried_again),
        T(writes_wait_for_a_busy_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
