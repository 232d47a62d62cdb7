// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "services/edged/volume/claim.h"

#define CLAIM                                                                                      \
    "{'metadata':{'name':'data','uid':'c1'},'spec':{'volumeName':'pv1'},'status':{'phase':'Bound'" \
    "}}"
#define LABELS "{'kubernetes.io/hostname':'n1','zone':'a','size':'7'}"
#define REF "'claimRef':{'uid':'c1'}"

static void test_bound_to(void **state)
{
    (void)state;
    static const struct {
        const char *claim;
        const char *says; /* the volume, or why not */
        enum cor_code code;
    } cases[] = {
        {CLAIM, "pv1", COR_OK},
        {"{}", "PVC is not bound", COR_RETRY},
        {"{'spec':{'volumeName':'pv1'},'status':{'phase':'Pending'}}", "PVC is not bound",
         COR_RETRY},
        {"{'spec':{},'status':{'phase':'Bound'}}", "PVC has empty pvc.Spec.VolumeName", COR_RETRY},
        {"{'spec':{'volumeName':'../x'},'status':{'phase':'Bound'}}",
         "PVC has empty pvc.Spec.VolumeName", COR_RETRY},
        {"{'metadata':{'deletionTimestamp':'2026-01-01T00:00:00Z'},'spec':{'volumeName':'pv1'},"
         "'status':{'phase':'Bound'}}",
         "PVC is being deleted", COR_RETRY},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *claim = test_json(cases[i].claim);
        struct cor_err err = COR_ERR_NONE;
        const char *volume = "";
        enum cor_code code = claim_bound_to(claim, &volume, &err);
        if (code != cases[i].code ||
            strcmp(code == COR_OK ? volume : err.text, cases[i].says) != 0) {
            fail_msg("case %zu: %s %s", i, volume, err.text);
        }
    }
}

static void test_place(void **state)
{
    (void)state;
    static const struct {
        const char *spec; /* of the volume */
        const char *says; /* "TYPE PATH", or the beginning of why not */
        enum cor_code code;
    } cases[] = {
        {"{" REF ",'local':{'path':'/mnt/a'}}", "Directory /mnt/a", COR_OK},
        {"{" REF ",'hostPath':{'path':'/mnt/a','type':'DirectoryOrCreate'}}",
         "DirectoryOrCreate /mnt/a", COR_OK},
        {"{" REF ",'hostPath':{'path':'/mnt/a'}}", " /mnt/a", COR_OK},
        {"{'local':{'path':'/mnt/a'}}", "found PV object pv1 with nil pv.Spec.ClaimRef", COR_RETRY},
        {"{'claimRef':{'uid':'other'},'local':{'path':'/mnt/a'}}",
         "found PV object pv1 with a pv.Spec.ClaimRef.UID other that does not point to claim.UID "
         "c1",
         COR_RETRY},
        {"{" REF ",'volumeMode':'Block','local':{'path':'/dev/sdx'}}", "BlockDevice /dev/sdx",
         COR_OK},
        {"{" REF ",'volumeMode':'Block','csi':{'driver':'d','volumeHandle':'h'}}",
         "PersistentVolume pv1 of type \"csi\" has volumeMode Block, which is supported of local "
         "volumes only",
         COR_UNSUPPORTED},
        {"{" REF ",'accessModes':['ReadWriteOnce'],'capacity':{},'iscsi':{}}",
         "PersistentVolume pv1 is of type \"iscsi\"", COR_UNSUPPORTED},
        {"{" REF ",'local':{'path':'/mnt/../etc'}}", "PersistentVolume pv1: path must not",
         COR_INVALID},
        {"{" REF ",'local':{'path':'mnt'}}", "PersistentVolume pv1: path must not", COR_INVALID},
        {"{" REF ",'local':{}}", "PersistentVolume pv1: path must not", COR_INVALID},
        {"{" REF ",'nfs':{'server':'s','path':'/p'}}", " ", COR_OK},
        {"{" REF ",'csi':{'driver':'d','volumeHandle':'h'}}", " ", COR_OK},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *claim = test_json(CLAIM);
        auto_(cor_json_free) struct cor_json *labels = test_json(LABELS);
        auto_(cor_json_free) struct cor_json *volume = test_json("{'metadata':{'name':'pv1'}}");
        struct cor_err err = COR_ERR_NONE;
        struct claim_place place;
        cor_json_set(volume, "spec", test_json(cases[i].spec));
        enum cor_code code = claim_place(claim, volume, labels, &place, &err);
        auto_(cor_freep) char *text =
            code == COR_OK ? cor_sprintf("%s %s", place.type, place.path) : cor_strdup(err.text);
        if (code != cases[i].code || strncmp(text, cases[i].says, strlen(cases[i].says)) != 0) {
            fail_msg("case %zu: code %d: %s", i, (int)code, text);
        }
    }
}

