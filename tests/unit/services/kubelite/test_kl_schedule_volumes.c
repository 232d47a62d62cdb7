// SPDX-License-Identifier: Apache-2.0
#include "common/base/buf.h"
#include "kl_test.h"
#include "services/kubelite/schedule_volumes.h"

#define CLAIM(name, rest) "{'metadata':{'namespace':'a','name':'" name "'}," rest "}"
#define BOUND(name, volume)                                                                        \
    CLAIM(name, "'spec':{'volumeName':'" volume "'},'status':{'phase':'Bound'}")
#define WAITS(name) CLAIM(name, "'spec':{'storageClassName':'late'},'status':{'phase':'Pending'}")
#define ON(node)                                                                                   \
    "'nodeAffinity':{'required':{'nodeSelectorTerms':[{'matchFields':[{'key':'metadata.name',"     \
    "'operator':'In','values':['" node "']}]}]}}"
#define FREE(name, size, on)                                                                       \
    "{'metadata':{'name':'" name                                                                   \
    "'},'spec':{'storageClassName':'late','capacity':{'storage':'" size "'}," on "}}"
#define ALONE(phase)                                                                               \
    "[{'metadata':{'namespace':'a','name':'x'},'spec':{'nodeName':'n2','volumes':[{"               \
    "'persistentVolumeClaim':{'claimName':'c'}}]},'status':{'phase':'" phase "'}}]"

static const struct row {
    const char *claims, *volumes, *pods;
    const char *lack; /* "": the Pod can be somewhere */
    const char *why;  /* not on n1; NULL: it can */
} rows[] = {
    {"[]", "[]", "[]", "persistentvolumeclaim \"c\" not found", NULL},
    {"[" CLAIM("c", "'metadata':{'deletionTimestamp':'t','namespace':'a','name':'c'}") "]", "[]",
     "[]", "persistentvolumeclaim \"c\" is being deleted", "node(s) didn't find"},
    {"[" CLAIM("c", "'spec':{}") "]", "[]", "[]", "pod has unbound immediate", "node(s) didn't"},
    {"[" BOUND("c", "v") "]", "[{'metadata':{'name':'v'},'spec':{}}]", "[]", "", NULL},
    {"[" BOUND("c", "v") "]", "[{'metadata':{'name':'v'},'spec':{" ON("n1") "}}]", "[]", "", NULL},
    {"[" BOUND("c", "v") "]", "[{'metadata':{'name':'v'},'spec':{" ON("n2") "}}]", "[]", "",
     "node(s) had volume node affinity conflict"},
    {"[" WAITS("c") "]", "[" FREE("v", "1Gi", ON("n2")) "]", "[]", "",
     "node(s) didn't find available persistent volumes to bind"},
    {"[" WAITS("c") "]", "[" FREE("v", "1Gi", ON("n2")) "," FREE("w", "1Gi", ON("n1")) "]", "[]",
     "", NULL},
    /* two claims do not get one volume */
    {"[" WAITS("c") "," WAITS("d") "]", "[" FREE("v", "1Gi", ON("n1")) "]", "[]", "",
     "node(s) didn't find available persistent volumes to bind"},
    {"[" CLAIM("c", "'spec':{'volumeName':'v','accessModes':['ReadWriteOncePod']},'status':{"
                    "'phase':'Bound'}") "]",
     "[]", ALONE("Running"), "", "node has pod using PersistentVolumeClaim with the same name"},
    {"[" CLAIM("c", "'spec':{'volumeName':'v','accessModes':['ReadWriteOncePod']},'status':{"
                    "'phase':'Bound'}") "]",
     "[]", ALONE("Succeeded"), "", NULL},
};

static void test_rows(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *node = test_json("{'metadata':{'name':'n1'}}");
    auto_(cor_json_free) struct cor_json *classes =
        test_json("[{'metadata':{'name':'late'},'volumeBindingMode':'WaitForFirstConsumer'}]");
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        bool two = strstr(rows[i].claims, "'d'") != NULL;
        auto_(cor_json_free) struct cor_json *pod = test_json(
            two ? "{'metadata':{'namespace':'a','name':'p'},'spec':{'volumes':[{'emptyDir':{}},"
                  "{'persistentVolumeClaim':{'claimName':'c'}},{'persistentVolumeClaim':{"
                  "'claimName':'d'}}]}}"
                : "{'metadata':{'namespace':'a','name':'p'},'spec':{'volumes':[{'emptyDir':{}},"
                  "{'persistentVolumeClaim':{'claimName':'c'}}]}}");
        auto_(cor_json_free) struct cor_json *claims = test_json(rows[i].claims);
        auto_(cor_json_free) struct cor_json *volumes = test_json(rows[i].volumes);
        auto_(cor_json_free) struct cor_json *pods = test_json(rows[i].pods);
        auto_(cor_buf_free) struct cor_buf lack = {0};
        struct kl_stock stock = {claims, volumes, classes};
        cor_buf_str(&lack, "");
        bool lacks = kl_claims_lack(pod, &stock, &lack);
        const char *why = kl_claims_misfit(pod, node, pods, &stock);
        if (lacks != (rows[i].lack[0] != '\0') || strstr(lack.data, rows[i].lack) == NULL) {
            fail_msg("case %zu: %s", i, lack.data);
        }
        if ((why == NULL) != (rows[i].why == NULL) ||
            (why != NULL && strstr(why, rows[i].why) == NULL)) {
            fail_msg("case %zu: %s", i, why == NULL ? "it can" : why);
        }
    }
}

/* The smallest that fits. */
static void test_smallest(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *node = test_json("{'metadata':{'name':'n1'}}");
    auto_(cor_json_free) struct cor_json *claim = test_json(WAITS("c"));
    auto_(cor_json_free) struct cor_json *volumes = test_json("[" FREE(
        "a", "3Gi", ON("n1")) "," FREE("b", "1Gi", ON("n2")) "," FREE("c", "2Gi", ON("n1")) "]");
    auto_(cor_json_free) struct cor_json *taken = test_json("{'c':true}");
    struct kl_stock stock = {.volumes = volumes};
    assert_int_equal(kl_claim_volume(claim, node, &stock, NULL), 2);
    assert_int_equal(kl_claim_volume(claim, node, &stock, taken), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_smallest)};
    return cmocka_run_group_tests_name("kubelite schedule volumes", tests, NULL, NULL);
}
