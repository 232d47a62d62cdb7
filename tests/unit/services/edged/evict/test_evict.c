// SPDX-License-Identifier: Apache-2.0
#include "services/edged/evict/evict.h"

#include "../fixture.h"
#include "services/edged/evict/rank.h"
#include "services/edged/evict/storage.h"

#define TEXTS(...) ((char *const[]){__VA_ARGS__})
#define T(text) ((char *)(uintptr_t)(text))

static struct evict_rules rules_of(const struct evict_texts *texts, int64_t transition_us)
{
    struct evict_rules rules;
    struct cor_err err = COR_ERR_NONE;
    if (evict_read(texts, transition_us, &rules, &err) != COR_OK) {
        fail_msg("%s", err.text);
    }
    return rules;
}

static void settings_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *hard, *soft, *grace, *reclaim, *error;
    } BAD[] = {
        {"memory<1", NULL, NULL, NULL, "evict.hard"},
        {"memory.available=1", NULL, NULL, NULL, "evict.hard"},
        {"memory.available<-1", NULL, NULL, NULL, "evict.hard"},
        {"memory.available<101%", NULL, NULL, NULL, "evict.hard"},
        {"memory.available<x%", NULL, NULL, NULL, "evict.hard"},
        {NULL, "pid.available<5%", NULL, NULL, "evict.soft-grace: expected one for pid.available"},
        {NULL, "pid.available<5%", "pid.available=5", NULL, "evict.soft-grace"},
        {NULL, "pid.available<5%", "pid.available=0s", NULL, "evict.soft-grace"},
        {NULL, NULL, NULL, "nodefs.available<1", "evict.minimum-reclaim"},
    };
    for (size_t i = 0; i < COR_COUNT(BAD); i++) {
        struct evict_rules rules;
        struct cor_err err = COR_ERR_NONE;
        const struct evict_texts texts = {TEXTS(T(BAD[i].hard)),    BAD[i].hard != NULL,
                                          TEXTS(T(BAD[i].soft)),    BAD[i].soft != NULL,
                                          TEXTS(T(BAD[i].grace)),   BAD[i].grace != NULL,
                                          TEXTS(T(BAD[i].reclaim)), BAD[i].reclaim != NULL};
        assert_int_equal(evict_read(&texts, 0, &rules, &err), COR_INVALID);
        if (strncmp(err.text, BAD[i].error, strlen(BAD[i].error)) != 0) {
            fail_msg("row %zu: %s", i, err.text);
        }
    }
    const struct evict_texts good = {TEXTS(T("memory.available<100Mi"), T("nodefs.available<10%")),
                                     2,
                                     TEXTS(T("memory.available<1Gi")),
                                     1,
                                     TEXTS(T("memory.available=1m30s")),
                                     1,
                                     TEXTS(T("memory.available=50Mi")),
                                     1};
    struct evict_rules rules = rules_of(&good, COR_SEC(300));
    assert_int_equal(rules.count, 3);
    assert_int_equal(rules.items[0].amount.number, 100 << 20);
    assert_int_equal((int)rules.items[1].amount.percent, 10);
    assert_int_equal(rules.items[2].grace_us, COR_SEC(90));
    assert_int_equal(rules.items[2].reclaim.number, 50 << 20);
}

/* At a time this much memory is left; what follows. */
struct step {
    int64_t seconds;
    int64_t available; /* < 0: not known */
    bool pressure;
    bool acts;
};

static void run_steps(const struct evict_rules *rules, const struct step *steps, size_t count)
{
    struct evict_state state = {0};
    for (size_t i = 0; i < count; i++) {
        struct evict_verdict verdict;
        struct evict_seen seen[EVICT_SIGNALS] = {0};
        seen[EVICT_MEMORY] = (struct evict_seen){steps[i].available >= 0, steps[i].available, 1000};
        evict_decide(rules, &state, seen, (struct cor_mono){COR_SEC(steps[i].seconds)}, &verdict);
        if (verdict.pressure[EVICT_MEMORY_PRESSURE] != steps[i].pressure ||
            (verdict.act != NULL) != steps[i].acts) {
            fail_msg("step %zu: pressure %d, acts %d", i, verdict.pressure[EVICT_MEMORY_PRESSURE],
                     verdict.act != NULL);
        }
        assert_false(verdict.pressure[EVICT_DISK_PRESSURE]);
    }
}

