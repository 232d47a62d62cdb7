// SPDX-License-Identifier: Apache-2.0
// The real kubelite, driven over HTTPS as any Kubernetes client would.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/json/json.h"
#include "common/pki/cert.h"
#include "common/pki/key.h"
#include "harness.h"

#define CMS "/api/v1/namespaces/default/configmaps"
#define PODS "/api/v1/namespaces/default/pods"
#define CM(name, value)                                                                            \
    "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'" name "'},'data':{'k':'" value "'" \
    "}"                                                                                            \
    "}"
#define POD(name, more)                                                                            \
    "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" name "'},'spec':{" more                 \
    "'containers':[{'name':'c','image':'busybox:1'}]}}"

static const struct {
    struct ask ask;
    long status;
    const char *reason;
    const char *message; /* part */
} bad_requests[] = {
    {{"GET", "/nothing", NULL, NULL, NULL, false}, 404, "NotFound", "could not find"},
    {{"GET", CMS "/nope", NULL, NULL, NULL, false},
     404,
     "NotFound",
     "configmaps \"nope\" not found"},
    {{"DELETE", CMS "/nope", NULL, NULL, NULL, false}, 404, "NotFound", "not found"},
    {{"DELETE", "/api/v1/namespaces", NULL, NULL, NULL, false},
     405,
     "MethodNotAllowed",
     "does not allow"},
    {{"GET", CMS "?limit=x", NULL, NULL, NULL, false}, 400, "BadRequest", "invalid syntax"},
    {{"GET", CMS "?continue=x", NULL, NULL, NULL, false}, 400, "BadRequest", "continue token"},
    {{"DELETE", CMS "/x", "{'propagationPolicy':'Maybe'}", NULL, NULL, false},
     422,
     "Invalid",
     "Unsupported value"},
    {{"PATCH", CMS "/kube-root-ca.crt", "[{'op':'remove','path':'/x'}]",
      "application/json-patch+json", NULL, false},
     422,
     "Invalid",
     "error in our request"},
    {{"PATCH", CMS "/kube-root-ca.crt", "[{'op':'add','path':'/data/b','value':5}]",
      "application/json-patch+json", NULL, false},
     422,
     "Invalid",
     "expected a string, found a number"},
    {{"POST", CMS, "", NULL, NULL, false}, 400, "BadRequest", "ConfigMap"},
    {{"POST", CMS, "{", NULL, NULL, false}, 400, "BadRequest", "JSON"},
    {{"POST", CMS, "null", NULL, NULL, false}, 400, "BadRequest", "not a JSON object"},
    {{"POST", CMS, "[]", NULL, NULL, false}, 400, "BadRequest", "not a JSON object"},
    {{"POST", CMS, "{}", NULL, NULL, false}, 422, "Invalid", "metadata.name: Required value"},
    {{"POST", CMS, "{'metadata':5}", NULL, NULL, false},
     400,
     "BadRequest",
     "metadata: expected an object, found a number"},
    {{"POST", CMS, "{'metadata':{'name':'x'},'data':{'k':1}}", NULL, NULL, false},
     400,
     "BadRequest",
     "data.k: expected a string"},
    {{"POST", CMS, "{'metadata':{'name':'X_y'}}", NULL, NULL, false},
     422,
     "Invalid",
     "RFC 1123 subdomain"},
    {{"POST", CMS, "{'kind':'Secret','metadata':{'name':'x'}}", NULL, NULL, false},
     400,
     "BadRequest",
     "cannot be handled as a ConfigMap"},
    {{"POST", CMS, "{'apiVersion':'v2','metadata':{'name':'x'}}", NULL, NULL, false},
     400,
     "BadRequest",
     "does not match the expected API version"},
    {{"POST", CMS, "{'metadata':{'name':'x','namespace':'y'}}", NULL, NULL, false},
     400,
     "BadRequest",
     "namespace of the provided object"},
    {{"POST", CMS "?fieldValidation=Strict", "{'metadata':{'name':'x'},'dta':{}}", NULL, NULL,
      false},
     400,
     "BadRequest",
     "unknown field \"dta\""},
    {{"POST", CMS, "x", "text/plain", NULL, false}, 415, "UnsupportedMediaType", "unknown"},
    {{"POST", "/api/v1/namespaces/nowhere/configmaps", CM("x", "1"), NULL, NULL, false},
     404,
     "NotFound",
     "namespaces \"nowhere\" not found"},
    {{"PUT", CMS "/x", CM("y", "1"), NULL, NULL, false}, 404, "NotFound", "\"x\" not found"},
    {{"POST", PODS, POD("p", "'restartPolicy':'Maybe',"), NULL, NULL, false},
     422,
     "Invalid",
     "spec.restartPolicy: Unsupported value"},
    {{"POST", PODS, POD("p", "'serviceAccountName':'ghost',"), NULL, NULL, false},
     403,
     "Forbidden",
     "serviceaccount \"ghost\" not found"},
    {{"GET", PODS "/p/log", NULL, NULL, NULL, false}, 404, "NotFound", "\"p\" not found"},
    {{"GET", PODS "?fieldSelector=spec.foo=1", NULL, NULL, NULL, false},
     400,
     "BadRequest",
     "field label not supported"},
    {{"GET", PODS "?labelSelector=a%20b", NULL, NULL, NULL, false},
     400,
     "BadRequest",
     "unable to parse requirement"},
    {{"GET", PODS "?watch=1&resourceVersion=x", NULL, NULL, NULL, false},
     400,
     "BadRequest",
     "resourceVersion must be a number"},
    {{"GET", PODS "?watch=1&resourceVersion=999999", NULL, NULL, NULL, false},
     410,
     "Expired",
     "too old resource version"},
    {{"GET", CMS, NULL, NULL, NULL, true}, 401, "Unauthorized", "Unauthorized"},
    {{"GET", CMS, NULL, NULL, "x.y.z", false}, 401, "Unauthorized", "Unauthorized"},
    {{"GET", "/nothing", NULL, NULL, NULL, true}, 401, "Unauthorized", "Unauthorized"},
};

