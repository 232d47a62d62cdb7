// SPDX-License-Identifier: Apache-2.0
// The controllers of workloads as pure functions: what they plan for what they see; and the garbage
// collector's verdicts.
#include "kl_test.h"
#include "services/kubelite/gc.h"
#include "services/kubelite/plan.h"

#define NOW ((struct cor_wall){COR_SEC(1000000)})

/* "create=2 update=1 status=1 remove=0", Events left out. */
static void expect_plan(const struct kl_plan *plan, const char *text, size_t number)
{
    size_t counts[4] = {0};
    for (size_t i = 0; i < plan->count; i++) {
        counts[plan->steps[i].type] += plan->steps[i].kind == KL_EVENT ? 0 : 1;
    }
    auto_(cor_freep) char *is = cor_sprintf("create=%zu update=%zu status=%zu remove=%zu",
                                            counts[0], counts[1], counts[2], counts[3]);
    if (strcmp(is, text) != 0) {
        fail_msg("case %zu: %s, not %s", number, is, text);
    }
}

static const struct kl_step *step_of(const struct kl_plan *plan, enum kl_step_type type)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->steps[i].type == type && plan->steps[i].kind != KL_EVENT) {
            return &plan->steps[i];
        }
    }
    return NULL;
}

#define SET(replicas)                                                                              \
    "{'metadata':{'name':'s','namespace':'d','uid':'u','generation':1},'spec':{'replicas'"         \
    ":" replicas                                                                                   \
    ",'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':{'a':'b'}},'spec':{"   \
    "'containers':[{'name':'c','image':'i'}]}}},'status':{'replicas':0}}"
#define POD(name, status)                                                                          \
    "{'metadata':{'name':'" name "','namespace':'d','labels':{'a':'b'},'creationTimestamp':"       \
    "'1970-01-01T00:00:00Z'},'status':{" status "}}"
#define READY "'phase':'Running','conditions':[{'type':'Ready','status':'True'}]"
#define ENDING                                                                                     \
    "{'metadata':{'name':'e','labels':{'a':'b'},'deletionTimestamp':'1970-01-01T00:00:00Z'},"      \
    "'status':{'phase':'Running'}}"
#define STRAY                                                                                      \
    "{'metadata':{'name':'x','labels':{'a':'c'},'ownerReferences':[{'uid':'u'}]},'status':{'"      \
    "phase':'Running'}}"

static const struct {
    const char *set;
    const char *pods;
    const char *plan;
    const char *removed; /* the first one */
} set_cases[] = {
    {SET("2"), "[]", "create=2 update=0 status=1 remove=0", NULL},
    {SET("1"), "[" POD("p", READY) "]", "create=0 update=0 status=1 remove=0", NULL},
    {SET("1"), "[" POD("p", "'phase':'Failed'") "]", "create=1 update=0 status=1 remove=0", NULL},
    {SET("1"), "[" ENDING "]", "create=1 update=0 status=1 remove=0", NULL},
    {SET("1"), "[" STRAY "]", "create=1 update=1 status=1 remove=0", NULL},
    {SET("1"), "[" POD("r", READY) "," POD("w", "'phase':'Pending'") "]",
     "create=0 update=0 status=1 remove=1", "w"},
    {SET("0"), "[" POD("p", READY) "," POD("q", READY) "]", "create=0 update=0 status=1 remove=2",
     "p"},
};

static void test_replicasets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COR_COUNT(set_cases); i++) {
        auto_(cor_json_free) struct cor_json *set = test_json(set_cases[i].set);
        auto_(cor_json_free) struct cor_json *pods = test_json(set_cases[i].pods);
        auto_(kl_plan_free) struct kl_plan plan = {0};
        kl_replicaset_sync(set, pods, NOW, &plan);
        expect_plan(&plan, set_cases[i].plan, i);
        const struct kl_step *step = step_of(&plan, KL_REMOVE);
        if (set_cases[i].removed != NULL) {
            assert_string_equal(cor_json_str_at(step->object, "metadata.name", ""),
                                set_cases[i].removed);
        }
    }
}

