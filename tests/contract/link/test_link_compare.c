// SPDX-License-Identifier: Apache-2.0
// What a node has already is not sent again: a metamanager with a store of its own behind the link,
// and a controller that sends all it knows whenever a connection begins.
#include <stdio.h>

#include "common/base/map.h"
#include "proto/link/digest.h"
#include "tests/contract/link/harness.h"

enum { MANY = 500, BODY = 700 };

/* The node's store; its objects are "ns/pod/N" with uid "uN", numbers from 0. */
struct edge_node {
    struct bench *bench;
    struct cor_map *has; /* key -> struct px_held_object of owned texts, owned */
    unsigned objects;    /* that came */
    unsigned asked;      /* COMPAREs */
    bool silent;         /* does not answer them */
    unsigned want;
};

static void held_free(void *value)
{
    struct px_held_object *held = value;
    cor_free((void *)(uintptr_t)held->key.ptr);
    cor_free((void *)(uintptr_t)held->uid.ptr);
    cor_free(held);
}

static void keep(struct edge_node *node, struct cor_view key, struct cor_view uid, uint64_t content)
{
    struct px_held_object *held = cor_alloc(sizeof(*held));
    *held = (struct px_held_object){
        {cor_view_dup(key), key.len}, {cor_view_dup(uid), uid.len}, content};
    cor_map_set(node->has, key, held);
}

static enum cor_code on_object(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct edge_node *node = self;
    const struct px_object *object = body;
    struct px_object_stored stored = {
        .key = object->key, .version = object->version, .id = in->head->id};
    (void)err;
    node->objects++;
    keep(node, object->key, object->uid, object->content);
    return cor_send(in->port, PX_object_stored, &stored);
}

static enum cor_code on_compare(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    struct edge_node *node = self;
    const struct px_compare *compare = body;
    auto_(px_digest_free) struct px_digest digest = {0};
    auto_(cor_buf_free) struct cor_buf sums = {0};
    struct px_held_object wanted[MANY + 8];
    size_t count = 0;
    size_t at = 0;
    void *value = NULL;
    node->asked++;
    if (node->silent) {
        return cor_err_set(err, COR_UNSUPPORTED, "not today");
    }
    px_digest_init(&digest, px_digest_buckets(cor_map_count(node->has)));
    while (cor_map_next(node->has, &at, NULL, &value)) {
        const struct px_held_object *held = value;
        px_digest_add(&digest, held);
        if (px_digest_is_wanted(compare->wanted, held->key, digest.buckets)) {
            wanted[count++] = *held;
        }
    }
    px_digest_write(&digest, &sums);
    struct px_held held = {.buckets = digest.buckets, .objects = {wanted, count}};
    if (compare->buckets == 0) {
        held.sums = cor_buf_as_view(&sums);
    }
    cor_reply(in, &held);
    return COR_OK;
}

static enum cor_code on_link(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_link *link = body;
    struct bench *bench = ((struct edge_node *)self)->bench;
    (void)in;
    (void)err;
    bench->links_up += link->up && !bench->link_up;
    bench->link_up = link->up;
    return COR_OK;
}

static const struct cor_handler META[] = {
    {PX_object, on_object}, {PX_compare, on_compare}, {PX_link, on_link}};
static const struct cor_port_ops META_OPS = {.handlers = META, .handler_count = COR_COUNT(META)};

/* ---- the controller ---- */

/* Sends objects 0 to count-1, number odd with another content, and says that this is all. */
static void send_all(struct bench *bench, unsigned count, unsigned odd)
{
    static char body[BODY];
    memset(body, ' ', sizeof(body));
    memcpy(body, "{}", 2);
    for (unsigned i = 0; i < count; i++) {
        char path[64];
        char uid[16];
        (void)snprintf(path, sizeof(path), "n1/ns/pod/%u", i);
        (void)snprintf(uid, sizeof(uid), "u%u", i);
        struct px_node_object object = {.path = cor_view_of(path),
                                        .node = COR_VIEW("n1"),
                                        .key = cor_view_of(path + strlen("n1/")),
                                        .uid = cor_view_of(uid),
                                        .version = i == odd ? COR_VIEW("8") : COR_VIEW("7"),
                                        .body = {body, sizeof(body)},
                                        .content = i == odd ? 2000 + i : 1000 + i};
        assert_int_equal(cor_send(bench->cloud->port, PX_node_object, &object), COR_OK);
    }
    auto_(cor_freep) char *path = cor_sprintf("n1/%lu", (unsigned long)bench->epoch);
    struct px_node_synced synced = {
        .path = cor_view_of(path), .node = COR_VIEW("n1"), .epoch = bench->epoch};
    assert_int_equal(cor_send(bench->cloud->port, PX_node_synced, &synced), COR_OK);
}

static bool session_came(void *arg)
{
    struct edge_node *node = arg;
    return node->bench->sessions >= node->want && node->bench->node_up;
}

/* The link breaks and is there again, the controller has been told. */
static void connect_again(struct edge_node *node)
{
    node->want = node->bench->sessions + 1;
    proxy_cut_after(node->bench->proxy, PROXY_UP, 0);
    bench_wait(node->bench, session_came, node);
}

static bool has_objects(void *arg)
{
    const struct edge_node *node = arg;
    return node->objects >= node->want;
}

/* Waits until the node has all that send_all sent in this session; count of it came over the
 * link. */
static void expect_objects(struct edge_node *node, unsigned sent, unsigned count)
{
    node->want = count;
    bench_wait(node->bench, has_objects, node);
    bench_counted(node->bench, "cloudhub", "objects", "nodes", "accepted", sent);
    bench_counted(node->bench, "cloudhub", "objects", "nodes", "stored", 0);
    assert_int_equal(node->objects, count);
    node->objects = 0;
}