/* Bad input gets a clear error and changes nothing. */
static void test_bad_requests(void **state)
{
    struct fixture *f = *state;
    call(f, "GET", CMS, NULL);
    auto_(cor_freep) char *before = cor_strdup(f->text.data);
    for (size_t i = 0; i < COR_COUNT(bad_requests); i++) {
        send_ask(f, &bad_requests[i].ask);
        if (f->status != bad_requests[i].status ||
            strcmp(at(f, "reason"), bad_requests[i].reason) != 0 ||
            strstr(at(f, "message"), bad_requests[i].message) == NULL) {
            fail_msg("case %zu: %ld %s", i, f->status, f->text.data);
        }
        assert_string_equal(at(f, "kind"), "Status");
        assert_string_equal(at(f, "status"), "Failure");
        assert_int_equal(cor_json_int_at(f->body, "code", 0), bad_requests[i].status);
    }
    call(f, "GET", CMS, NULL);
    assert_string_equal(f->text.data, before);
}

static void test_versions_and_conflicts(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", CMS, CM("a", "1"));
    assert_int_equal(f->status, 201);
    auto_(cor_freep) char *rv = cor_strdup(at(f, "metadata.resourceVersion"));
    auto_(cor_freep) char *uid = cor_strdup(at(f, "metadata.uid"));
    assert_int_equal(strlen(uid), 36);
    call(f, "POST", CMS, CM("a", "1"));
    assert_int_equal(f->status, 409);
    assert_string_equal(at(f, "reason"), "AlreadyExists");
    call(f, "PUT", CMS "/a", CM("a", "2"));
    assert_int_equal(f->status, 200);
    assert_string_not_equal(at(f, "metadata.resourceVersion"), rv);
    assert_string_equal(at(f, "metadata.uid"), uid);
    auto_(cor_freep) char *old =
        cor_sprintf("{'metadata':{'name':'a','resourceVersion':'%s'},'data':{'k':'3'}}", rv);
    call(f, "PUT", CMS "/a", old);
    assert_int_equal(f->status, 409);
    assert_string_equal(at(f, "reason"), "Conflict");
    call(f, "PUT", CMS "/a",
         "{'metadata':{'name':'a','uid':'00000000-0000-0000-0000-000000000000'}}");
    assert_int_equal(f->status, 409);
    call(f, "DELETE", CMS "/a", "{'preconditions':{'uid':'other'}}");
    assert_int_equal(f->status, 409);
    call(f, "POST", CMS "?dryRun=All", CM("dry", "1"));
    assert_int_equal(f->status, 201);
    call(f, "GET", CMS "/dry", NULL);
    assert_int_equal(f->status, 404);
    call(f, "GET", CMS "/a", NULL);
    assert_string_equal(at(f, "data.k"), "2");
    call(f, "DELETE", CMS "/a", NULL);
    assert_int_equal(f->status, 200);
    assert_string_equal(at(f, "status"), "Success");
    assert_string_equal(at(f, "details.uid"), uid);
}

