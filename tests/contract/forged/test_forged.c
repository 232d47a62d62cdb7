// SPDX-License-Identifier: Apache-2.0
// faults A2, A3, A7 and weaknesses 1, 2: a node with a true certificate says 10,000 messages about
// what is not its own, 5,000 in each dialect, and the API is afterwards what it was, byte by byte.
#include <stdlib.h>

#include "common/log/limit.h"
#include "tests/contract/forged/forge.h"
#include "tests/support/text/text.h"

enum { MESSAGES = 5000, WINDOW = 48, ASKED = 60 };

/* What others have, and what is nobody's. */
static const char *const KEYS[] = {
    "null/node/n2",
    "null/nodepatch/n2",
    "null/node/n3",
    "kube-node-lease/lease/n2",
    "kube-node-lease/lease/n3",
    "default/lease/n1",
    "kube-system/lease/kube-scheduler",
    "default/pod/p2",
    "default/podpatch/p2",
    "default/podstatus/p2",
    "default/pod/p0",
    "default/podpatch/p0",
    "default/secret/s2",
    "default/secret/absent",
    "kubeedge/secret/casecret",
    "kubeedge/secret/coracle-used-tokens",
    "default/configmap/c2",
    "default/configmap/absent",
    "default/event/e2",
    "default/event/fresh",
    "kube-system/event/fresh",
    "default/serviceaccounttoken/robot2",
    "default/serviceaccounttoken/default",
    "kube-system/serviceaccounttoken/default",
    "default/serviceaccount/robot2",
    "default/serviceaccountaccess/robot2",
    "null/certificatesigningrequest/csr-n2",
    "null/persistentvolume/v2",
    "default/persistentvolumeclaim/claim2",
    "null/volumeattachment/va2",
    "default/device/d2",
    "default/devicemodel/m",
    "default/devicestatus/d2",
    "default/rule/r",
    "default/ruleendpoint/web",
    "default/objectsync/n2.0b8b1f6e-0000-4000-8000-000000000000",
    "null/clusterobjectsync/n2.x",
    "default/service/kubernetes",
    "default/endpoints/kubernetes",
    "default/deployment/web",
    "null/namespace/default",
    "null/clusterrolebinding/admin",
    "kubeedge/rolebinding/admin",
    "default/pod/../../nodes/n2",
    "default/pod/p1/../p2",
    "default/pod/p1%2f..%2fp2",
    "default/pod/..",
    "../pod/p2",
    "null/node/n1/status",
};

/* Bodies that would do harm where they were taken. */
static const char *const BODIES[] = {
    "{}",
    "{'metadata':{'name':'n2','labels':{'forged':'1'}},'spec':{'unschedulable':true},"
    "'status':{'phase':'Failed','conditions':[{'type':'Ready','status':'False'}]}}",
    "{'metadata':{'name':'p2','namespace':'default','labels':{'forged':'1'}},"
    "'spec':{'nodeName':'n1','containers':[{'name':'c','image':'forged'}]},"
    "'status':{'phase':'Failed'}}",
    "{'metadata':{'name':'e2','namespace':'default'},'message':'forged','count':7,"
    "'involvedObject':{'kind':'Pod','namespace':'default','name':'p2'}}",
    "{'data':{'k':'Zm9yZ2Vk'},'spec':{'holderIdentity':'n1','expirationSeconds':600,"
    "'properties':[]},'status':{'twins':[]}}",
};