/* A Pod that is Ready for less than minReadySeconds is not available, and looked at again. */
static void test_min_ready(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *pod =
        test_json("{'status':{'conditions':[{'type':'Ready','status':'True','lastTransitionTime':"
                  "'1970-01-12T13:46:35Z'}]}}"); /* 5 s before NOW */
    auto_(kl_plan_free) struct kl_plan plan = {0};
    assert_true(kl_pod_available(pod, 5, NOW, &plan));
    assert_int_equal(plan.again_us, 0);
    assert_false(kl_pod_available(pod, 8, NOW, &plan));
    assert_int_equal(plan.again_us, COR_SEC(3));
}

/* A rolling update of three Pods, step by step, with the ReplicaSets doing at once what they are
 * told: never fewer than 2 available ones (maxUnavailable 1), never more than 4 (maxSurge 1). */
static void apply_plan(struct kl_plan *plan, struct cor_json **deployment, struct cor_json *sets)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct kl_step *step = &plan->steps[i];
        if (step->kind == KL_DEPLOYMENT) {
            cor_json_free(deployment);
            *deployment = cor_json_ref(step->object);
        } else if (step->kind == KL_REPLICASET && step->type == KL_CREATE) {
            cor_json_set_at(step->object, "metadata.creationTimestamp",
                            cor_json_str("1970-01-02T00:00:00Z"));
            cor_json_add(sets, cor_json_ref(step->object));
        }
        for (size_t s = 0; step->type == KL_UPDATE && s < cor_json_count(sets); s++) {
            if (cor_json_item(sets, s) == step->old) {
                cor_json_put(sets, s, cor_json_ref(step->object));
            }
        }
    }
}

static void settle_sets(struct cor_json *sets)
{
    for (size_t i = 0; i < cor_json_count(sets); i++) {
        struct cor_json *set = cor_json_copy(cor_json_item(sets, i));
        int64_t size = cor_json_int_at(set, "spec.replicas", 0);
        cor_json_set_at(set, "status.replicas", cor_json_int(size));
        cor_json_set_at(set, "status.readyReplicas", cor_json_int(size));
        cor_json_set_at(set, "status.availableReplicas", cor_json_int(size));
        cor_json_put(sets, i, set);
    }
}

static int64_t pods_in(const struct cor_json *sets)
{
    int64_t sum = 0;
    for (size_t i = 0; i < cor_json_count(sets); i++) {
        sum += cor_json_int_at(cor_json_item(sets, i), "spec.replicas", 0);
    }
    return sum;
}

/* Syncs until nothing changes. Returns the number of steps. */
static int roll_out(struct cor_json **deployment, struct cor_json *sets, int64_t least,
                    int64_t most)
{
    int rounds = 0;
    for (bool changed = true; changed && rounds < 50; rounds++) {
        auto_(kl_plan_free) struct kl_plan plan = {0};
        kl_deployment_sync(*deployment, sets, NOW, &plan);
        changed = plan.count > 0;
        apply_plan(&plan, deployment, sets);
        assert_true(pods_in(sets) <= most);
        settle_sets(sets);
        assert_true(pods_in(sets) >= least);
    }
    return rounds;
}

#define DEPLOYMENT                                                                                 \
    "{'metadata':{'name':'web','namespace':'d','uid':'u','generation':1},'spec':{'replicas':3,"    \
    "'selector':{'matchLabels':{'a':'b'}},'strategy':{'type':'RollingUpdate','rollingUpdate':{"    \
    "'maxSurge':1,'maxUnavailable':1}},'revisionHistoryLimit':1,'progressDeadlineSeconds':600,"    \
    "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'1'}]}" \
    "}"                                                                                            \
    "}}"

static void set_image(struct cor_json **deployment, const char *image)
{
    struct cor_json *next = cor_json_copy(*deployment);
    cor_json_set(cor_json_item(cor_json_at(next, "spec.template.spec.containers"), 0), "image",
                 cor_json_str(image));
    cor_json_free(deployment);
    *deployment = next;
}