/* The addresses of a Pod merge by "ip", as the real server's do: a kubelet has to replace them. */
static void test_addresses_merge(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *ips;
        long status;
    } rows[] = {
        {"[{'ip':'10.1.0.2'}]", 200},
        {"[{'ip':'10.1.0.3'}]", 422},
        {"[{'ip':'fd00::3'}]", 200},
        {"[{'ip':'10.1.0.3'},{'$patch':'replace'}]", 200},
    };
    call(f, "POST", PODS, POD("ips", ""));
    assert_int_equal(f->status, 201);
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_freep) char *body = cor_sprintf("{'status':{'podIPs':%s}}", rows[i].ips);
        send_ask(f, &(struct ask){.method = "PATCH",
                                  .path = PODS "/ips/status",
                                  .body = body,
                                  .type = "application/strategic-merge-patch+json"});
        assert_int_equal(f->status, rows[i].status);
    }
    assert_int_equal(cor_json_count(cor_json_at(f->body, "status.podIPs")), 1);
}

static void test_generated_names(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", CMS, "{'metadata':{'generateName':'gen-'}}");
    assert_int_equal(f->status, 201);
    assert_int_equal(strlen(at(f, "metadata.name")), 9);
    assert_memory_equal(at(f, "metadata.name"), "gen-", 4);
}

/* What was answered with 2xx is there after kill -9, and watches resume where they were. */
static void test_kill_and_resume(void **state)
{
    struct fixture *f = *state;
    call(f, "GET", CMS, NULL);
    auto_(cor_freep) char *rv = cor_strdup(at(f, "metadata.resourceVersion"));
    for (int i = 0; i < 20; i++) {
        auto_(cor_freep) char *body =
            cor_sprintf("{'metadata':{'name':'k%d','labels':{'n':'%d'}}}", i, i % 2);
        call(f, "POST", CMS, body);
        assert_int_equal(f->status, 201);
    }
    int status = stage_end(f->pid, SIGKILL);
    assert_true(WIFSIGNALED(status));
    start(f);
    auto_(cor_freep) char *path =
        cor_sprintf(CMS "?watch=1&labelSelector=n%%3D1&resourceVersion=%s", rv);
    f->lines_wanted = 10;
    call(f, "GET", path, NULL);
    f->lines_wanted = 0;
    assert_int_equal(f->status, 200);
    struct cor_view rest = cor_buf_as_view(&f->text);
    struct cor_view line;
    for (int i = 0; i < 10; i++) {
        auto_(cor_json_free) struct cor_json *event = NULL;
        assert_true(cor_view_split(&rest, '\n', &line));
        assert_int_equal(cor_json_parse(line, SIZE_MAX, 0, &event, NULL), COR_OK);
        assert_string_equal(cor_json_str_at(event, "type", ""), "ADDED");
        auto_(cor_freep) char *name = cor_sprintf("k%d", i * 2 + 1);
        assert_string_equal(cor_json_str_at(event, "object.metadata.name", ""), name);
    }
}