static void a_hard_threshold_acts_at_once(void **state)
{
    (void)state;
    const struct evict_texts texts = {.hard = TEXTS(T("memory.available<10%")),
                                      .hard_count = 1,
                                      .reclaims = TEXTS(T("memory.available=50")),
                                      .reclaim_count = 1};
    struct evict_rules rules = rules_of(&texts, COR_SEC(300));
    static const struct step STEPS[] = {
        {1, 500, false, false},  {2, -1, false, false},    {3, 99, true, true},
        {4, 120, true, true},  /* not the minimum reclaim yet */
        {5, 150, true, false}, /* it is; the pressure is told on */
        {303, 150, true, false}, {304, 150, false, false}, {305, 120, false, false},
    };
    run_steps(&rules, STEPS, COR_COUNT(STEPS));
}

static void a_soft_threshold_has_a_grace(void **state)
{
    (void)state;
    const struct evict_texts texts = {.soft = TEXTS(T("memory.available<200")),
                                      .soft_count = 1,
                                      .graces = TEXTS(T("memory.available=30s")),
                                      .grace_count = 1};
    struct evict_rules rules = rules_of(&texts, 0);
    static const struct step STEPS[] = {
        {1, 100, true, false},   {30, 100, true, false}, {31, 100, true, true},
        {32, 300, false, false}, {33, 100, true, false}, {62, 100, true, false},
        {63, 100, true, true},
    };
    run_steps(&rules, STEPS, COR_COUNT(STEPS));
}

#define POD(more, request) "{" more "'containers':[{'name':'c','image':'i'" request "}]}"
#define MEMORY(n) ",'resources':{'requests':{'memory':'" n "'}}"

static void the_one_over_its_request_goes_first(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int64_t used;
    } ROWS[] = {
        /* in the order in which they go */
        {POD("", ""), 50},
        {POD("", ""), 40},
        {POD("'priority':10,", MEMORY("10")), 100},
        {POD("", MEMORY("100")), 100},
        {POD("", MEMORY("100")), 50},
        {POD("'priority':10,", MEMORY("1000")), 900},
        {POD("'priority':2000000000,", ""), 5000}, /* never */
    };
    struct pod *pods[COR_COUNT(ROWS)];
    struct rank_pod ranks[COR_COUNT(ROWS)];
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) { /* backwards: the order given does not count */
        pods[i] = pod_of(ROWS[COR_COUNT(ROWS) - 1 - i].spec);
        ranks[i] = (struct rank_pod){pods[i], ROWS[COR_COUNT(ROWS) - 1 - i].used, NULL};
    }
    for (size_t left = COR_COUNT(ROWS); left > 1; left--) {
        if (rank_first(ranks, left, EVICT_MEMORY) != left - 1) {
            fail_msg("row %zu is not next", COR_COUNT(ROWS) - left);
        }
    }
    assert_int_equal(rank_first(ranks, 1, EVICT_MEMORY), 1);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        pod_free(&pods[i]);
    }
}

static void the_message_is_the_kubelets(void **state)
{
    (void)state;
    static const int64_t USED[] = {3 << 20};
    auto_(pod_free) struct pod *pod = pod_of(POD("", MEMORY("1Mi")));
    const struct evict_threshold t = {.signal = EVICT_MEMORY,
                                      .amount = {.number = 100 << 20, .percent = -1}};
    struct evict_seen seen[EVICT_SIGNALS] = {0};
    seen[EVICT_MEMORY] = (struct evict_seen){true, 81920 * 1024 + 1024, INT64_C(1) << 30};
    auto_(cor_freep) char *text = rank_message(&(struct rank_pod){pod, USED[0], USED}, &t, seen);
    assert_string_equal(
        text, "The node was low on resource: memory. Threshold quantity: 100Mi, available: "
              "81921Ki. Container c was using 3Mi, request is 1Mi, has larger consumption of "
              "memory. ");
}

