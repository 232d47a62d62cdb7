// SPDX-License-Identifier: Apache-2.0
// RuntimeClasses: checked, and what they give new Pods.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "harness.h"

#define CLASSES "/apis/node.k8s.io/v1/runtimeclasses"
#define PODS "/api/v1/namespaces/default/pods"
#define POD(name, more)                                                                            \
    "{'metadata':{'name':'" name "'},'spec':{'containers':[{'name':'c','image':'i'}]" more "}}"

static void test_classes(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", CLASSES, "{'metadata':{'name':'kata'}}");
    assert_int_equal(f->status, 422);
    call(f, "POST", CLASSES, "{'metadata':{'name':'kata'},'handler':'No Label'}");
    assert_int_equal(f->status, 422);
    call(f, "POST", CLASSES,
         "{'metadata':{'name':'kata'},'handler':'kata-qemu','overhead':{'podFixed':{'cpu':'250m',"
         "'memory':'120Mi'}},'scheduling':{'nodeSelector':{'kata':'yes'},'tolerations':[{'key':"
         "'kata','operator':'Exists'}]}}");
    assert_int_equal(f->status, 201);
    call(f, "GET", CLASSES "/kata", NULL);
    assert_string_equal(at(f, "handler"), "kata-qemu");
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = CLASSES "/kata",
                              .body = "{'handler':'other'}",
                              .type = "application/merge-patch+json"});
    assert_int_equal(f->status, 422);
}

static void test_pods(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *body;
        const char *words;
    } refused[] = {
        {POD("a", ",'runtimeClassName':'none'"),
         "pod rejected: RuntimeClass \\\"none\\\" not found"},
        {POD("a", ",'overhead':{'cpu':'1'}"),
         "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"},
        {POD("a", ",'runtimeClassName':'kata','overhead':{'cpu':'1'}"),
         "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"},
        {POD("a", ",'runtimeClassName':'kata','nodeSelector':{'kata':'no'}"),
         "conflict: runtimeClass.scheduling.nodeSelector[kata] = yes; "
         "pod.spec.nodeSelector[kata] = no"},
    };
    call(f, "POST", CLASSES,
         "{'metadata':{'name':'kata'},'handler':'kata-qemu','overhead':{'podFixed':{'cpu':'250m',"
         "'memory':'120Mi'}},'scheduling':{'nodeSelector':{'kata':'yes'},'tolerations':[{'key':"
         "'kata','operator':'Exists'}]}}");
    assert_int_equal(f->status, 201);
    for (size_t i = 0; i < COR_COUNT(refused); i++) {
        call(f, "POST", PODS, refused[i].body);
        if (f->status != 403 || strstr(f->text.data, refused[i].words) == NULL) {
            fail_msg("%s: %ld %s", refused[i].body, (long)f->status, f->text.data);
        }
    }
    call(f, "POST", PODS, POD("b", ",'runtimeClassName':'kata','nodeSelector':{'disk':'fast'}"));
    assert_int_equal(f->status, 201);
    assert_string_equal(at(f, "spec.overhead.memory"), "120Mi");
    assert_string_equal(at(f, "spec.nodeSelector.kata"), "yes");
    assert_string_equal(at(f, "spec.nodeSelector.disk"), "fast");
    assert_non_null(strstr(f->text.data, "{\"key\":\"kata\",\"operator\":\"Exists\"}"));
}

#define DRIVERS "/apis/storage.k8s.io/v1/csidrivers"

static void test_drivers(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", DRIVERS,
         "{'metadata':{'name':'bad.example.com'},'spec':{'volumeLifecycleModes':['Odd']}}");
    assert_int_equal(f->status, 422);
    call(f, "POST", DRIVERS, "{'metadata':{'name':'d.example.com'},'spec':{}}");
    assert_int_equal(f->status, 201);
    assert_non_null(strstr(f->text.data, "\"attachRequired\":true"));
    assert_non_null(strstr(f->text.data, "\"volumeLifecycleModes\":[\"Persistent\"]"));
    assert_string_equal(at(f, "spec.fsGroupPolicy"), "ReadWriteOnceWithFSType");
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = DRIVERS "/d.example.com",
                              .body = "{'spec':{'attachRequired':false}}",
                              .type = "application/merge-patch+json"});
    assert_int_equal(f->status, 422);
}