static void test_watch_sees_selection_change(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", CMS, "{'metadata':{'name':'w','labels':{'on':'yes'}}}");
    auto_(cor_freep) char *rv = cor_strdup(at(f, "metadata.resourceVersion"));
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = CMS "/w",
                              .body = "{'metadata':{'labels':{'on':'no'}}}",
                              .type = "application/merge-patch+json"});
    assert_int_equal(f->status, 200);
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = CMS "/w",
                              .body = "{'metadata':{'labels':{'on':'yes'}}}",
                              .type = "application/strategic-merge-patch+json"});
    assert_int_equal(f->status, 200);
    auto_(cor_freep) char *path =
        cor_sprintf(CMS "?watch=1&labelSelector=on%%3Dyes&resourceVersion=%s", rv);
    f->lines_wanted = 2;
    call(f, "GET", path, NULL);
    f->lines_wanted = 0;
    assert_non_null(strstr(f->text.data, "\"type\":\"DELETED\""));
    assert_non_null(strstr(f->text.data, "\"type\":\"ADDED\""));
}

static void test_pod_life(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", PODS, POD("p", "'nodeName':'n1',"));
    assert_int_equal(f->status, 201);
    assert_string_equal(at(f, "status.phase"), "Pending");
    assert_string_equal(at(f, "spec.serviceAccountName"), "default");
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = PODS "/p/status",
                              .body = "{'spec':{'nodeName':'n2'},'status':{'phase':'Running'}}",
                              .type = "application/strategic-merge-patch+json"});
    assert_int_equal(f->status, 200);
    assert_string_equal(at(f, "status.phase"), "Running");
    assert_string_equal(at(f, "spec.nodeName"), "n1");
    call(f, "DELETE", PODS "/p", NULL);
    assert_int_equal(f->status, 200);
    assert_int_equal(cor_json_int_at(f->body, "metadata.deletionGracePeriodSeconds", 0), 30);
    call(f, "GET", PODS "/p", NULL);
    assert_int_equal(f->status, 200);
    call(f, "DELETE", PODS "/p", "{'gracePeriodSeconds':0}");
    assert_int_equal(f->status, 200);
    call(f, "GET", PODS "/p", NULL);
    assert_int_equal(f->status, 404);
}

static void test_scheduling(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", PODS, POD("p", ""));
    assert_int_equal(f->status, 201);
    call(f, "POST", "/api/v1/nodes",
         "{'metadata':{'name':'n1'},'status':{'conditions':[{'type':'Ready','status':'True'}]}}");
    assert_int_equal(f->status, 201);
    /* The binding is an event of the Pod's watch: the Pod, unschedulable perhaps, then bound. */
    f->lines_wanted = 1;
    call(f, "GET", PODS "?watch=1&fieldSelector=spec.nodeName%3Dn1&timeoutSeconds=10", NULL);
    f->lines_wanted = 0;
    assert_non_null(strstr(f->text.data, "\"nodeName\":\"n1\""));
    call(f, "POST", PODS "/p/binding", "{'target':{'kind':'Node','name':'n2'}}");
    assert_int_equal(f->status, 409);
}

static void test_tokens(void **state)
{
    struct fixture *f = *state;
    /* default/default comes from a controller: the watch ends when it is there. */
    f->lines_wanted = 1;
    call(f, "GET", "/api/v1/namespaces/default/serviceaccounts?watch=1&timeoutSeconds=10", NULL);
    f->lines_wanted = 0;
    call(f, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token",
         "{'spec':{'expirationSeconds':600}}");
    assert_int_equal(f->status, 201);
    auto_(cor_freep) char *token = cor_strdup(at(f, "status.token"));
    assert_true(strlen(token) > 100);
    send_ask(f, &(struct ask){.method = "GET", .path = "/apis", .token = token});
    assert_int_equal(f->status, 200);
    send_ask(f, &(struct ask){.method = "GET", .path = CMS, .token = token});
    assert_int_equal(f->status, 403);
    assert_non_null(strstr(at(f, "message"), "system:serviceaccount:default:default"));
    call(f, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token",
         "{'spec':{'expirationSeconds':1}}");
    assert_int_equal(f->status, 422);
    become(f, "somebody", "some-group");
    call(f, "GET", CMS, NULL);
    assert_int_equal(f->status, 403);
}