static void test_rollout(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *deployment = test_json(DEPLOYMENT);
    auto_(cor_json_free) struct cor_json *list = cor_json_array();
    assert_true(roll_out(&deployment, list, 0, 4) < 50);
    assert_int_equal(cor_json_count(list), 1);
    assert_int_equal(cor_json_int_at(deployment, "status.availableReplicas", 0), 3);
    assert_string_equal(cor_json_str_at(kl_condition(deployment, "Progressing"), "reason", ""),
                        "NewReplicaSetAvailable");
    set_image(&deployment, "2");
    assert_true(roll_out(&deployment, list, 2, 4) < 50);
    assert_int_equal(cor_json_count(list), 2);
    assert_int_equal(cor_json_int_at(cor_json_item(list, 0), "spec.replicas", 9), 0);
    assert_int_equal(cor_json_int_at(cor_json_item(list, 1), "spec.replicas", 0), 3);
    /* Back: the old set gets the newest revision. */
    set_image(&deployment, "1");
    assert_true(roll_out(&deployment, list, 2, 4) < 50);
    const struct cor_json *notes = cor_json_at(cor_json_item(list, 0), "metadata.annotations");
    assert_string_equal(
        cor_json_as_str(cor_json_get(notes, "deployment.kubernetes.io/revision"), ""), "3");
    assert_string_equal(
        cor_json_as_str(cor_json_get(notes, "deployment.kubernetes.io/revision-history"), ""), "1");
}

static void test_recreate(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *deployment = test_json(DEPLOYMENT);
    auto_(cor_json_free) struct cor_json *list = cor_json_array();
    cor_json_set_at(deployment, "spec.strategy", test_json("{'type':'Recreate'}"));
    assert_true(roll_out(&deployment, list, 0, 3) < 50);
    set_image(&deployment, "2");
    auto_(kl_plan_free) struct kl_plan plan = {0};
    kl_deployment_sync(deployment, list, NOW, &plan);
    expect_plan(&plan, "create=0 update=1 status=1 remove=0", 0); /* first all old ones go */
    assert_true(roll_out(&deployment, list, 0, 3) < 50);
    assert_int_equal(cor_json_int_at(cor_json_item(list, 1), "spec.replicas", 0), 3);
}

/* Scaled in the middle of a rollout: the sets grow in proportion, the newer one gets the rest. */
static void test_proportion(void **state)
{
    static const struct {
        int64_t replicas;
        int64_t old_size, new_size; /* after */
    } rows[] = {{6, 3, 4}, {10, 5, 6}, {1, 1, 1}};
    (void)state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *deployment = test_json(DEPLOYMENT);
        auto_(cor_json_free) struct cor_json *list = cor_json_array();
        auto_(kl_plan_free) struct kl_plan plan = {0};
        assert_true(roll_out(&deployment, list, 0, 4) < 50);
        set_image(&deployment, "2");
        for (int n = 0; n < 2; n++) { /* two steps: 2 old ones, 2 new ones that are not ready */
            auto_(kl_plan_free) struct kl_plan step = {0};
            kl_deployment_sync(deployment, list, NOW, &step);
            apply_plan(&step, &deployment, list);
        }
        cor_json_set_at(cor_json_item(list, 0), "metadata.creationTimestamp",
                        cor_json_str("1970-01-01T00:00:00Z"));
        assert_int_equal(cor_json_int_at(cor_json_item(list, 0), "spec.replicas", 0), 2);
        cor_json_set_at(cor_json_item(list, 1), "spec.replicas", cor_json_int(2));
        cor_json_set_at(deployment, "spec.replicas", cor_json_int(rows[i].replicas));
        kl_deployment_sync(deployment, list, NOW, &plan);
        apply_plan(&plan, &deployment, list);
        assert_int_equal(cor_json_int_at(cor_json_item(list, 0), "spec.replicas", 0),
                         rows[i].old_size);
        assert_int_equal(cor_json_int_at(cor_json_item(list, 1), "spec.replicas", 0),
                         rows[i].new_size);
    }
}

/* What does not come up in time is called stuck; till then it is looked at again. */
static void test_deadline(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *deployment = test_json(DEPLOYMENT);
    auto_(cor_json_free) struct cor_json *list = cor_json_array();
    auto_(kl_plan_free) struct kl_plan first = {0};
    kl_deployment_sync(deployment, list, NOW, &first);
    apply_plan(&first, &deployment, list);
    auto_(kl_plan_free) struct kl_plan early = {0};
    kl_deployment_sync(deployment, list, (struct cor_wall){NOW.us + COR_SEC(100)}, &early);
    assert_int_equal(early.again_us, COR_SEC(501));
    auto_(kl_plan_free) struct kl_plan late = {0};
    kl_deployment_sync(deployment, list, (struct cor_wall){NOW.us + COR_SEC(700)}, &late);
    const struct kl_step *step = step_of(&late, KL_UPDATE_STATUS);
    assert_string_equal(cor_json_str_at(kl_condition(step->object, "Progressing"), "reason", ""),
                        "ProgressDeadlineExceeded");
}