static void new_pods_wait_for_better_times(void **state)
{
    (void)state;
    static const bool NONE[EVICT_PRESSURES] = {false};
    static const bool MEMORY_ONLY[EVICT_PRESSURES] = {[EVICT_MEMORY_PRESSURE] = true};
    static const bool DISK[EVICT_PRESSURES] = {[EVICT_DISK_PRESSURE] = true};
    auto_(pod_free) struct pod *best = pod_of(POD("", ""));
    auto_(pod_free) struct pod *burst = pod_of(POD("", MEMORY("1Mi")));
    auto_(pod_free) struct pod *critical = pod_of(POD("'priority':2000001000,", ""));
    auto_(pod_free) struct pod *tolerant = pod_of(POD(
        "'tolerations':[{'key':'node.kubernetes.io/memory-pressure','operator':'Exists'}],", ""));
    assert_true(rank_may_come(best, NONE));
    assert_false(rank_may_come(best, MEMORY_ONLY));
    assert_true(rank_may_come(burst, MEMORY_ONLY));
    assert_true(rank_may_come(tolerant, MEMORY_ONLY));
    assert_false(rank_may_come(burst, DISK));
    assert_true(rank_may_come(critical, DISK));
}

#define LIMIT(n) ",'resources':{'limits':{'ephemeral-storage':'" n "'}}"
#define VOLUMES                                                                                    \
    "'volumes':[{'name':'v','emptyDir':{'sizeLimit':'1Mi'}},{'name':'m','emptyDir':{'medium':"     \
    "'Memory'}}],"

static void who_writes_too_much_is_told_so(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        uint64_t volume, memory, container;
        const char *text; /* NULL: all is well */
    } ROWS[] = {
        {POD(VOLUMES, ""), 1 << 20, 5 << 20, 5 << 20, NULL},
        {POD(VOLUMES, ""), (1 << 20) + 1, 0, 0,
         "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". "},
        {POD(VOLUMES, LIMIT("2Mi")), 1 << 20, 5 << 20, 1 << 20, NULL},
        {POD(VOLUMES, LIMIT("2Mi")), 1 << 20, 0, (1 << 20) + 1,
         "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. "},
        {"{'initContainers':[{'name':'s','image':'i','restartPolicy':'Always'" LIMIT(
             "1Mi") "}]," VOLUMES "'containers':[{'name':'c','image':'i'}]}",
         0, 0, (1 << 20) + 1, "Container s exceeded its local ephemeral storage limit \"1Mi\". "},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(pod_free) struct pod *pod = pod_of(ROWS[i].spec);
        const uint64_t volumes[] = {ROWS[i].volume, ROWS[i].memory};
        const uint64_t containers[] = {ROWS[i].container, 0};
        const struct storage_used used = {volumes, containers};
        auto_(cor_freep) char *text = storage_exceeded(pod, &used);
        assert_true(storage_is_limited(pod));
        if (ROWS[i].text == NULL ? text != NULL : text == NULL || strcmp(text, ROWS[i].text) != 0) {
            fail_msg("row %zu: %s", i, text == NULL ? "nothing" : text);
        }
    }
    auto_(pod_free) struct pod *free_one = pod_of(POD("", MEMORY("1Mi")));
    assert_false(storage_is_limited(free_one));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(a_hard_threshold_acts_at_once),
        cmocka_unit_test(a_soft_threshold_has_a_grace),
        cmocka_unit_test(the_one_over_its_request_goes_first),
        cmocka_unit_test(the_message_is_the_kubelets),
        cmocka_unit_test(who_writes_too_much_is_told_so),
        cmocka_unit_test(new_pods_wait_for_better_times),
    };
    return cmocka_run_group_tests_name("evict", tests, NULL, NULL);
}