#define REVIEWS "/apis/authentication.k8s.io/v1/tokenreviews"

static void review(struct fixture *f, const char *token, const char *audiences)
{
    auto_(cor_freep) char *body =
        cor_sprintf("{'apiVersion':'authentication.k8s.io/v1','kind':"
                    "'TokenReview','spec':{'token':'%s','audiences':[%s]}}",
                    token, audiences);
    call(f, "POST", REVIEWS, body);
}

/* Whose a token is: for services that are shown one. */
static void test_token_reviews(void **state)
{
    struct fixture *f = *state;
    f->lines_wanted = 1;
    call(f, "GET", "/api/v1/namespaces/default/serviceaccounts?watch=1&timeoutSeconds=10", NULL);
    f->lines_wanted = 0;
    call(f, "POST", "/api/v1/namespaces/default/serviceaccounts/default/token",
         "{'spec':{'audiences':['one','two']}}");
    auto_(cor_freep) char *token = cor_strdup(at(f, "status.token"));
    review(f, token, "'two','three'");
    assert_int_equal(f->status, 201);
    assert_true(cor_json_bool_at(f->body, "status.authenticated", false));
    assert_string_equal(at(f, "status.user.username"), "system:serviceaccount:default:default");
    const struct cor_json *groups = cor_json_at(f->body, "status.user.groups");
    assert_string_equal(cor_json_as_str(cor_json_item(groups, 1), ""),
                        "system:serviceaccounts:default");
    const struct cor_json *audiences = cor_json_at(f->body, "status.audiences");
    assert_int_equal(cor_json_count(audiences), 1);
    assert_string_equal(cor_json_as_str(cor_json_item(audiences, 0), ""), "two");
    review(f, token, ""); /* not for the API server */
    assert_false(cor_json_bool_at(f->body, "status.authenticated", false));
    assert_string_equal(at(f, "status.error"), "invalid bearer token");
    review(f, "garbage", "'two'");
    assert_int_equal(f->status, 201);
    assert_false(cor_json_bool_at(f->body, "status.authenticated", false));
    review(f, "", "");
    assert_int_equal(f->status, 400);
    call(f, "DELETE", "/api/v1/namespaces/default/serviceaccounts/default", NULL);
    review(f, token, "'two'");
    assert_false(cor_json_bool_at(f->body, "status.authenticated", false));
    become(f, "somebody", "some-group");
    review(f, token, "'two'");
    assert_int_equal(f->status, 403);
}

static void test_namespace_ends(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", "/api/v1/namespaces", "{'metadata':{'name':'tmp'}}");
    assert_int_equal(f->status, 201);
    auto_(cor_freep) char *rv = cor_strdup(at(f, "metadata.resourceVersion"));
    call(f, "POST", "/api/v1/namespaces/tmp/configmaps", CM("x", "1"));
    assert_int_equal(f->status, 201);
    call(f, "DELETE", "/api/v1/namespaces/tmp", NULL);
    assert_int_equal(f->status, 200);
    assert_string_equal(at(f, "status.phase"), "Terminating");
    auto_(cor_freep) char *path = cor_sprintf("/api/v1/namespaces?watch=1&resourceVersion=%s"
                                              "&fieldSelector=metadata.name%%3Dtmp",
                                              rv);
    f->lines_wanted = 2; /* MODIFIED, DELETED */
    call(f, "GET", path, NULL);
    f->lines_wanted = 0;
    assert_non_null(strstr(f->text.data, "\"type\":\"DELETED\""));
    call(f, "GET", "/api/v1/namespaces/tmp/configmaps/x", NULL);
    assert_int_equal(f->status, 404);
}

static void make_configs(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        auto_(cor_freep) char *body = cor_sprintf("{'metadata':{'name':'n%d'}}", i);
        call(f, "POST", "/api/v1/namespaces/default/secrets", body);
        assert_int_equal(f->status, 201);
    }
}