/* Under names of its own, others in the body. None may be taken. */
static const struct said INSIDE[] = {
    {NULL, PX_VERB_CREATE, "null/node/n1", "{'metadata':{'name':'n3'}}"},
    {NULL, PX_VERB_CREATE, "kube-node-lease/lease/n1",
     "{'metadata':{'name':'n3','namespace':'kube-node-lease'},'spec':{'holderIdentity':'n3'}}"},
    {NULL, PX_VERB_UPDATE, "kube-node-lease/lease/n1",
     "{'metadata':{'name':'n2','namespace':'kube-node-lease'},'spec':{'holderIdentity':'n1'}}"},
    {NULL, PX_VERB_CREATE, "default/pod/thief",
     "{'metadata':{'name':'thief'},'spec':{'nodeName':'n1','containers':[{'name':'c','image':'i'}],"
     "'volumes':[{'name':'v','secret':{'secretName':'s2'}}]}}"},
    {NULL, PX_VERB_CREATE, "default/pod/thief",
     "{'metadata':{'name':'thief','annotations':{'kubernetes.io/config.mirror':'x'}},"
     "'spec':{'nodeName':'n1','containers':[{'name':'c','image':'i'}],"
     "'volumes':[{'name':'v','secret':{'secretName':'s2'}}]}}"},
    {NULL, PX_VERB_CREATE, "default/pod/thief",
     "{'metadata':{'name':'thief','annotations':{'kubernetes.io/config.mirror':'x'}},"
     "'spec':{'nodeName':'n1','serviceAccountName':'robot2','containers':[{'name':'c','image':'i'}"
     "]}}"},
    {NULL, PX_VERB_CREATE, "default/pod/guest",
     "{'metadata':{'name':'guest','annotations':{'kubernetes.io/config.mirror':'x'}},"
     "'spec':{'nodeName':'n2','containers':[{'name':'c','image':'i'}]}}"},
    {NULL, PX_VERB_CREATE, "default/pod/guest",
     "{'metadata':{'name':'guest','annotations':{'kubernetes.io/config.mirror':'x'}},"
     "'spec':{'nodeName':'n1','containers':[{'name':'c','image':'i'}]}}"},
    {NULL, PX_VERB_CREATE, "default/pod/guest",
     "{'metadata':{'name':'other','annotations':{'kubernetes.io/config.mirror':'x'}},"
     "'spec':{'nodeName':'n1','containers':[{'name':'c','image':'i'}]}}"},
    {NULL, PX_VERB_CREATE, "default/event/mine",
     "{'metadata':{'name':'mine','namespace':'default'},'message':'forged','involvedObject':"
     "{'kind':'Pod','namespace':'default','name':'p1'},'source':{'host':'n2'}}"},
    {NULL, PX_VERB_CREATE, "default/event/mine",
     "{'metadata':{'name':'mine','namespace':'default'},'message':'forged','involvedObject':"
     "{'kind':'Node','name':'n2'}}"},
    {NULL, PX_VERB_UPDATE, "default/event/e2",
     "{'metadata':{'name':'e2','namespace':'default'},'message':'forged','involvedObject':"
     "{'kind':'Pod','namespace':'default','name':'p1'},'source':{'host':'n1'}}"},
    {NULL, PX_VERB_CREATE, "default/serviceaccounttoken/robot1",
     "{'spec':{'audiences':['a'],'expirationSeconds':600}}"},
    {NULL, PX_VERB_CREATE, "default/serviceaccounttoken/robot1",
     "{'spec':{'audiences':['a'],'expirationSeconds':600,'boundObjectRef':{'kind':'Pod','"
     "apiVersion'"
     ":'v1','name':'p2'}}}"},
    /* Of the cloud, or so it says. */
    {"edgecontroller", PX_VERB_UPDATE, "default/pod/p2", "{'metadata':{'name':'p2'}}"},
    {"devicecontroller", PX_VERB_UPDATE, "default/device/d2", "{}"},
    {"synccontroller", PX_VERB_DELETE, "default/pod/p2", "{}"},
    {"metaserver", PX_VERB_GET, "default/secret/s2", "{}"},
};

static const enum px_verb VERBS[] = {PX_VERB_GET, PX_VERB_CREATE, PX_VERB_UPDATE, PX_VERB_PATCH,
                                     PX_VERB_DELETE};

/* The message of this number: all combinations in turn. */
static struct said message(size_t n)
{
    size_t outside = COR_COUNT(KEYS) * COR_COUNT(VERBS) * COR_COUNT(BODIES);
    size_t i = n % (outside + COR_COUNT(INSIDE));
    if (i < COR_COUNT(INSIDE)) {
        return INSIDE[i];
    }
    i -= COR_COUNT(INSIDE);
    return (struct said){.verb = VERBS[i % COR_COUNT(VERBS)],
                         .body = BODIES[i / COR_COUNT(VERBS) % COR_COUNT(BODIES)],
                         .key = KEYS[i / (COR_COUNT(VERBS) * COR_COUNT(BODIES))]};
}

static void flood(struct forge *forge)
{
    for (size_t n = 0; forge->said < MESSAGES; n++) {
        struct said said = message(n);
        if (forge->coracle && said.source != NULL) {
            continue; /* the dialect has no field for it */
        }
        forge_say(forge, &said);
        if (n % 50 == 0) {
            forge_report(forge, "default/d2");
        }
        forge_settle(forge, WINDOW);
    }
    forge_settle(forge, 0);
}

