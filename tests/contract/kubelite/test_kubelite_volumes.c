// SPDX-License-Identifier: Apache-2.0
// PersistentVolumes and claims: checked, bound to each other, released.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "harness.h"

#define VOLUMES "/api/v1/persistentvolumes"
#define CLAIMS "/api/v1/namespaces/default/persistentvolumeclaims"
#define AFFINITY                                                                                   \
    ",'nodeAffinity':{'required':{'nodeSelectorTerms':[{'matchExpressions':[{'key':"               \
    "'kubernetes.io/hostname','operator':'In','values':['n1']}]}]}}"
#define VOLUME(path, more)                                                                         \
    "{'metadata':{'name':'pv1'},'spec':{'capacity':{'storage':'1Gi'},'accessModes':["              \
    "'ReadWriteOnce'],'storageClassName':'disk','local':{'path':'" path "'}" more "}}"
#define CLAIM                                                                                      \
    "{'metadata':{'name':'data'},'spec':{'storageClassName':'disk','accessModes':["                \
    "'ReadWriteOnce'],'resources':{'requests':{'storage':'512Mi'}}}}"

/* Watches path from the version of the last answer until an event has the text. */
static void until(struct fixture *f, const char *path, const char *text)
{
    auto_(cor_freep) char *watch = cor_sprintf("%s?watch=1&timeoutSeconds=10&resourceVersion=%s",
                                               path, at(f, "metadata.resourceVersion"));
    enum { EVENTS_MAX = 8 };
    for (size_t lines = 1; lines <= EVENTS_MAX; lines++) {
        f->lines_wanted = lines;
        call(f, "GET", watch, NULL);
        f->lines_wanted = 0;
        if (strstr(f->text.data, text) != NULL) {
            return;
        }
    }
    fail_msg("%s: no %s in %s", path, text, f->text.data);
}

static void test_bad_ones(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", VOLUMES, VOLUME("/mnt/a", ""));
    assert_int_equal(f->status, 422);
    assert_non_null(strstr(f->text.data, "Local volume requires node affinity"));
    call(f, "POST", VOLUMES, VOLUME("/mnt/../a", AFFINITY));
    assert_int_equal(f->status, 422);
    call(f, "POST", VOLUMES, VOLUME("/mnt/a", AFFINITY ",'hostPath':{'path':'/x'}"));
    assert_int_equal(f->status, 422);
    call(f, "POST", VOLUMES, "{'metadata':{'name':'pv1'},'spec':{'hostPath':{'path':'/x'}}}");
    assert_int_equal(f->status, 422);
    call(f, "POST", CLAIMS, "{'metadata':{'name':'data'},'spec':{}}");
    assert_int_equal(f->status, 422);
}

static void test_bound_and_released(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", CLAIMS, CLAIM);
    assert_int_equal(f->status, 201);
    assert_string_equal(at(f, "status.phase"), "Pending");
    call(f, "POST", VOLUMES, VOLUME("/mnt/a", AFFINITY));
    assert_int_equal(f->status, 201);
    assert_string_equal(at(f, "spec.persistentVolumeReclaimPolicy"), "Retain");
    call(f, "GET", CLAIMS "/data", NULL);
    if (strcmp(at(f, "status.phase"), "Bound") != 0) {
        until(f, CLAIMS, "\"phase\":\"Bound\"");
    }
    call(f, "GET", CLAIMS "/data", NULL);
    assert_string_equal(at(f, "spec.volumeName"), "pv1");
    assert_string_equal(at(f, "status.capacity.storage"), "1Gi");
    auto_(cor_freep) char *uid = cor_strdup(at(f, "metadata.uid"));
    call(f, "GET", VOLUMES "/pv1", NULL);
    assert_string_equal(at(f, "spec.claimRef.uid"), uid);
    assert_string_equal(at(f, "status.phase"), "Bound");
    (void)stage_end(f->pid, SIGKILL);
    start(f);
    call(f, "GET", VOLUMES "/pv1", NULL);
    assert_string_equal(at(f, "status.phase"), "Bound");
    call(f, "DELETE", CLAIMS "/data", NULL);
    assert_int_equal(f->status, 200);
    call(f, "GET", VOLUMES "/pv1", NULL);
    if (strcmp(at(f, "status.phase"), "Released") != 0) {
        until(f, VOLUMES, "\"phase\":\"Released\"");
    }
    /* What was another's is nobody's until an administrator clears its claimRef. */
    call(f, "POST", CLAIMS, CLAIM);
    assert_int_equal(f->status, 201);
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = VOLUMES "/pv1",
                              .body = "{'spec':{'claimRef':null}}",
                              .type = "application/merge-patch+json"});
    assert_int_equal(f->status, 200);
    call(f, "GET", CLAIMS "/data", NULL);
    if (strcmp(at(f, "status.phase"), "Bound") != 0) {
        until(f, CLAIMS, "\"phase\":\"Bound\"");
    }
}

