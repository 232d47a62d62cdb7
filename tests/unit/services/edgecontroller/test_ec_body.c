// SPDX-License-Identifier: Apache-2.0
// What of a node's words goes to the API. Single quotes stand for double ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/edgecontroller/body.h"
#include "tests/support/text/text.h"

/* n1 has Pod p1 in a, n2 has p2. */
static int setup(void **state)
{
    static const char *const PODS[] = {
        "{'metadata':{'namespace':'a','name':'p1','uid':'u1'},'spec':{'nodeName':'n1'}}",
        "{'metadata':{'namespace':'a','name':'p2','uid':'u2'},'spec':{'nodeName':'n2'}}",
    };
    struct ec_bound *pods = ec_bound_new();
    for (size_t i = 0; i < COR_COUNT(PODS); i++) {
        auto_(cor_json_free) struct cor_json *pod = test_json(PODS[i]);
        ec_bound_put(pods, pod);
    }
    *state = pods;
    return 0;
}

static int teardown(void **state)
{
    struct ec_bound *pods = *state;
    ec_bound_free(&pods);
    return 0;
}

#define MARK "'annotations':{'kubernetes.io/config.mirror':'h'}"
#define OWNED(more)                                                                                \
    "'ownerReferences':[{'apiVersion':'v1','kind':'Node','name':'n1','uid':'nu'" more "}]"
#define MIRROR MARK "," OWNED(",'controller':true")
#define ABOUT(kind, name) "'involvedObject':{'kind':'" kind "','namespace':'a','name':'" name "'}"
#define NAMED "'metadata':{'name':'x','namespace':'a'}"

