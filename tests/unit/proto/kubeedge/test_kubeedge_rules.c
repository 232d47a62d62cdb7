// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/kubeedge/rules.h"

#define EDGE "edgecontroller"

/* The rows of TestNoAckRequired (dispatcher/message_dispatcher_test.go) in our words, and more. */
static void what_needs_an_ack(void **state)
{
    (void)state;
    static const struct {
        struct px_kubeedge_shape shape;
        bool needs;
    } rows[] = {
        {{"node/n/default/pod/p", EDGE, "resource", "insert", false, false}, true},
        {{"node/n/default/pod/p", EDGE, "resource", "update", false, false}, true},
        {{"node/n/default/pod/p", EDGE, "resource", "delete", false, false}, true},
        {{"node/n/default/pod/p", EDGE, "resource", "response", false, false}, false},
        {{"node/n/null/node/n", EDGE, "resource", "update", false, false}, true},
        {{"node/n/null/node/n", EDGE, "resource", "response", false, false}, false},
        {{"node/n/null/node/n", EDGE, "resource", "delete", false, false}, false},
        {{"node/n/default/configmap/c", EDGE, "resource", "response", false, false}, true},
        {{"node/n/default/configmap/c", EDGE, "resource", "response", false, true}, false},
        {{"node/n/default/secret/s", EDGE, "resource", "update", false, false}, true},
        {{"node/n/default/pod/p", EDGE, "resource", "response", true, false}, false},
        {{"node/n/kube-node-lease/lease/n", EDGE, "resource", "response", false, false}, false},
        {{"node/n/null/nodepatch/n", EDGE, "resource", "response", false, false}, false},
        {{"node/n/default/podpatch/p", EDGE, "resource", "response", false, false}, false},
        {{"node/n/default/serviceaccounttoken/d", EDGE, "resource", "response", false, false},
         false},
        {{"node/n/default/podlist", EDGE, "resource", "response", false, false}, false},
        {{"node/n/membership", "devicecontroller", "twin", "update", false, false}, false},
        {{"node/n/default/device/d", "devicecontroller", "resource", "insert", false, false}, true},
        {{"node/n/device/d/twin/cloud_updated", "devicecontroller", "twin", "update", false, false},
         false},
        {{"node/n/topic", "router_eventbus", "user", "publish", false, false}, false},
        {{"j/node/n", "taskmanager", "taskmanager", "Check", false, false}, false},
        {{"node/n/k8s/ca.crt", "cloudhub", "resource", "response", false, false}, false},
        {{"node/n/default/volume/v", "cloudhub", "resource", "createvolume", false, false}, false},
        {{"node/n/a/b/c", "dynamiccontroller", "resource", "applicationResponse", false, false},
         false},
        {{"node/n/default/configmap/c", "dynamiccontroller", "resource", "insert", false, false},
         true},
        /* substrings of names count, as upstream */
        {{"node/n/default/pod/my-membership", EDGE, "resource", "insert", false, false}, false},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        assert_int_equal(px_kubeedge_needs_ack(&rows[i].shape), rows[i].needs);
    }
}

static void paths_are_trimmed(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *trimmed;
    } rows[] = {
        {"node/n1/default/pod/p", "default/pod/p"},
        {"node/n1/membership", "membership"},
        {"node/n1", "node/n1"},
        {"nodes-of-mine/x/y", "y"}, /* letters, not an element: as upstream */
        {"operations.kubeedge.io/v1alpha2/t/j/node/n1",
         "operations.kubeedge.io/v1alpha2/t/j/node/n1"},
        {"", ""},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_buf_free) struct cor_buf out = {0};
        px_kubeedge_trim(rows[i].path, &out);
        assert_string_equal(cor_buf_as_view(&out).ptr, rows[i].trimmed);
    }
}

static struct px_kubeedge_in route(const char *source, const char *group, const char *operation,
                                   const char *resource)
{
    return (struct px_kubeedge_in){.id = "i",
                                   .parent = "",
                                   .version = "",
                                   .source = source,
                                   .group = group,
                                   .operation = operation,
                                   .resource = resource};
}

static void who_gets_it_in_the_cloud(void **state)
{
    (void)state;
    const struct {
        struct px_kubeedge_in in;
        enum px_kubeedge_up up;
    } rows[] = {
        {route("websocket", "resource", "keepalive", "node"), PX_UP_KEEPALIVE},
        {route("edged", "meta", "ping", "x"), PX_UP_CONTROL},
        {route("edged", "resource", "response", "default/volume/v1"), PX_UP_VOLUME},
        {route("edgecontroller", "resource", "response", "default/pod/p"), PX_UP_ACK},
        {route("metamanager", "resource", "error", "default/pod/p"), PX_UP_ERROR},
        {route("bus", "user", "upload", "default/user/a"), PX_UP_UPLOAD},
        {route("websocket", "hub", "UpdateNodeActionStatus", "x"), PX_UP_TASK},
        {route("metamanager", "meta", "query", "k8s/ca.crt"), PX_UP_CA},
        {route("edgecontroller", "meta", "insert", "default/pod/p"), PX_UP_FORGED},
        {route("metaserver", "dynamiccontroller", "null", "null"), PX_UP_DYNAMIC},
        {route("twin", "resource", "update", "device/default/d/twin/edge_updated"), PX_UP_DEVICE},
        {route("edged", "meta", "insert", "null/node/n"), PX_UP_EDGE},
        {route("", "", "", ""), PX_UP_EDGE},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        assert_int_equal(px_kubeedge_up(&rows[i].in), rows[i].up);
    }
}

static void who_gets_it_at_the_edge(void **state)
{
    (void)state;
    const struct {
        struct px_kubeedge_in in;
        const char *parent;
        const char *version;
        enum px_kubeedge_down down;
        bool ack;
    } rows[] = {
        {route("edgecontroller", "resource", "insert", "default/pod/p"), "", "7", PX_DOWN_META,
         true},
        {route("edgecontroller", "resource", "delete", "default/pod/p"), "", "", PX_DOWN_META,
         true},
        {route("someone", "resource", "update", "a/new/type"), "", "", PX_DOWN_META, true},
        {route("edgecontroller", "resource", "response", "x"), "p", "", PX_DOWN_ANSWER, false},
        {route("edgecontroller", "resource", "response", "x"), "p", "7", PX_DOWN_ANSWER, true},
        {route("devicecontroller", "twin", "update", "membership"), "", "", PX_DOWN_TWIN, false},
        {route("devicecontroller", "twin", "response", "twin"), "p", "", PX_DOWN_TWIN, false},
        {route("router_eventbus", "user", "publish", "t"), "", "", PX_DOWN_EVENTBUS, false},
        {route("router_servicebus", "user", "GET", "8080:/x"), "", "", PX_DOWN_SERVICEBUS, false},
        {route("x", "user", "publish", "t"), "", "", PX_DOWN_DROP, false},
        {route("taskmanager", "taskmanager", "Check", "t"), "", "", PX_DOWN_TASK, false},
        {route("x", "y", "insert", "z"), "", "", PX_DOWN_DROP, false},
        {route("x", "resource", "pong", "z"), "", "", PX_DOWN_CONTROL, true},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct px_kubeedge_in in = rows[i].in;
        in.parent = rows[i].parent;
        in.version = rows[i].version;
        assert_int_equal(px_kubeedge_down(&in), rows[i].down);
        assert_int_equal(px_kubeedge_must_ack(&in), rows[i].ack);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_an_ack),
        cmocka_unit_test(paths_are_trimmed),
        cmocka_unit_test(who_gets_it_in_the_cloud),
        cmocka_unit_test(who_gets_it_at_the_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
