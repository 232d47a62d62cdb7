// SPDX-License-Identifier: Apache-2.0
#include "services/edged/csi/spec.h"

#include "../fixture.h"

#define POD                                                                                        \
    "{'serviceAccountName':'sa','securityContext':{'fsGroup':7},'containers':[{'name':'c',"        \
    "'image':'i'}]}"
#define PV "{'metadata':{'name':'pv1'},'spec':{}}"

static enum cor_code read_volume(const char *source, const struct cor_json *pv,
                                 struct csi_volume *out, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *json = test_json(source);
    auto_(pod_free) struct pod *pod = pod_of(POD);
    const struct pod_volume volume = {
        .name = "v", .external = POD_EXTERNAL_CSI, .source = json, .persistent = pv};
    return csi_volume_of(pod, &volume, out, err);
}

static void test_modes(void **state)
{
    (void)state;
    static const struct {
        const char *modes;
        int mode;
        bool one_writer, one_pod;
    } rows[] = {{"['ReadWriteOnce','ReadOnlyMany']", 1, true, false},
                {"['ReadOnlyMany']", 3, false, false},
                {"['ReadWriteMany']", 5, false, false},
                {"['ReadWriteOncePod']", 1, true, true},
                {"[]", 1, true, false},
                {"['Odd']", 1, false, false}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *pv = test_json(PV);
        auto_(csi_volume_free) struct csi_volume volume = {0};
        struct cor_err err = COR_ERR_NONE;
        cor_json_set_at(pv, "spec.accessModes", test_json(rows[i].modes));
        assert_int_equal(read_volume("{'driver':'d','volumeHandle':'h'}", pv, &volume, &err),
                         COR_OK);
        assert_int_equal(volume.mode, rows[i].mode);
        assert_int_equal(volume.one_writer, rows[i].one_writer);
        assert_int_equal(volume.one_pod, rows[i].one_pod);
        assert_string_equal(volume.pv, "pv1");
    }
}

static void test_bad_volumes(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *error;
    } rows[] = {
        {"{'driver':'d','volumeHandle':''}", "csi.driver and csi.volumeHandle are needed"},
        {"{'volumeHandle':'h'}", "csi.driver and csi.volumeHandle are needed"},
        {"{'driver':'d','volumeHandle':'h','nodeStageSecretRef':{'name':'s'}}",
         "csi: a reference to a Secret is none"},
        {"{'driver':'d','volumeHandle':'h','nodePublishSecretRef':{'name':'a/b',"
         "'namespace':'n'}}",
         "csi: a reference to a Secret is none"},
    };
    auto_(cor_json_free) struct cor_json *pv = test_json(PV);
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(csi_volume_free) struct csi_volume volume = {0};
        struct cor_err err = COR_ERR_NONE;
        assert_int_not_equal(read_volume(rows[i].source, pv, &volume, &err), COR_OK);
        assert_string_equal(err.text, rows[i].error);
    }
}

static void test_policy(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *driver; /* ' stands for " */
        bool own;           /* the Pod's own volume */
        const char *error;
        bool attach;
    } rows[] = {
        {200, "{'spec':{'attachRequired':false}}", false, "", false},
        {200, "{'spec':{}}", false, "", true},
        {404, "", false, "", true},
        {404, "", true, "volume mode \"Ephemeral\" not supported by driver d", false},
        {200, "{'spec':{'volumeLifecycleModes':['Ephemeral']}}", true, "", false},
        {200, "{'spec':{'attachRequired':false,'volumeLifecycleModes':['Ephemeral']}}", false,
         "volume mode \"Persistent\" not supported by driver d", false},
        {0, "the link is down", false, "cannot get CSIDriver d: the link is down", false},
        {200, "no JSON", false, "cannot get CSIDriver d", false},
        {503, "{}", false, "cannot get CSIDriver d", false},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *pv = test_json(PV);
        auto_(csi_volume_free) struct csi_volume volume = {0};
        auto_(cor_freep) char *driver = test_quoted(rows[i].driver);
        struct csi_policy policy = {0};
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(read_volume("{'driver':'d','volumeHandle':'h'}", rows[i].own ? NULL : pv,
                                     &volume, &err),
                         COR_OK);
        enum cor_code code =
            csi_policy_of(&volume, rows[i].status, cor_view_of(driver), &policy, &err);
        if ((code == COR_OK) != (rows[i].error[0] == '\0') ||
            strstr(err.text, rows[i].error) == NULL) {
            fail_msg("row %zu: %s", i, err.text);
        }
        assert_int_equal(code == COR_OK && policy.attach, rows[i].attach);
    }
}