/* A list in pages is the list of its first moment, whatever is changed in between. */
static void test_pages(void **state)
{
    static const char secrets[] = "/api/v1/namespaces/default/secrets";
    struct fixture *f = *state;
    make_configs(f, 5);
    call(f, "GET", "/api/v1/namespaces/default/secrets?limit=2", NULL);
    assert_int_equal(cor_json_count(cor_json_get(f->body, "items")), 2);
    assert_int_equal(cor_json_int_at(f->body, "metadata.remainingItemCount", 0), 3);
    auto_(cor_freep) char *rv = cor_strdup(at(f, "metadata.resourceVersion"));
    auto_(cor_freep) char *next =
        cor_sprintf("%s?limit=2&continue=%s", secrets, at(f, "metadata.continue"));
    call(f, "DELETE", "/api/v1/namespaces/default/secrets/n2", NULL);
    call(f, "POST", secrets, "{'metadata':{'name':'n21'}}");
    call(f, "PUT", "/api/v1/namespaces/default/secrets/n3",
         "{'metadata':{'name':'n3','labels':{'a':'b'}}}");
    call(f, "GET", next, NULL);
    assert_string_equal(at(f, "metadata.resourceVersion"), rv);
    const struct cor_json *items = cor_json_get(f->body, "items");
    assert_int_equal(cor_json_count(items), 2);
    assert_string_equal(cor_json_str_at(cor_json_item(items, 0), "metadata.name", ""), "n2");
    assert_null(cor_json_at(cor_json_item(items, 1), "metadata.labels"));
    assert_int_equal(cor_json_int_at(f->body, "metadata.remainingItemCount", 0), 1);
    auto_(cor_freep) char *last =
        cor_sprintf("%s?limit=2&continue=%s", secrets, at(f, "metadata.continue"));
    call(f, "GET", last, NULL);
    assert_int_equal(cor_json_count(cor_json_get(f->body, "items")), 1);
    assert_null(cor_json_at(f->body, "metadata.continue"));
}

static void test_collection_is_deleted(void **state)
{
    struct fixture *f = *state;
    make_configs(f, 3);
    call(f, "DELETE",
         "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%21%3Dn1&dryRun=All", NULL);
    assert_int_equal(cor_json_count(cor_json_get(f->body, "items")), 2);
    call(f, "DELETE", "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%21%3Dn1",
         NULL);
    assert_int_equal(f->status, 200);
    assert_int_equal(cor_json_count(cor_json_get(f->body, "items")), 2);
    call(f, "GET", "/api/v1/namespaces/default/secrets", NULL);
    assert_int_equal(cor_json_count(cor_json_get(f->body, "items")), 1);
}

/* kubectl apply --server-side, as HTTP. */
static void test_server_side_apply(void **state)
{
    struct fixture *f = *state;
    static const char type[] = "application/apply-patch+yaml";
    static const struct {
        const char *query;
        const char *data;
        long status;
    } rows[] = {
        {"", "'k':'1'", 422},
        {"?fieldManager=a", "'k':'1','l':'1'", 201},
        {"?fieldManager=a", "'k':'1','l':'1'", 200},
        {"?fieldManager=b", "'k':'2'", 409},
        {"?fieldManager=b&force=true", "'k':'2'", 200},
        {"?fieldManager=a", "'k':'2'", 200},
    };
    auto_(cor_freep) char *rv = NULL;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_freep) char *path = cor_sprintf(CMS "/s%s", rows[i].query);
        auto_(cor_freep) char *body = cor_sprintf(
            "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'s'},'data':{%s}}",
            rows[i].data);
        send_ask(f, &(struct ask){.method = "PATCH", .path = path, .body = body, .type = type});
        if (f->status != rows[i].status) {
            fail_msg("case %zu: %ld %s", i, f->status, f->text.data);
        }
        if (i == 2) {
            assert_string_equal(at(f, "metadata.resourceVersion"), rv); /* nothing to write */
        }
        cor_freep(&rv);
        rv = cor_strdup(at(f, "metadata.resourceVersion"));
    }
    assert_string_equal(at(f, "data.k"), "2");
    assert_null(cor_json_at(f->body, "data.l"));
    assert_int_equal(cor_json_count(cor_json_at(f->body, "metadata.managedFields")), 2);
}

