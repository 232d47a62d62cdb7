// SPDX-License-Identifier: Apache-2.0
#include "kl_test.h"
#include "services/kubelite/protobuf.h"

/* An envelope around a message: k8s\0, typeMeta {v1, Kind}, raw. */
static void envelope(struct cor_view raw, struct cor_buf *out)
{
    cor_buf_add(out, "k8s\0", 4);
    cor_buf_str(out, "\x0a\x0a\x0a\x02v1\x12\x04Kind");
    cor_buf_str(out, "\x12");
    char len = (char)raw.len;
    cor_buf_add(out, &len, 1);
    cor_buf_view(out, raw);
}

static void test_messages(void **state)
{
    (void)state;
    static const struct {
        const struct k8s_type *type;
        struct cor_view raw;
        const char *json; /* NULL: refused */
    } cases[] = {
        /* ConfigMap: metadata {name: "c"}, data {"a": "b"} */
        {&k8s_core_v1_ConfigMap,
         COR_VIEW("\x0a\x03\x0a\x01"
                  "c\x12\x06\x0a\x01"
                  "a\x12\x01"
                  "b"),
         "{'apiVersion':'v1','kind':'Kind','metadata':{'name':'c'},'data':{'a':'b'}}"},
        /* Secret: data {"p": bytes 00 ff} */
        {&k8s_core_v1_Secret, COR_VIEW("\x12\x07\x0a\x01p\x12\x02\x00\xff"),
         "{'apiVersion':'v1','kind':'Kind','data':{'p':'AP8='}}"},
        /* Volume: name, and emptyDir within the inline volumeSource */
        {&k8s_core_v1_Volume, COR_VIEW("\x0a\x01v\x12\x02\x12\x00"),
         "{'apiVersion':'v1','kind':'Kind','name':'v','emptyDir':{}}"},
        /* HTTPGetAction: port as number, then as text */
        {&k8s_core_v1_HTTPGetAction, COR_VIEW("\x12\x04\x08\x00\x10\x50"),
         "{'apiVersion':'v1','kind':'Kind','port':80}"},
        {&k8s_core_v1_HTTPGetAction, COR_VIEW("\x12\x08\x08\x01\x1a\x04http"),
         "{'apiVersion':'v1','kind':'Kind','port':'http'}"},
        /* LeaseSpec: leaseDurationSeconds 40, renewTime {seconds 1} */
        {&k8s_coordination_v1_LeaseSpec, COR_VIEW("\x10\x28\x22\x02\x08\x01"),
         "{'apiVersion':'v1','kind':'Kind','leaseDurationSeconds':40,"
         "'renewTime':'1970-01-01T00:00:01.000000Z'}"},
        /* ObjectMeta: creationTimestamp {} is no time */
        {&k8s_meta_v1_ObjectMeta, COR_VIEW("\x42\x00"),
         "{'apiVersion':'v1','kind':'Kind','creationTimestamp':null}"},
        /* an unknown field is passed over */
        {&k8s_core_v1_LocalObjectReference, COR_VIEW("\x7a\x01x\x0a\x01n"),
         "{'apiVersion':'v1','kind':'Kind','name':'n'}"},
        /* damaged: length beyond the end, broken varint, a string that is no UTF-8, a wrong type */
        {&k8s_core_v1_ConfigMap, COR_VIEW("\x0a\x7f\x0a"), NULL},
        {&k8s_core_v1_ConfigMap, COR_VIEW("\xff\xff\xff"), NULL},
        {&k8s_core_v1_LocalObjectReference, COR_VIEW("\x0a\x01\xff"), NULL},
        {&k8s_core_v1_LocalObjectReference, COR_VIEW("\x08\x01"), NULL},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_buf_free) struct cor_buf body = {0};
        auto_(cor_json_free) struct cor_json *out = NULL;
        envelope(cases[i].raw, &body);
        enum cor_code code = kl_protobuf_read(cases[i].type, cor_buf_as_view(&body), &out, NULL);
        if ((code == COR_OK) != (cases[i].json != NULL)) {
            fail_msg("case %zu", i);
        }
        if (out != NULL) {
            expect_json(out, cases[i].json, i);
        }
    }
}

static void test_no_envelope(void **state)
{
    (void)state;
    static const struct cor_view bodies[] = {{"", 0}, {"k8s", 3}, {"{}", 2}, {"k8s\0\x12\x7f", 6}};
    for (size_t i = 0; i < COR_COUNT(bodies); i++) {
        struct cor_json *out = NULL;
        assert_int_equal(kl_protobuf_read(&k8s_core_v1_Pod, bodies[i], &out, NULL), COR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_no_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