/* What a VolumeAttachment says. */
static void test_attachment(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *object, *error;
        size_t count; /* of its metadata */
    } rows[] = {
        {404, "{}", "Volume not attached according to node status for volume \"pv1\"", 0},
        {200, "{}", "Volume not attached", 0},
        {200, "{'status':{'attached':'yes'}}", "Volume not attached", 0},
        {200, "{'status':{'attached':false,'attachError':{'message':'no'}}}", "no", 0},
        {200, "{'status':{'attached':true}}", "", 0},
        {200, "{'status':{'attached':true,'attachmentMetadata':{'a':'b','c':1}}}", "", 1},
        {200, "{'metadata':{'deletionTimestamp':'t'},'status':{'attached':true}}",
         "volume pv1 is being detached", 0},
        {503, "{}", "cannot get VolumeAttachment", 0},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *pv = test_json(PV);
        auto_(cor_json_free) struct cor_json *object = test_json(rows[i].object);
        auto_(cor_freep) char *text = cor_json_text(object);
        auto_(csi_volume_free) struct csi_volume volume = {0};
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(read_volume("{'driver':'d','volumeHandle':'h'}", pv, &volume, &err),
                         COR_OK);
        enum cor_code code = csi_attached(&volume, rows[i].status, cor_view_of(text), &err);
        if ((code == COR_OK) != (rows[i].error[0] == '\0') ||
            strstr(err.text, rows[i].error) == NULL) {
            fail_msg("row %zu: %s", i, err.text);
        }
        assert_int_equal(volume.attached != NULL, code == COR_OK);
        assert_int_equal(cor_json_count(volume.attached), rows[i].count);
        auto_(cor_freep) char *name = csi_attachment_name(&volume, "n");
        /* printf hdn | sha256sum */
        assert_string_equal(name,
                            "csi-9072ed11cc1acb5fa433a877ff339b6311d013f33bddd1d0092711a8ace5b16d");
    }
}

/* Sizes that the claim's status and the volume tell. */
static void test_grown(void **state)
{
    (void)state;
    static const struct {
        const char *claim, *pv;
        int64_t bytes; /* 0: it has not */
    } rows[] = {
        {"{'status':{'capacity':{'storage':'1Gi'}}}", "{'spec':{'capacity':{'storage':'2Gi'}}}",
         2147483648},
        {"{'status':{'capacity':{'storage':'2Gi'}}}", "{'spec':{'capacity':{'storage':'2Gi'}}}", 0},
        {"{'status':{'capacity':{'storage':'2Gi'}}}", "{'spec':{'capacity':{'storage':'1Gi'}}}", 0},
        {"{'status':{}}", "{'spec':{'capacity':{'storage':'1Gi'}}}", 0},
        {"{'status':{'capacity':{'storage':'1Gi'}}}", "{'spec':{'capacity':{'storage':'x'}}}", 0},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        int64_t bytes = 0;
        auto_(cor_json_free) struct cor_json *claim = test_json(rows[i].claim);
        auto_(cor_json_free) struct cor_json *pv = test_json(rows[i].pv);
        assert_int_equal(csi_has_grown(claim, pv, &bytes), rows[i].bytes != 0);
        assert_true(rows[i].bytes == 0 || bytes == rows[i].bytes);
    }
    auto_(cor_json_free) struct cor_json *claim =
        test_json("{'status':{'conditions':[{'type':'Resizing'},{'type':'Other'}]}}");
    auto_(cor_json_free) struct cor_json *pv = test_json(rows[0].pv);
    auto_(cor_json_free) struct cor_json *patch = csi_grown(claim, pv);
    auto_(cor_freep) char *text = cor_json_text(patch);
    assert_string_equal(text, "{\"status\":{\"capacity\":{\"storage\":\"2Gi\"},\"conditions\":[{"
                              "\"type\":\"Other\"}],\"allocatedResourceStatuses\":{\"storage\":"
                              "null}}}");
}