/* What StorageClasses, CSINodes and VolumeAttachments must be. */
static void test_storage(void **state)
{
    struct fixture *f = *state;
#define STORAGE "/apis/storage.k8s.io/v1/"
    static const struct {
        const char *path, *body;
        int status;
        const char *words;
    } rows[] = {
        {"storageclasses", "{'metadata':{'name':'c'}}", 422, "provisioner: Required value"},
        {"storageclasses",
         "{'metadata':{'name':'c'},'provisioner':'p','volumeBindingMode':'Never'}", 422,
         "volumeBindingMode"},
        {"storageclasses", "{'metadata':{'name':'c'},'provisioner':'p'}", 201,
         "\"volumeBindingMode\":\"Immediate\""},
        {"csinodes",
         "{'metadata':{'name':'n'},'spec':{'drivers':[{'name':'a','nodeID':'1'},{'name':'a',"
         "'nodeID':'2'}]}}",
         422, "Duplicate value"},
        {"csinodes", "{'metadata':{'name':'n'},'spec':{'drivers':[{'name':'a','nodeID':''}]}}", 422,
         "nodeID: Required value"},
        {"csinodes", "{'metadata':{'name':'n'},'spec':{'drivers':[{'name':'a','nodeID':'1'}]}}",
         201, "\"nodeID\":\"1\""},
        {"volumeattachments", "{'metadata':{'name':'v'},'spec':{'attacher':'a','source':{}}}", 422,
         "spec.nodeName: Required value"},
        {"volumeattachments",
         "{'metadata':{'name':'v'},'spec':{'attacher':'a','nodeName':'n','source':{"
         "'persistentVolumeName':'p'}},'status':{'attached':true}}",
         201, "\"attached\":false"},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_freep) char *path = cor_sprintf(STORAGE "%s", rows[i].path);
        call(f, "POST", path, rows[i].body);
        if (f->status != rows[i].status || strstr(f->text.data, rows[i].words) == NULL) {
            fail_msg("%s: %ld %s", rows[i].body, (long)f->status, f->text.data);
        }
    }
    static const struct {
        const char *path, *body;
        int status;
    } patches[] = {
        {"storageclasses/c", "{'volumeBindingMode':'WaitForFirstConsumer'}", 422},
        {"storageclasses/c", "{'allowVolumeExpansion':true}", 200},
        {"csinodes/n", "{'spec':{'drivers':[{'name':'a','nodeID':'2'}]}}", 422},
        {"csinodes/n", "{'spec':{'drivers':[]}}", 200},
        {"volumeattachments/v", "{'spec':{'nodeName':'m'}}", 422},
        {"volumeattachments/v/status",
         "{'status':{'attached':true,'attachmentMetadata':{'device':'/dev/x'}}}", 200},
    };
    for (size_t i = 0; i < COR_COUNT(patches); i++) {
        auto_(cor_freep) char *path = cor_sprintf(STORAGE "%s", patches[i].path);
        send_ask(f, &(struct ask){.method = "PATCH",
                                  .path = path,
                                  .body = patches[i].body,
                                  .type = "application/merge-patch+json"});
        if (f->status != patches[i].status) {
            fail_msg("%s: %ld %s", patches[i].body, (long)f->status, f->text.data);
        }
    }
    assert_string_equal(at(f, "status.attachmentMetadata.device"), "/dev/x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_classes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pods, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drivers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_storage, setup, teardown),
    };
    return cmocka_run_group_tests_name("kubelite class", tests, NULL, NULL);
}