#define JOB(more)                                                                                  \
    "{'metadata':{'name':'j','namespace':'d','uid':'u'},'spec':{'parallelism':2,'completions':3,"  \
    "'backoffLimit':1,'template':{'spec':{'restartPolicy':'Never'}}},'status':{" more "}}"

static const struct {
    const char *job;
    const char *pods;
    const char *plan;
    const char *condition; /* set; NULL: none */
    int64_t again_s;
} jobs[] = {
    {JOB(""), "[]", "create=2 update=0 status=1 remove=0", NULL, 0},
    {JOB(""), "[" POD("p", READY) "," POD("q", READY) "]", "create=0 update=0 status=1 remove=0",
     NULL, 0},
    {JOB(""), "[" POD("p", "'phase':'Succeeded'") "," POD("q", "'phase':'Succeeded'") "]",
     "create=1 update=0 status=1 remove=0", NULL, 0},
    {JOB(""),
     "[" POD("p", "'phase':'Succeeded'") "," POD("q", "'phase':'Succeeded'") "," POD(
         "r", "'phase':'Succeeded'") "]",
     "create=0 update=0 status=1 remove=0", "Complete", 0},
    {JOB(""),
     "[" POD("p", "'phase':'Failed','containerStatuses':[{'state':{'terminated':{'finishedAt':"
                  "'1970-01-12T13:46:39Z'}}}]") "]",
     "create=0 update=0 status=1 remove=0", NULL, 9},
    {JOB("'failed':1"),
     "[" POD("p", "'phase':'Failed'") "," POD("q", "'phase':'Failed'") "," POD("r", READY) "]",
     "create=0 update=0 status=1 remove=1", "Failed", 0},
    {JOB("'conditions':[{'type':'Complete','status':'True'}]"), "[]",
     "create=0 update=0 status=0 remove=0", NULL, 0},
};

static void test_jobs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COR_COUNT(jobs); i++) {
        auto_(cor_json_free) struct cor_json *job = test_json(jobs[i].job);
        auto_(cor_json_free) struct cor_json *pods = test_json(jobs[i].pods);
        auto_(kl_plan_free) struct kl_plan plan = {0};
        kl_job_sync(job, pods, NOW, &plan);
        expect_plan(&plan, jobs[i].plan, i);
        assert_int_equal(plan.again_us, COR_SEC(jobs[i].again_s));
        const struct kl_step *step = step_of(&plan, KL_UPDATE_STATUS);
        if (jobs[i].condition != NULL) {
            assert_non_null(kl_condition(step->object, jobs[i].condition));
        }
    }
}

#define DAEMON(image)                                                                              \
    "{'metadata':{'name':'ds','namespace':'d','uid':'u'},'spec':{'selector':{'matchLabels':{'a':"  \
    "'b'}},'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'maxUnavailable':1}},"        \
    "'template':{'metadata':{'labels':{'a':'b'}},'spec':{'nodeSelector':{'k':'v'},'containers':[{" \
    "'name':'c','image':'" image "'}]}}}}"
#define FITS(name) "{'metadata':{'name':'" name "','labels':{'k':'v'}}}"
#define ON(node)                                                                                   \
    "{'metadata':{'name':'p" node "','labels':{'a':'b','controller-revision-hash':'old'}},"        \
    "'spec':{'nodeName':'" node "'},'status':{" READY "}}"

static const struct {
    const char *pods;
    const char *nodes;
    const char *plan; /* a new revision is always among the created ones */
} daemons[] = {
    {"[]", "[]", "create=1 update=0 status=1 remove=0"},
    {"[]", "[" FITS("a") "," FITS("b") "]", "create=3 update=0 status=1 remove=0"},
    {"[]", "[{'metadata':{'name':'a'}}]", "create=1 update=0 status=1 remove=0"},
    {"[" ON("a") "," ON("b") "]", "[" FITS("a") "," FITS("b") "]",
     "create=1 update=0 status=1 remove=1"}, /* rolling: one at a time */
    {"[" ON("gone") "]", "[" FITS("a") "]", "create=2 update=0 status=1 remove=1"},
    {"[]",
     "[{'metadata':{'name':'a','labels':{'k':'v'}},'spec':{'taints':[{'key':'t','effect':"
     "'NoSchedule'}]}}]",
     "create=1 update=0 status=1 remove=0"},
    {"[]",
     "[{'metadata':{'name':'a','labels':{'k':'v'}},'spec':{'unschedulable':true,'taints':[{"
     "'key':'node.kubernetes.io/unschedulable','effect':'NoSchedule'}]}}]",
     "create=2 update=0 status=1 remove=0"},
};