/* ---- where Pods with claims go ---- */

#define PODS "/api/v1/namespaces/default/pods"

static void make(struct fixture *f, const char *path, const char *fmt, const char *name,
                 const char *more)
{
    auto_(cor_freep) char *named = cor_strdup(fmt);
    auto_(cor_buf_free) struct cor_buf body = {0};
    for (char *c = named; *c != '\0'; c++) { /* $: the name, %: more */
        if (*c == '$' || *c == '%') {
            cor_buf_str(&body, *c == '$' ? name : more);
        } else {
            cor_buf_add(&body, c, 1);
        }
    }
    call(f, "POST", path, body.data);
    if (f->status != 201) {
        fail_msg("%s: %ld %s", body.data, (long)f->status, f->text.data);
    }
}

static void make_pod(struct fixture *f, const char *name, const char *claim)
{
    make(f, PODS,
         "{'metadata':{'name':'$'},'spec':{'containers':[{'name':'c','image':'i:1'}],'volumes':[{"
         "'name':'v','persistentVolumeClaim':{'claimName':'%'}}]}}",
         name, claim);
}

static void make_volume(struct fixture *f, const char *name, const char *more)
{
    make(f, VOLUMES,
         "{'metadata':{'name':'$'},'spec':{'capacity':{'storage':'1Gi'},'local':{'path':'/mnt'},"
         "'nodeAffinity':{'required':{'nodeSelectorTerms':[{'matchExpressions':[{'key':"
         "'kubernetes.io/hostname','operator':'In','values':['n2']}]}]}},%}}",
         name, more);
}

static void make_claim(struct fixture *f, const char *name, const char *more)
{
    make(f, CLAIMS,
         "{'metadata':{'name':'$'},'spec':{%,'resources':{'requests':{'storage':'1Mi'}}}}", name,
         more);
}

static void make_node(struct fixture *f, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("/api/v1/nodes/%s/status", name);
    make(f, "/api/v1/nodes", "{'metadata':{'name':'$','labels':{'kubernetes.io/hostname':'$'}}}",
         name, "");
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = path,
                              .body = "{'status':{'conditions':[{'type':'Ready','status':'True'}],"
                                      "'allocatable':{'pods':'9'}}}",
                              .type = "application/merge-patch+json"});
    assert_int_equal(f->status, 200);
}

#define LATE "'storageClassName':'late','accessModes':['ReadWriteOnce']"
#define ALONE "'storageClassName':'','accessModes':['ReadWriteOncePod']"

/* A claim whose class waits is bound when its Pod has a node, and the Pod goes where a volume is;
 * one Pod at a time has a volume that only one may have. */
static void test_scheduled(void **state)
{
    struct fixture *f = *state;
    make_node(f, "n1");
    make_node(f, "n2");
    make(f, "/apis/storage.k8s.io/v1/storageclasses",
         "{'metadata':{'name':'$'},'provisioner':'kubernetes.io/no-provisioner',"
         "'volumeBindingMode':'WaitForFirstConsumer'}",
         "late", "");
    make_pod(f, "early", "data");
    until(f, PODS, "persistentvolumeclaim \\\"data\\\" not found");
    make_claim(f, "data", LATE);
    until(f, PODS, "didn't find available persistent volumes to bind");
    make_volume(f, "pv1", LATE);
    until(f, PODS, "\"nodeName\":\"n2\"");
    call(f, "GET", CLAIMS "/data", NULL);
    assert_string_equal(at(f, "spec.volumeName"), "pv1");
    make_pod(f, "second", "data");
    until(f, PODS, "\"nodeName\":\"n2\"");
    make_claim(f, "late", LATE); /* nobody has it */
    make_volume(f, "pv2", LATE);
    make_pod(f, "unbound", "alone");
    make_claim(f, "alone", ALONE);
    until(f, PODS, "pod has unbound immediate PersistentVolumeClaims");
    make_volume(f, "pv3", ALONE);
    until(f, PODS, "\"nodeName\":\"n2\"");
    call(f, "GET", CLAIMS "/late", NULL);
    assert_string_equal(at(f, "status.phase"), "Pending");
    make_pod(f, "other", "alone");
    until(f, PODS,
          "2 node has pod using PersistentVolumeClaim with the same name and "
          "ReadWriteOncePod access mode");
    call(f, "DELETE", PODS "/unbound?gracePeriodSeconds=0", NULL);
    assert_int_equal(f->status, 200);
    until(f, PODS, "\"name\":\"other\"");
    call(f, "GET", PODS "/other", NULL);
    if (strcmp(at(f, "spec.nodeName"), "n2") != 0) {
        until(f, PODS, "\"nodeName\":\"n2\"");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bound_and_released, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scheduled, setup, teardown),
    };
    return cmocka_run_group_tests_name("kubelite volumes", tests, NULL, NULL);
}