static uint64_t bytes(const struct edge_node *node)
{
    return proxy_bytes(node->bench->proxy, PROXY_UP) + proxy_bytes(node->bench->proxy, PROXY_DOWN);
}

/* ---- tests ---- */

static int setup(void **state)
{
    if (bench_setup(state) != 0) {
        return -1;
    }
    struct bench *bench = *state;
    struct edge_node *node = cor_alloc(sizeof(*node));
    node->bench = bench;
    node->has = cor_map_new(held_free);
    cor_port_close(&bench->peers.ports[PEER_META]);
    assert_int_equal(cor_port_open(bench->peers.buses[PEER_META], px_endpoint(PX_ENDPOINT_HUB_META),
                                   &META_OPS, node, &bench->peers.ports[PEER_META], NULL),
                     COR_OK);
    connect_again(node);
    *state = node;
    return 0;
}

static int teardown(void **state)
{
    struct edge_node *node = *state;
    void *bench = node->bench;
    int code = bench_teardown(&bench);
    cor_map_free(&node->has);
    cor_free(node);
    return code;
}

/* The bytes of a reconnect after which the controller sends so many objects. */
static uint64_t reconnect(struct edge_node *node, unsigned sent, unsigned odd, unsigned come)
{
    uint64_t before = bytes(node);
    connect_again(node);
    send_all(node->bench, sent, odd);
    expect_objects(node, sent, come);
    return bytes(node) - before;
}

/* 500 objects: a few hundred bytes more than for one object when nothing has changed; that object
 * besides when one has. */
static void only_the_difference_is_sent(void **state)
{
    enum { NOTHING_MAX = 1300, CHANGED_MAX = 1300 + BODY };
    struct edge_node *node = *state;
    send_all(node->bench, 1, UINT32_MAX);
    expect_objects(node, 1, 1);
    uint64_t one = reconnect(node, 1, UINT32_MAX, 0);
    (void)reconnect(node, MANY, UINT32_MAX, MANY - 1);
    static const struct {
        unsigned odd, objects;
        uint64_t most;
    } rows[] = {{UINT32_MAX, 0, NOTHING_MAX}, {77, 1, CHANGED_MAX}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        uint64_t cost = reconnect(node, MANY, rows[i].odd, rows[i].objects);
        print_message("reconnect with %d objects, %u changed: %lu bytes of TLS records, with one "
                      "object, unchanged: %lu\n",
                      MANY, rows[i].objects, (unsigned long)cost, (unsigned long)one);
        assert_in_range(cost, one, one + rows[i].most);
    }
}

/* Objects that were deleted while the node was away; its own Node is not among them. */
static void what_the_node_has_too_much_is_told(void **state)
{
    struct edge_node *node = *state;
    keep(node, COR_VIEW("ns/configmap/old"), COR_VIEW("u-old"), 5);
    keep(node, COR_VIEW("null/node/n1"), COR_VIEW("u-n1"), 5);
    connect_again(node);
    send_all(node->bench, 3, UINT32_MAX);
    expect_objects(node, 3, 3);
    assert_string_equal(cor_buf_as_view(&node->bench->surplus).ptr, "ns/configmap/old u-old\n");
}

/* Another uid under the same name is another object. */
static void made_anew_it_is_sent(void **state)
{
    struct edge_node *node = *state;
    keep(node, COR_VIEW("ns/pod/0"), COR_VIEW("another"), 1000);
    keep(node, COR_VIEW("ns/pod/1"), COR_VIEW("u1"), 1001);
    connect_again(node);
    send_all(node->bench, 2, UINT32_MAX);
    expect_objects(node, 2, 1);
    assert_int_equal(node->bench->surplus.len, 0);
}

/* Nothing is taken for surplus before the controller has said that it has sent all. */
static void an_unfinished_list_deletes_nothing(void **state)
{
    struct edge_node *node = *state;
    keep(node, COR_VIEW("ns/configmap/old"), COR_VIEW("u-old"), 5);
    connect_again(node);
    hub_send_object(node->bench->cloud, "default/pod/p", "5", false);
    expect_objects(node, 1, 1); /* after 5 s it goes without a comparison */
    assert_int_equal(node->bench->surplus.len, 0);
}

static void a_node_that_cannot_say_gets_all(void **state)
{
    struct edge_node *node = *state;
    node->silent = true;
    connect_again(node);
    send_all(node->bench, 20, UINT32_MAX);
    expect_objects(node, 20, 20);
    connect_again(node);
    send_all(node->bench, 20, UINT32_MAX);
    expect_objects(node, 20, 20);
    assert_true(node->asked >= 2);
}

/* A controller that restarts sends all again: the node, whose link stayed, gets nothing twice. */
static void a_new_controller_costs_nothing(void **state)
{
    struct edge_node *node = *state;
    send_all(node->bench, MANY, UINT32_MAX);
    expect_objects(node, MANY, MANY);
    node->want = node->bench->sessions + 1;
    bench_controller(node->bench, true);
    bench_wait(node->bench, session_came, node);
    send_all(node->bench, MANY, UINT32_MAX);
    expect_objects(node, 2 * MANY, 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(only_the_difference_is_sent),
        T(what_the_node_has_too_much_is_told),
        T(made_anew_it_is_sent),
        T(an_unfinished_list_deletes_nothing),
        T(a_node_that_cannot_say_gets_all),
        T(a_new_controller_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