static void test_node_affinity(void **state)
{
    (void)state;
    static const struct {
        const char *terms;
        bool fits;
    } cases[] = {
        {"[{'matchExpressions':[{'key':'zone','operator':'In','values':['b','a']}]}]", true},
        {"[{'matchExpressions':[{'key':'zone','operator':'In','values':['b']}]}]", false},
        {"[{'matchExpressions':[{'key':'zone','operator':'NotIn','values':['a']}]}]", false},
        {"[{'matchExpressions':[{'key':'x','operator':'NotIn','values':['a']}]}]", true},
        {"[{'matchExpressions':[{'key':'zone','operator':'Exists'}]}]", true},
        {"[{'matchExpressions':[{'key':'zone','operator':'DoesNotExist'}]}]", false},
        {"[{'matchExpressions':[{'key':'size','operator':'Gt','values':['6']}]}]", true},
        {"[{'matchExpressions':[{'key':'size','operator':'Lt','values':['6']}]}]", false},
        {"[{'matchExpressions':[{'key':'zone','operator':'Gt','values':['6']}]}]", false},
        {"[{'matchExpressions':[{'key':'zone','operator':'Near'}]}]", false},
        {"[{'matchExpressions':[{'key':'zone','operator':'Exists'},{'key':'x','operator':'Exists'}]"
         "}]",
         false},
        {"[{'matchExpressions':[{'key':'x','operator':'Exists'}]},{'matchExpressions':[{'key':"
         "'zone','operator':'Exists'}]}]",
         true},
        {"[{}]", false},
        {"[]", false},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *claim = test_json(CLAIM);
        auto_(cor_json_free) struct cor_json *labels = test_json(LABELS);
        auto_(cor_json_free) struct cor_json *volume =
            test_json("{'metadata':{'name':'pv1'},'spec':{" REF ",'local':{'path':'/a'}}}");
        struct cor_err err = COR_ERR_NONE;
        struct claim_place place;
        cor_json_set_at(volume, "spec.nodeAffinity.required.nodeSelectorTerms",
                        test_json(cases[i].terms));
        enum cor_code code = claim_place(claim, volume, labels, &place, &err);
        if ((code == COR_OK) != cases[i].fits || (code != COR_OK && code != COR_DENIED)) {
            fail_msg("case %zu: %s", i, err.text);
        }
    }
}

/* Where containers have the volume, and what it is. */
static void test_mode(void **state)
{
    (void)state;
    static const struct {
        const char *container;
        bool block;
        const char *says; /* "": good */
    } cases[] = {
        {"'volumeMounts':[{'name':'v','mountPath':'/v'}]", false, ""},
        {"'volumeMounts':[{'name':'v','mountPath':'/v'}]", true,
         "volume v has volumeMode Block, but is specified in volumeMounts"},
        {"'volumeDevices':[{'name':'v','devicePath':'/dev/v'}]", true, ""},
        {"'volumeDevices':[{'name':'v','devicePath':'/dev/v'}]", false,
         "volume v has volumeMode Filesystem, but is specified in volumeDevices"},
        {"'tty':false", true, ""},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct cor_err err = COR_ERR_NONE;
        auto_(cor_freep) char *spec =
            cor_sprintf("{'containers':[{'name':'c','image':'i',%s}],'volumes':[{'name':'v',"
                        "'persistentVolumeClaim':{'claimName':'c'}}]}",
                        cases[i].container);
        auto_(pod_free) struct pod *pod = pod_of(spec);
        enum cor_code code = claim_mode(pod, "v", cases[i].block, &err);
        assert_int_equal(code == COR_OK, cases[i].says[0] == '\0');
        assert_string_equal(err.text, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_to),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_node_affinity),
        cmocka_unit_test(test_mode),
    };
    return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
