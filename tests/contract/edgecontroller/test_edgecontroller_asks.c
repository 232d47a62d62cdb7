// SPDX-License-Identifier: Apache-2.0
// What the API of a node may read, and what it watches.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/contract/edgecontroller/asks.h"

#define NS "/api/v1/namespaces/default/"
#define SYNCS "/apis/reliablesyncs.kubeedge.io/v1alpha1/namespaces/default/objectsyncs"

struct set {
    struct world *w;
    struct test_answer answer;
    char service[64]; /* uid */
};

static void make(struct set *set, const char *collection, const char *body)
{
    auto_(cor_freep) char *path = cor_sprintf("%s%s", NS, collection);
    world_api(set->w, "POST", path, body);
    assert_int_equal(set->w->status, 201);
}

static void make_pod(struct set *set, const char *name, const char *node, const char *map)
{
    auto_(cor_freep) char *body = cor_sprintf(
        "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"nodeName\":\"%s\",\"containers\":[{\"name\":"
        "\"c\",\"image\":\"i:1\",\"envFrom\":[{\"configMapRef\":{\"name\":\"%s\"}}]}]}}",
        name, node, map);
    make(set, "pods", body);
}

static int setup(void **state)
{
    static const char *const CRDS[] = {"objectsync.yaml", "clusterobjectsync.yaml", "device.yaml",
                                       "devicemodel.yaml", "devicestatus.yaml"};
    struct set *set = cor_alloc(sizeof(*set));
    set->w = world_new(false);
    for (size_t i = 0; i < COR_COUNT(CRDS); i++) {
        world_crd(set->w, CRDS[i]);
    }
    world_api(
        set->w, "POST", "/api/v1/nodes",
        "{\"metadata\":{\"name\":\"k1\",\"labels\":{\"node-role.kubernetes.io/edge\":\"\"}}}");
    make(set, "configmaps", "{\"metadata\":{\"name\":\"m\"},\"data\":{\"a\":\"1\"}}");
    make(set, "configmaps", "{\"metadata\":{\"name\":\"other\"},\"data\":{\"a\":\"secret\"}}");
    make_pod(set, "p", "k1", "m");
    make_pod(set, "q", "n1", "other");
    make(set, "services",
         "{\"metadata\":{\"name\":\"s\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"clusterIP\":\"None\","
         "\"ports\":[{\"port\":80}]}}");
    (void)snprintf(set->service, sizeof(set->service), "%s",
                   cor_json_str_at(set->w->body, "metadata.uid", ""));
    world_kill(set->w);
    world_kubeedge(set->w, "k1", 1, true);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    world_free(&set->w);
    cor_buf_free(&set->answer.body);
    cor_free(set);
    return 0;
}

/* ---- questions ---- */

/* What k1's API asks; the status. */
static uint64_t ask(struct set *set, const struct px_node_ask *what)
{
    struct px_node_ask body = *what;
    body.node = COR_VIEW("k1");
    return world_ask(set->w, PX_node_ask, &body, &set->answer);
}

static bool says(const struct set *set, const char *text)
{
    return set->answer.body.len > 0 && strstr(set->answer.body.data, text) != NULL;
}

static void lists_are_cut_to_what_is_the_nodes(void **state)
{
    struct set *set = *state;
    static const struct {
        const char *plural, *has, *has_not;
    } rows[] = {{"pods", "\"name\":\"p\"", "\"name\":\"q\""},
                {"configmaps", "\"name\":\"m\"", "secret"},
                {"nodes", "\"name\":\"k1\"", "\"name\":\"n1\""},
                {"services", "\"name\":\"s\"", "\"name\":\"m\""},
                {"secrets", "\"items\":[]", "\"data\""}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct px_node_ask list = {.verb = PX_VERB_LIST,
                                   .group_version = COR_VIEW("v1"),
                                   .plural = cor_view_of(rows[i].plural)};
        assert_int_equal(ask(set, &list), 200);
        auto_(cor_json_free) struct cor_json *json = NULL;
        assert_int_equal(
            cor_json_parse(cor_buf_as_view(&set->answer.body), 1 << 20, 0, &json, NULL), COR_OK);
        assert_true(says(set, "List\"") && says(set, "\"resourceVersion\""));
        assert_true(says(set, rows[i].has));
        assert_false(says(set, rows[i].has_not));
    }
    struct px_node_ask none = {.verb = PX_VERB_LIST,
                               .group_version = COR_VIEW("v1"),
                               .plural = COR_VIEW("services"),
                               .labels = COR_VIEW("a=c")};
    assert_int_equal(ask(set, &none), 200);
    assert_true(says(set, "\"items\":[]"));
}