static void test_group(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        const char *modes;
        int group;
        bool wants;
    } rows[] = {
        {"{'driver':'d','volumeHandle':'h','fsType':'ext4'}", "['ReadWriteOnce']",
         CSI_GROUP_BY_TYPE, true},
        {"{'driver':'d','volumeHandle':'h'}", "['ReadWriteOnce']", CSI_GROUP_BY_TYPE, false},
        {"{'driver':'d','volumeHandle':'h','fsType':'nfs'}", "['ReadWriteMany']", CSI_GROUP_BY_TYPE,
         false},
        {"{'driver':'d','volumeHandle':'h'}", "['ReadWriteMany']", CSI_GROUP_ALWAYS, true},
        {"{'driver':'d','volumeHandle':'h','readOnly':true}", "['ReadWriteMany']", CSI_GROUP_ALWAYS,
         false},
        {"{'driver':'d','volumeHandle':'h','fsType':'ext4'}", "['ReadWriteOnce']", CSI_GROUP_NEVER,
         false},
    };
    auto_(pod_free) struct pod *pod = pod_of(POD);
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *pv = test_json(PV);
        auto_(csi_volume_free) struct csi_volume volume = {0};
        const struct csi_policy policy = {.group = rows[i].group};
        struct cor_err err = COR_ERR_NONE;
        cor_json_set_at(pv, "spec.accessModes", test_json(rows[i].modes));
        assert_int_equal(read_volume(rows[i].source, pv, &volume, &err), COR_OK);
        assert_int_equal(csi_wants_group(&volume, &policy, pod), rows[i].wants);
    }
}

/* The Pod's own volume; what drivers and the file on disk are told. */
static void test_own(void **state)
{
    (void)state;
    auto_(csi_volume_free) struct csi_volume volume = {0};
    auto_(pod_free) struct pod *pod = pod_of(POD);
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(
        read_volume("{'driver':'d','volumeAttributes':{'a':'1','b':2}}", NULL, &volume, &err),
        COR_OK);
    csi_add_pod_info(&volume, pod);
    auto_(cor_json_free) struct cor_json *context = test_json(
        "{'a':'1','csi.storage.k8s.io/pod.name':'web','csi.storage.k8s.io/pod.namespace':'default',"
        "'csi.storage.k8s.io/pod.uid':'u1','csi.storage.k8s.io/serviceAccount.name':'sa',"
        "'csi.storage.k8s.io/ephemeral':'true'}");
    auto_(cor_json_free) struct cor_json *expected =
        test_json("{'specVolID':'','volumeHandle':'csi-u1-v','driverName':'d','nodeName':'n1',"
                  "'volumeLifecycleMode':'Ephemeral'}");
    auto_(cor_json_free) struct cor_json *data = csi_vol_data(&volume, "n1");
    assert_true(cor_json_equal(volume.context, context));
    assert_true(cor_json_equal(data, expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),  cmocka_unit_test(test_bad_volumes),
        cmocka_unit_test(test_policy), cmocka_unit_test(test_group),
        cmocka_unit_test(test_own),    cmocka_unit_test(test_attachment),
        cmocka_unit_test(test_grown),
    };
    return cmocka_run_group_tests_name("csi spec", tests, NULL, NULL);
}