/* One row: what node n1 says; the code, and what goes to the API if it is COR_OK. */
static const struct row {
    enum px_verb verb;
    const char *key;
    const char *body;
    enum cor_code code;
    const char *to_api;
} ROWS[] = {
    /* Nodes: labels of administrators and other metadata are not the node's. */
    {PX_VERB_CREATE, "null/node/n1",
     "{'metadata':{'name':'n1','labels':{'a':'b','node-restriction.kubernetes.io/z':'1',"
     "'x.node-restriction.kubernetes.io/z':'1'},'finalizers':['f']},'spec':{},'other':1}",
     COR_OK, "{'metadata':{'name':'n1','labels':{'a':'b'}},'spec':{}}"},
    {PX_VERB_CREATE, "null/node/n1", "{'metadata':{'name':'n2'}}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "null/node/n1", "{'metadata':{'generateName':'n1'}}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "null/node/n1", "{'metadata':{'name':'n1','generateName':'n'}}", COR_DENIED,
     NULL},
    {PX_VERB_CREATE, "null/node/n1", "[]", COR_INVALID, NULL},
    {PX_VERB_CREATE, "null/node/n1", "{'metadata':{'name':'n1'},'metadata':{'name':'n2'}}",
     COR_INVALID, NULL},
    {PX_VERB_UPDATE, "null/node/n1",
     "{'metadata':{'labels':{'a':'b'},'name':'n2'},'spec':{'taints':[]}}", COR_OK,
     "{'metadata':{'labels':{'a':'b'}}}"},
    {PX_VERB_PATCH, "null/node/n1",
     "{'metadata':{'labels':null,'annotations':{'$patch':'replace','k':'v'}},'status':{'a':1},"
     "'spec':{'unschedulable':false}}",
     COR_OK, "{'metadata':{'annotations':{'k':'v'}},'status':{'a':1}}"},
    {PX_VERB_PATCH, "null/nodepatch/n1", "{'status':{}}", COR_OK, "{'status':{}}"},
    /* CSINodes: the drivers, in the name of the Node. */
    {PX_VERB_CREATE, "null/csinode/n1",
     "{'kind':'CSINode','metadata':{'name':'n1','labels':{'a':'b'},'ownerReferences':[{'kind':"
     "'Pod'}]},'spec':{'drivers':[{'name':'d'}]}}",
     COR_OK,
     "{'kind':'CSINode','metadata':{'name':'n1','ownerReferences':[{'apiVersion':'v1','kind':"
     "'Node','name':'n1','uid':'nu'}]},'spec':{'drivers':[{'name':'d'}]}}"},
    {PX_VERB_CREATE, "null/csinode/n1", "{'metadata':{'name':'n2'}}", COR_DENIED, NULL},
    {PX_VERB_PATCH, "null/csinode/n1",
     "{'metadata':{'finalizers':['f']},'spec':{'drivers':[],'more':1}}", COR_OK,
     "{'spec':{'drivers':[]}}"},
    /* Claims: their size. */
    {PX_VERB_PATCH, "a/persistentvolumeclaim/c",
     "{'spec':{'volumeName':'v'},'status':{'phase':'Bound','capacity':{'storage':'2Gi'},"
     "'conditions':[]}}",
     COR_OK, "{'status':{'capacity':{'storage':'2Gi'},'conditions':[]}}"},
    /* Pods: mirrors only, that open no door; of others the status only. */
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MIRROR "},'spec':{'nodeName':'n1','containers':[]}}", COR_OK,
     "{'metadata':{'name':'x'," MIRROR "},'spec':{'nodeName':'n1','containers':[]}}"},
    {PX_VERB_CREATE, "a/pod/x", "{'metadata':{'name':'x'," MIRROR "},'spec':{'nodeName':'n2'}}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x", "{'metadata':{'name':'x'," MIRROR "},'spec':{}}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x", "{'metadata':{'name':'x'},'spec':{'nodeName':'n1'}}", COR_DENIED,
     NULL},
    {PX_VERB_CREATE, "a/pod/x", "{'metadata':{'name':'y'," MIRROR "},'spec':{'nodeName':'n1'}}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MIRROR "},'spec':{'nodeName':'n1','serviceAccountName':'r'}}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MIRROR
     "},'spec':{'nodeName':'n1','volumes':[{'secret':{'secretName':'s'}}]}}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MIRROR
     "},'spec':{'nodeName':'n1','volumes':[{'projected':{'sources':[{'serviceAccountToken':{}}]}}]"
     "}}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MIRROR
     "},'spec':{'nodeName':'n1','volumes':[{'projected':{'sources':[{'downwardAPI':{},"
     "'serviceAccountToken':{}}]}}]}}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MIRROR
     "},'spec':{'nodeName':'n1','volumes':[{'projected':{'sources':[{'downwardAPI':{}}]}}]}}",
     COR_OK,
     "{'metadata':{'name':'x'," MIRROR
     "},'spec':{'nodeName':'n1','volumes':[{'projected':{'sources':[{'downwardAPI':{}}]}}]}}"},
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MIRROR
     "},'spec':{'nodeName':'n1','volumes':[{'persistentVolumeClaim':{'claimName':'c'}}]}}",
     COR_DENIED, NULL},
    /* .. and go with their Node */
    {PX_VERB_CREATE, "a/pod/x", "{'metadata':{'name':'x'," MARK "},'spec':{'nodeName':'n1'}}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MARK "," OWNED("") "},'spec':{'nodeName':'n1'}}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MARK
     "," OWNED(",'controller':true,'blockOwnerDeletion':true") "},'spec':{'nodeName':'n1'}}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MARK ",'ownerReferences':[{'apiVersion':'v1','kind':'Node','name':"
     "'n1','uid':'other','controller':true}]},'spec':{'nodeName':'n1'}}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/pod/x",
     "{'metadata':{'name':'x'," MARK ",'ownerReferences':[{'apiVersion':'v1','kind':'Node','name':"
     "'n2','uid':'nu','controller':true}]},'spec':{'nodeName':'n1'}}",
     COR_DENIED, NULL},
    {PX_VERB_PATCH, "a/podpatch/p1",
     "{'metadata':{'uid':'u1','labels':{'app':'web'}},'spec':{'nodeName':'n2'},'status':{'a':1}}",
     COR_OK, "{'metadata':{'uid':'u1'},'status':{'a':1}}"},
    {PX_VERB_DELETE, "a/pod/p1", "null", COR_OK, "{}"},
    {PX_VERB_DELETE, "a/pod/p1", "{'preconditions':{'uid':'u1'}}", COR_OK,
     "{'preconditions':{'uid':'u1'}}"},
    /* Events: of what is its own, in its own name. */
    {PX_VERB_CREATE, "a/event/x", "{" NAMED "," ABOUT("Pod", "p1") "}", COR_OK,
     "{" NAMED "," ABOUT("Pod", "p1") ",'source':{'host':'n1'}}"},
    {PX_VERB_CREATE, "a/event/x", "{" NAMED "," ABOUT("Node", "n1") ",'source':{'host':'n1'}}",
     COR_OK, "{" NAMED "," ABOUT("Node", "n1") ",'source':{'host':'n1'}}"},
    {PX_VERB_CREATE, "a/event/x", "{" NAMED "," ABOUT("Pod", "p2") "}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/event/x", "{" NAMED "," ABOUT("Node", "n2") "}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/event/x", "{" NAMED "," ABOUT("Deployment", "p1") "}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/event/x", "{" NAMED "}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "b/event/x",
     "{'metadata':{'name':'x','namespace':'b'}," ABOUT("Pod", "p1") "}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/event/y", "{" NAMED "," ABOUT("Pod", "p1") "}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/event/x", "{" NAMED "," ABOUT("Pod", "p1") ",'source':{'host':'n2'}}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/event/x", "{" NAMED "," ABOUT("Pod", "p1") ",'reportingInstance':'n2'}",
     COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/event/x", "{" NAMED "," ABOUT("Pod", "p1") ",'related':{'name':'p2'}}",
     COR_DENIED, NULL},
    {PX_VERB_UPDATE, "a/event/x", "{" NAMED "," ABOUT("Pod", "p2") "}", COR_DENIED, NULL},
    {PX_VERB_PATCH, "a/event/x", "{'count':2," ABOUT("Pod", "p2") ",'source':{'host':'n2'}}",
     COR_OK, "{'count':2}"},
    {PX_VERB_PATCH, "a/event/x", "{'event':{},'patchData':'{}'}", COR_OK, "{}"},
    {PX_VERB_PATCH, "a/event/x", "{'event':{},'patchData':'x'}", COR_INVALID, NULL},
    /* Leases and tokens. */
    {PX_VERB_CREATE, "kube-node-lease/lease/n1", "{'metadata':{'name':'n2'}}", COR_DENIED, NULL},
    {PX_VERB_UPDATE, "kube-node-lease/lease/n1",
     "{'metadata':{'name':'n1','namespace':'kube-system'}}", COR_DENIED, NULL},
    {PX_VERB_UPDATE, "kube-node-lease/lease/n1", "{'metadata':{'name':'n1'}}", COR_OK,
     "{'metadata':{'name':'n1'}}"},
    {PX_VERB_CREATE, "a/serviceaccounttoken/default", "{'spec':{}}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/serviceaccounttoken/default",
     "{'spec':{'boundObjectRef':{'kind':'Pod','name':'p2'}}}", COR_DENIED, NULL},
    {PX_VERB_GET, "a/serviceaccounttoken/default",
     "{'spec':{'boundObjectRef':{'kind':'Secret','name':'p1'}}}", COR_DENIED, NULL},
    {PX_VERB_CREATE, "a/serviceaccounttoken/default",
     "{'spec':{'boundObjectRef':{'kind':'Pod','name':'p1'}}}", COR_OK,
     "{'spec':{'boundObjectRef':{'kind':'Pod','name':'p1'}}}"},
    /* Nothing is sent where nothing is asked for. */
    {PX_VERB_GET, "a/pod/p1", "{'a':1}", COR_OK, NULL},
};