#define RBAC "/apis/rbac.authorization.k8s.io/v1"
static const struct {
    struct ask ask;
    long status;
} of_jane[] = {
    {{"GET", CMS, NULL, NULL, NULL, false}, 200},
    {{"GET", CMS "/kube-root-ca.crt", NULL, NULL, NULL, false}, 403},
    {{"GET", CMS "?watch=1&timeoutSeconds=1", NULL, NULL, NULL, false}, 403},
    {{"POST", CMS, CM("x", "1"), NULL, NULL, false}, 403},
    {{"DELETE", CMS, NULL, NULL, NULL, false}, 403},
    {{"GET", "/api/v1/namespaces/kube-system/configmaps", NULL, NULL, NULL, false}, 403},
    {{"GET", "/api/v1/configmaps", NULL, NULL, NULL, false}, 403},
    {{"PATCH", PODS "/p/status", "{}", "application/merge-patch+json", NULL, false}, 404},
    {{"PATCH", PODS "/p", "{}", "application/merge-patch+json", NULL, false}, 403},
    {{"GET", "/api/v1/nodes/n1", NULL, NULL, NULL, false}, 404},
    {{"GET", "/api/v1/nodes/n2", NULL, NULL, NULL, false}, 403},
    {{"POST", RBAC "/clusterroles", "{'metadata':{'name':'z'},'rules':[]}", NULL, NULL, false},
     403},
};

/* Roles give exactly what they say; nobody gets more by writing roles. */
static void test_roles(void **state)
{
    static const char *const made[][2] = {
        {RBAC "/namespaces/default/roles",
         "{'metadata':{'name':'r'},'rules':[{'apiGroups':[''],'resources':['configmaps'],'verbs':["
         "'list']},{'apiGroups':[''],'resources':['pods/status'],'verbs':['patch']}]}"},
        {RBAC "/namespaces/default/rolebindings",
         "{'metadata':{'name':'b'},'roleRef':{'kind':'Role','name':'r'},'subjects':[{'kind':'User',"
         "'name':'jane'}]}"},
        {RBAC "/clusterroles",
         "{'metadata':{'name':'c:x'},'rules':[{'apiGroups':[''],'resources':['nodes'],"
         "'resourceNames':['n1'],'verbs':['get']},{'apiGroups':['rbac.authorization.k8s.io'],"
         "'resources':['*'],'verbs':['*']}]}"},
        {RBAC "/clusterrolebindings",
         "{'metadata':{'name':'d'},'roleRef':{'kind':'ClusterRole','name':'c:x'},'subjects':[{"
         "'kind':'Group','name':'staff'}]}"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COR_COUNT(made); i++) {
        call(f, "POST", made[i][0], made[i][1]);
        assert_int_equal(f->status, 201);
    }
    become(f, "jane", "staff");
    for (size_t i = 0; i < COR_COUNT(of_jane); i++) {
        send_ask(f, &of_jane[i].ask);
        if (f->status != of_jane[i].status) {
            fail_msg("case %zu: %ld %s", i, f->status, f->text.data);
        }
    }
    call(f, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
         "{'spec':{'resourceAttributes':{'verb':'list','resource':'configmaps','namespace':"
         "'default'}}}");
    assert_int_equal(f->status, 201);
    assert_true(cor_json_bool_at(f->body, "status.allowed", false));
    call(f, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
         "{'spec':{'resourceAttributes':{'verb':'list','resource':'secrets'}}}");
    assert_false(cor_json_bool_at(f->body, "status.allowed", true));
}

/* Reads count events of a watch; they are in f->text then. */
static void watch(struct fixture *f, const char *path, size_t count)
{
    f->lines_wanted = count;
    call(f, "GET", path, NULL);
    f->lines_wanted = 0;
    size_t lines = 0;
    for (size_t i = 0; i < f->text.len; i++) {
        lines += f->text.data[i] == '\n' ? 1 : 0;
    }
    assert_true(lines >= count);
}

#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"

/* A Deployment makes its Pods, also after a restart; they go with it, in the foreground before it.
 */
static void test_deployment(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", DEPLOYMENTS,
         "{'metadata':{'name':'web'},'spec':{'replicas':2,'selector':{'matchLabels':{'a':'b'}},"
         "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':"
         "'i'}]}}}}");
    assert_int_equal(f->status, 201);
    (void)stage_end(f->pid, SIGKILL);
    start(f);
    watch(f, PODS "?watch=1&labelSelector=a%3Db&timeoutSeconds=20", 2);
    assert_non_null(strstr(f->text.data, "\"kind\":\"ReplicaSet\""));
    watch(f, DEPLOYMENTS "?watch=1&timeoutSeconds=1", 1);
    call(f, "GET", DEPLOYMENTS "/web/scale", NULL);
    assert_int_equal(cor_json_int_at(f->body, "spec.replicas", 0), 2);
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = DEPLOYMENTS "/web/scale",
                              .body = "{'spec':{'replicas':1}}",
                              .type = "application/merge-patch+json"});
    assert_int_equal(f->status, 200);
    assert_int_equal(cor_json_int_at(f->body, "spec.replicas", 0), 1);
    call(f, "GET", DEPLOYMENTS "/web", NULL);
    auto_(cor_freep) char *path =
        cor_sprintf(DEPLOYMENTS "?watch=1&timeoutSeconds=20&resourceVersion=%s",
                    at(f, "metadata.resourceVersion"));
    call(f, "DELETE", DEPLOYMENTS "/web", "{'propagationPolicy':'Foreground'}");
    assert_int_equal(f->status, 200);
    for (size_t lines = 1; f->text.data == NULL || strstr(f->text.data, "\"DELETED\"") == NULL;) {
        watch(f, path, lines++);
    }
    call(f, "GET", PODS, NULL);
    assert_int_equal(cor_json_count(cor_json_get(f->body, "items")), 0);
}