static void only_what_is_the_nodes_is_given(void **state)
{
    struct set *set = *state;
    static const struct {
        const char *group_version, *plural, *ns, *name;
        enum px_verb verb;
        uint64_t status;
    } rows[] = {
        {"v1", "configmaps", "default", "m", PX_VERB_GET, 200},
        {"v1", "configmaps", "default", "other", PX_VERB_GET, 403},
        {"v1", "configmaps", "default", "unheard-of", PX_VERB_GET, 403},
        {"v1", "pods", "default", "p", PX_VERB_GET, 200},
        {"v1", "pods", "default", "q", PX_VERB_GET, 403},
        {"v1", "pods", "default", "x", PX_VERB_GET, 404},
        {"v1", "nodes", "", "k1", PX_VERB_GET, 200},
        {"v1", "nodes", "", "n1", PX_VERB_GET, 403},
        {"v1", "services", "default", "s", PX_VERB_GET, 200},
        {"v1", "services", "default", "", PX_VERB_GET, 403},
        {"apps/v1", "deployments", "default", "", PX_VERB_LIST, 403},
        {"v1", "persistentvolumes", "", "", PX_VERB_LIST, 403},
        {"v2", "pods", "default", "p", PX_VERB_GET, 403},
        {"rbac.authorization.k8s.io/v1", "clusterroles", "", "", PX_VERB_WATCH, 403},
        {"v1", "services", "", "", PX_VERB_WATCH, 200},
        {"v1", "pods", "", "", PX_VERB_WATCH, 200},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct px_node_ask get = {.verb = rows[i].verb,
                                  .group_version = cor_view_of(rows[i].group_version),
                                  .plural = cor_view_of(rows[i].plural),
                                  .ns = cor_view_of(rows[i].ns),
                                  .name = cor_view_of(rows[i].name)};
        assert_int_equal(ask(set, &get), rows[i].status);
    }
    struct px_node_ask version = {.verb = PX_VERB_GET, .path = COR_VIEW("/version")};
    assert_int_equal(ask(set, &version), 200);
    assert_true(says(set, "gitVersion"));
    struct px_node_ask unknown = {.verb = PX_VERB_GET, .path = COR_VIEW("/apis/no.such.group")};
    assert_int_equal(ask(set, &unknown), 404);
}

/* ---- watches ---- */

/* What was sent before is known: its messages come in order. */
static void settle(struct set *set)
{
    struct px_node_ask get = {.verb = PX_VERB_GET,
                              .group_version = COR_VIEW("v1"),
                              .plural = COR_VIEW("pods"),
                              .ns = COR_VIEW("default"),
                              .name = COR_VIEW("p")};
    assert_int_equal(ask(set, &get), 200);
}

static void watch(struct set *set, uint64_t epoch, const char *labels, bool on)
{
    struct px_watched row = {.group_version = COR_VIEW("v1"),
                             .plural = COR_VIEW("services"),
                             .labels = cor_view_of(labels)};
    /* whole: else its records would imply, as soon as they are seen, that it watches all of the
     * kind. */
    struct px_node_watches watches = {
        .node = COR_VIEW("k1"), .epoch = epoch, .whole = true, .watches = {&row, on ? 1 : 0}};
    assert_int_equal(cor_send(set->w->hub, PX_node_watches, &watches), COR_OK);
}

static void expect_line(struct set *set, const char *line)
{
    world_told(set->w, &set->w->objects, line);
}

struct record {
    struct set *set;
    const char *version;
};

static bool record_says(void *self)
{
    const struct record *record = self;
    struct set *set = record->set;
    auto_(cor_freep) char *path = cor_sprintf(SYNCS "/k1.%s", set->service);
    world_api(set->w, "GET", path, NULL);
    return set->w->status == 200 &&
           strcmp(cor_json_str_at(set->w->body, "status.objectResourceVersion", ""),
                  record->version) == 0;
}

static void until_record(struct set *set, const char *version)
{
    struct record record = {set, version};
    world_poll(set->w, record_says, &record);
}

static void changes_of_what_is_watched_go_down(void **state)
{
    struct set *set = *state;
    watch(set, 1, "a=b", true);
    auto_(cor_freep) char *put = cor_sprintf("put k1 default/service/s %s ", set->service);
    expect_line(set, put);
    assert_non_null(strstr(set->w->objects.data, "dynamiccontroller\n"));
    make(set, "services",
         "{\"metadata\":{\"name\":\"t\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"clusterIP\":\"None\","
         "\"ports\":[{\"port\":80}]}}");
    expect_line(set, "put k1 default/service/t ");
    world_patch(set->w, NS "services/t", "{\"metadata\":{\"labels\":{\"a\":\"c\"}}}");
    expect_line(set, "gone k1 default/service/t "); /* it is selected no more */
    watch(set, 1, "", false);
    settle(set);
    cor_buf_clear(&set->w->objects);
    world_patch(set->w, NS "services/s", "{\"metadata\":{\"labels\":{\"b\":\"c\"}}}");
    make_pod(set, "later", "k1", "m");
    expect_line(set, "put k1 default/pod/later ");
    assert_null(strstr(set->w->objects.data, "service"));
}

/* Away, and the controller anew: what went meanwhile is told by the records. */
static void what_went_while_away_is_told(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *path = cor_sprintf("k1/%s", set->service);
    watch(set, 1, "", true);
    expect_line(set, "put k1 default/service/s ");
    until_record(set, "0");
    struct px_node_stored stored = {.path = cor_view_of(path),
                                    .node = COR_VIEW("k1"),
                                    .key = COR_VIEW("default/service/s"),
                                    .uid = cor_view_of(set->service),
                                    .version = COR_VIEW("99999")};
    assert_int_equal(cor_send(set->w->hub, PX_node_stored, &stored), COR_OK);
    until_record(set, "99999");
    world_kubeedge(set->w, "k1", 1, false);
    world_api(set->w, "DELETE", NS "services/s", NULL);
    world_kill(set->w);
    cor_buf_clear(&set->w->objects);
    world_kubeedge(set->w, "k1", 2, true); /* which does not say again what it watches */
    make(set, "services",
         "{\"metadata\":{\"name\":\"new\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":"
         "80}]}}");
    expect_line(set, "put k1 default/service/new ");
    auto_(cor_freep) char *gone =
        cor_sprintf("gone k1 default/service/s %s  dynamiccontroller\n", set->service);
    expect_line(set, gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_are_cut_to_what_is_the_nodes, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_is_the_nodes_is_given, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_of_what_is_watched_go_down, setup, teardown),
        cmocka_unit_test_setup_teardown(what_went_while_away_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