static void rows_are_judged(void **state)
{
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        const struct row *row = &ROWS[i];
        auto_(cor_freep) char *body = test_quoted(row->body);
        auto_(cor_json_free) struct cor_json *out = NULL;
        struct cor_err err = COR_ERR_NONE;
        struct px_key key;
        assert_true(px_key_parse(cor_view_of(row->key), &key));
        struct ec_said said = {.pods = *state,
                               .node = "n1",
                               .node_uid = "nu",
                               .verb = row->verb,
                               .key = &key,
                               .body = cor_view_of(body)};
        enum cor_code code = ec_body(&said, &out, &err);
        auto_(cor_json_free) struct cor_json *expected =
            row->to_api == NULL ? NULL : test_json(row->to_api);
        if (code != row->code || (code == COR_OK && !cor_json_equal(out, expected))) {
            auto_(cor_freep) char *text = out == NULL ? cor_strdup("none") : cor_json_text(out);
            fail_msg("row %zu %s %s: %s %s", i, row->key, body, cor_code_name(code), text);
        }
    }
}

/* {"event":.., "patchData":"{..}"}: what KubeEdge's nodes send. */
static void a_counted_event_is_unwrapped(void **state)
{
    static const char BODY[] = "{\"event\":{\"count\":9},\"patchData\":\"{\\\"count\\\":2,"
                               "\\\"involvedObject\\\":{\\\"name\\\":\\\"p2\\\"}}\"}";
    auto_(cor_json_free) struct cor_json *out = NULL;
    struct px_key key;
    assert_true(px_key_parse(COR_VIEW("a/event/x"), &key));
    struct ec_said said = {.pods = *state,
                           .node = "n1",
                           .verb = PX_VERB_PATCH,
                           .key = &key,
                           .body = cor_view_of(BODY)};
    assert_int_equal(ec_body(&said, &out, NULL), COR_OK);
    auto_(cor_freep) char *text = cor_json_text(out);
    assert_string_equal(text, "{\"count\":2}");
}