static void test_files(void **state)
{
    static const char *const secret[] = {"admin.kubeconfig", "state/ca.key",
                                         "state/server.key", "state/kubelet-client.key",
                                         "state/sa.key",     "state/kube.db"};
    struct fixture *f = *state;
    for (size_t i = 0; i < COR_COUNT(secret); i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", f->stage->dir, secret[i]);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void read_state(struct fixture *f, const char *name, struct cor_buf *out)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/state/%s", f->stage->dir, name);
    assert_int_equal(cor_file_read(path, 1 << 16, out, NULL), COR_OK);
}

/* Made once; one that is damaged is made again for the key that is there. */
static void test_certificates_are_kept(void **state)
{
    static const char *const names[] = {"server.crt", "kubelet-client.crt"};
    struct fixture *f = *state;
    for (size_t i = 0; i < COR_COUNT(names); i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/state/%s", f->stage->dir, names[i]);
        auto_(cor_buf_free) struct cor_buf first = {0};
        auto_(cor_buf_free) struct cor_buf kept = {0};
        auto_(cor_buf_free) struct cor_buf again = {0};
        read_state(f, names[i], &first);
        (void)stage_end(f->pid, SIGKILL);
        start(f);
        read_state(f, names[i], &kept);
        assert_string_equal(first.data, kept.data);
        (void)stage_end(f->pid, SIGKILL);
        assert_int_equal(cor_file_write(path, COR_VIEW("x"), 0644, NULL), COR_OK);
        start(f);
        read_state(f, names[i], &again);
        assert_non_null(strstr(again.data, "BEGIN CERTIFICATE"));
        assert_string_not_equal(first.data, again.data);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bad_requests),    TEST(test_versions_and_conflicts),
        TEST(test_addresses_merge), TEST(test_generated_names),
        TEST(test_kill_and_resume), TEST(test_watch_sees_selection_change),
        TEST(test_pod_life),        TEST(test_scheduling),
        TEST(test_tokens),          TEST(test_token_reviews),
        TEST(test_namespace_ends),  TEST(test_files),
        TEST(test_pages),           TEST(test_collection_is_deleted),
        TEST(test_roles),           TEST(test_server_side_apply),
        TEST(test_deployment),      TEST(test_certificates_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