/* What is its own is taken, and seen in the API: the forgeries fail for what they are. */
static void its_own_is_taken(struct forge *forge, const char *before)
{
    static const struct said OWN[] = {
        {NULL, PX_VERB_GET, "default/secret/s1", "null"},
        {NULL, PX_VERB_CREATE, "kube-node-lease/lease/n1",
         "{'metadata':{'name':'n1','namespace':'kube-node-lease'},'spec':{'holderIdentity':'n1'}}"},
        {NULL, PX_VERB_GET, "default/pod/p1", "null"},
    };
    for (size_t i = 0; i < COR_COUNT(OWN); i++) {
        if (forge_ask(forge, &OWN[i]) / 100 != 2) {
            fail_msg("%s: %d %s", OWN[i].key, forge->last.status, forge->last.text);
        }
    }
    auto_(cor_freep) char *after = forge_snapshot(forge);
    assert_string_not_equal(before, after);
}

static size_t lines_with(const struct forge *forge, const char *file, const char *event)
{
    auto_(cor_freep) char *log = test_read(forge->w.stage->dir, file);
    return test_count(log, event);
}

/* Every one is counted; the log has some, and says how many it has left out. */
static void it_is_audited(struct forge *forge)
{
    size_t lines = lines_with(forge, "cloudhub.log", "hub.call.forbidden") +
                   lines_with(forge, "cloudhub.log", "hub.message.forged") +
                   lines_with(forge, "edgecontroller.log", "controller.denied");
    uint64_t denied = forge_denied(forge);
    print_message("%lu messages, %lu denied, %zu lines\n", (unsigned long)forge->said,
                  (unsigned long)denied, lines);
    assert_true(denied > MESSAGES / 4);
    assert_in_range(lines, 2 * COR_LOG_BURST, MESSAGES / 5);
}

static void nothing_is_taken(bool coracle)
{
    struct forge *forge = forge_new(coracle);
    auto_(cor_freep) char *before = forge_snapshot(forge);
    flood(forge);
    if (forge->taken.len > 0) {
        fail_msg("taken:\n%.2000s", forge->taken.data);
    }
    auto_(cor_freep) char *after = forge_snapshot(forge);
    assert_string_equal(before, after);
    it_is_audited(forge);
    its_own_is_taken(forge, after);
    forge_free(&forge);
}

static void nothing_is_taken_in_kubeedge(void **state)
{
    (void)state;
    nothing_is_taken(false);
}

static void nothing_is_taken_in_coracle(void **state)
{
    (void)state;
    nothing_is_taken(true);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Of half the asking, so that a busy machine does not count. */
static int64_t median(int64_t *times)
{
    qsort(times, ASKED, sizeof(*times), by_size);
    return times[ASKED / 2];
}

/* faults A3: a Secret of another and one that is not there are the same to who asks. */
static void secrets_are_not_even_there(void **state)
{
    static const struct said FOREIGN = {NULL, PX_VERB_GET, "default/secret/s2", "null"};
    static const struct said ABSENT = {NULL, PX_VERB_GET, "default/secret/s9", "null"};
    int64_t foreign[ASKED];
    int64_t absent[ASKED];
    char text[sizeof(((struct heard *)NULL)->text)];
    struct forge *forge = forge_new(true);
    (void)state;
    for (size_t i = 0; i < ASKED; i++) {
        struct cor_mono start = cor_mono_now();
        assert_int_equal(forge_ask(forge, &FOREIGN), 403);
        struct cor_mono middle = cor_mono_now();
        memcpy(text, forge->last.text, sizeof(text));
        assert_int_equal(forge_ask(forge, &ABSENT), 403);
        foreign[i] = cor_mono_since(middle, start);
        absent[i] = cor_mono_since(cor_mono_now(), middle);
        assert_string_equal(text, forge->last.text);
    }
    int64_t apart = median(foreign) - median(absent);
    print_message("apart by %ld us\n", (long)apart);
    assert_true(apart < COR_MS(5) && apart > -COR_MS(5));
    forge_free(&forge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_taken_in_kubeedge),
        cmocka_unit_test(nothing_is_taken_in_coracle),
        cmocka_unit_test(secrets_are_not_even_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