/* faults A7: what is changed is the Pod that was meant, not the next one of its name. */
static void pods_are_pinned_by_uid(void **state)
{
    static const struct {
        enum px_verb verb;
        const char *body, *uid, *expected;
    } rows[] = {
        {PX_VERB_DELETE, "{}", "u1", "u1"},
        {PX_VERB_DELETE, "{'preconditions':{'uid':'u0'}}", "u1", "u0"},
        {PX_VERB_PATCH, "{'status':{}}", "u1", "u1"},
        {PX_VERB_PATCH, "{'metadata':{'uid':'u0'}}", "u1", "u0"},
        {PX_VERB_PATCH, "{}", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *body = test_json(rows[i].body);
        ec_body_pin(body, rows[i].verb, rows[i].uid);
        assert_string_equal(ec_body_uid(body, rows[i].verb), rows[i].expected);
    }
}

/* A node that makes the mirror of a static Pod chooses no account by it. */
static void mirrors_open_no_accounts(void **state)
{
    (void)state;
    auto_(ec_bound_free) struct ec_bound *pods = ec_bound_new();
    auto_(cor_json_free) struct cor_json *mirror =
        test_json("{'metadata':{'namespace':'a','name':'m'," MIRROR "},'spec':{'nodeName':'n1',"
                  "'serviceAccountName':'default'}}");
    ec_bound_put(pods, mirror);
    assert_false(
        ec_bound_need(pods, COR_VIEW("n1"), COR_VIEW("a"), "serviceaccount", COR_VIEW("default")));
}

/* The API server takes the first address of the type that it prefers. */
static void nodes_are_pointed_at_the_cloud(void **state)
{
    static const struct {
        const char *before, *after;
    } NODES[] = {
        {"{'status':{'addresses':[{'type':'InternalIP','address':'10.0.0.7'},"
         "{'type':'Hostname','address':'n1'},{'$patch':'replace'}]}}",
         "{'status':{'addresses':[{'type':'InternalIP','address':'192.0.2.1'},"
         "{'type':'InternalIP','address':'10.0.0.7'},{'type':'Hostname','address':'192.0.2.1'},"
         "{'$patch':'replace'}],'daemonEndpoints':{'kubeletEndpoint':{'Port':10401}}}}"},
        {"{'status':{'addresses':[{'type':'InternalIP','address':'192.0.2.1'}],"
         "'daemonEndpoints':{'kubeletEndpoint':{'Port':10350}}}}",
         "{'status':{'addresses':[{'type':'InternalIP','address':'192.0.2.1'}],"
         "'daemonEndpoints':{'kubeletEndpoint':{'Port':10401}}}}"},
        {"{'status':{'conditions':[]}}", "{'status':{'conditions':[]}}"}, /* a heartbeat */
        {"{'status':{'addresses':'x'}}", "{'status':{'addresses':'x'}}"},
        {"{}", "{}"},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(NODES); i++) {
        auto_(cor_json_free) struct cor_json *node = test_json(NODES[i].before);
        auto_(cor_json_free) struct cor_json *wanted = test_json(NODES[i].after);
        ec_body_point(node, "192.0.2.1", 10401);
        if (!cor_json_equal(node, wanted)) {
            auto_(cor_freep) char *got = cor_json_text(node);
            fail_msg("row %zu: %s", i, got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_judged, setup, teardown),
        cmocka_unit_test_setup_teardown(a_counted_event_is_unwrapped, setup, teardown),
        cmocka_unit_test(pods_are_pinned_by_uid),
        cmocka_unit_test(mirrors_open_no_accounts),
        cmocka_unit_test(nodes_are_pointed_at_the_cloud),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