static void test_daemonsets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COR_COUNT(daemons); i++) {
        auto_(cor_json_free) struct cor_json *daemon = test_json(DAEMON("1"));
        auto_(cor_json_free) struct cor_json *pods = test_json(daemons[i].pods);
        auto_(cor_json_free) struct cor_json *nodes = test_json(daemons[i].nodes);
        auto_(cor_json_free) struct cor_json *none = cor_json_array();
        auto_(kl_plan_free) struct kl_plan plan = {0};
        kl_daemonset_sync(daemon, pods, nodes, none, &plan, NOW);
        expect_plan(&plan, daemons[i].plan, i);
    }
}

static void test_shares(void **state)
{
    static const struct {
        const char *value;
        int64_t total;
        int64_t up, down;
    } rows[] = {{"3", 10, 3, 3},     {"'25%'", 10, 3, 2}, {"'25%'", 4, 1, 1},
                {"'100%'", 7, 7, 7}, {"'0%'", 7, 0, 0},   {"'1%'", 1, 1, 0}};
    (void)state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_freep) char *text = cor_sprintf("[%s]", rows[i].value);
        auto_(cor_json_free) struct cor_json *list = test_json(text);
        assert_int_equal(kl_share_of(cor_json_item(list, 0), rows[i].total, true), rows[i].up);
        assert_int_equal(kl_share_of(cor_json_item(list, 0), rows[i].total, false), rows[i].down);
    }
}

static void test_hashes(void **state)
{
    (void)state;
    char a[KL_HASH_SIZE], b[KL_HASH_SIZE], c[KL_HASH_SIZE];
    auto_(cor_json_free) struct cor_json *one = test_json("{'a':1,'b':[1,2]}");
    auto_(cor_json_free) struct cor_json *same = test_json("{'b':[1,2],'a':1}");
    auto_(cor_json_free) struct cor_json *other = test_json("{'b':[2,1],'a':1}");
    kl_template_hash(one, a);
    kl_template_hash(same, b);
    kl_template_hash(other, c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
}

#define HELD(finalizer) "{'metadata':{'finalizers':['" finalizer "']}}"
static const struct {
    struct kl_owners owners;
    const char *object;
    bool dependents;
    enum kl_fate fate;
} fates[] = {
    {{1, 0, 0}, "{}", false, KL_FATE_STAY},
    {{0, 0, 0}, "{}", false, KL_FATE_STAY},
    {{1, 1, 0}, "{}", false, KL_FATE_UNTIE},
    {{1, 0, 1}, "{}", false, KL_FATE_UNTIE},
    {{0, 1, 0}, "{}", false, KL_FATE_BACKGROUND},
    {{0, 2, 0}, HELD("orphan"), true, KL_FATE_ORPHAN},
    {{0, 1, 0}, HELD("foregroundDeletion"), false, KL_FATE_FOREGROUND},
    {{0, 0, 1}, "{}", true, KL_FATE_FOREGROUND},
    {{0, 0, 1}, "{}", false, KL_FATE_BACKGROUND},
    {{0, 1, 0}, "{'metadata':{'deletionTimestamp':'1970-01-01T00:00:00Z'}}", false, KL_FATE_STAY},
};

static void test_fates(void **state)
{
    (void)state;
    for (size_t i = 0; i < COR_COUNT(fates); i++) {
        auto_(cor_json_free) struct cor_json *object = test_json(fates[i].object);
        if (kl_gc_fate(&fates[i].owners, object, fates[i].dependents) != fates[i].fate) {
            fail_msg("case %zu", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replicasets), cmocka_unit_test(test_min_ready),
        cmocka_unit_test(test_rollout),     cmocka_unit_test(test_recreate),
        cmocka_unit_test(test_deadline),    cmocka_unit_test(test_proportion),
        cmocka_unit_test(test_jobs),        cmocka_unit_test(test_daemonsets),
        cmocka_unit_test(test_shares),      cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_fates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
