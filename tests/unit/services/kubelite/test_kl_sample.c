// SPDX-License-Identifier: Apache-2.0
// What a kubelet's /metrics/resource says, and the use that follows from two of them.
#include "kl_test.h"
#include "services/kubelite/sample.h"

static void test_lines(void **state)
{
    (void)state;
    static const char text[] =
        "# HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time\n"
        "node_cpu_usage_seconds_total 12.5 1395066363000\n"
        "node_memory_working_set_bytes 2.097152e+06\n"
        "container_cpu_usage_seconds_total{container=\"a\",namespace=\"x\",pod=\"p\"} 1 7\n"
        "container_memory_working_set_bytes{pod=\"p\",namespace=\"x\",container=\"a\"} 1024 7\r\n"
        "container_cpu_usage_seconds_total{container=\"q\\\"}\\n\",namespace=\"x\",pod=\"p\"} 2\n"
        "container_cpu_usage_seconds_total{container=\"\",namespace=\"x\",pod=\"p\"} 2\n"
        "container_cpu_usage_seconds_total{namespace=\"x\",pod=\"p\"} 2\n"
        "container_cpu_usage_seconds_total{container=\"b\",namespace=\"x\",pod=\"p\"} NaN\n"
        "container_cpu_usage_seconds_total{container=\"b\",namespace=\"x\",pod=\"p\"} -1\n"
        "container_cpu_usage_seconds_total{container=\"b\",namespace=\"x\",pod=\"p\" 1\n"
        "container_cpu_usage_seconds_total{container=b} 1\n"
        "container_cpu_usage_seconds_total{container=\"b\",namespace=\"x\",pod=\"p\"} 1 soon\n"
        "scrape_error 0\n"
        "\n"
        "node_cpu_usage_seconds_total\n";
    auto_(kl_sample_free) struct kl_sample sample = {0};
    kl_sample_read(&sample, cor_view_of(text), (struct cor_wall){99});
    assert_true(sample.node.cpu_s > 12.4 && sample.node.cpu_s < 12.6);
    assert_int_equal(sample.node.at.us, INT64_C(1395066363000000));
    assert_int_equal((int64_t)sample.node.memory, 2 << 20);
    assert_int_equal(sample.count, 2);
    const struct kl_use *use = kl_sample_find(&sample, "x", "p", "a");
    assert_int_equal((int64_t)use->cpu_s, 1);
    assert_int_equal(use->at.us, 7000);
    assert_int_equal((int64_t)use->memory, 1024);
    assert_int_equal(kl_sample_find(&sample, "x", "p", "q\"}n")->at.us, 99);
    assert_null(kl_sample_find(&sample, "x", "p", "b"));
    assert_null(kl_sample_find(&sample, "y", "p", "a"));
}

static void test_containers_are_bounded(void **state)
{
    (void)state;
    auto_(kl_sample_free) struct kl_sample sample = {0};
    auto_(cor_buf_free) struct cor_buf text = {0};
    for (int i = 0; i < KL_SAMPLE_CONTAINERS_MAX + 10; i++) {
        cor_buf_fmt(
            &text,
            "container_cpu_usage_seconds_total{container=\"c\",namespace=\"x\",pod=\"p%d\"} "
            "1\n",
            i);
    }
    kl_sample_read(&sample, cor_buf_as_view(&text), (struct cor_wall){1});
    assert_int_equal(sample.count, KL_SAMPLE_CONTAINERS_MAX);
}

static void test_usage(void **state)
{
    (void)state;
    static const struct {
        struct kl_use before, now;
        const char *usage; /* NULL: none */
    } CASES[] = {
        {{1, 1, {1000000}}, {2, 1048576, {3000000}}, "{'cpu':'500m','memory':'1Mi'}"},
        {{1, 1, {1000000}}, {1, 1000, {3000000}}, "{'cpu':'0','memory':'1000'}"},
        {{0, 1, {1000000}}, {0.001234567, 2048, {2000000}}, "{'cpu':'1234567n','memory':'2Ki'}"},
        {{0, 1, {1000000}}, {6, 0, {2000000}}, "{'cpu':'6','memory':'0'}"},
        {{2, 1, {1000000}}, {1, 1, {2000000}}, NULL},  /* began anew */
        {{1, 1, {1000000}}, {2, 1, {1000000}}, NULL},  /* the same moment */
        {{-1, 1, {1000000}}, {2, 1, {2000000}}, NULL}, /* not said */
        {{1, 1, {1000000}}, {2, -1, {2000000}}, NULL},
        {{0, 0, {0}}, {2, 1, {2000000}}, NULL}, /* no sample before */
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        auto_(cor_json_free) struct cor_json *usage = kl_usage(&CASES[i].before, &CASES[i].now);
        if (CASES[i].usage == NULL) {
            assert_null(usage);
        } else {
            expect_json(usage, CASES[i].usage, i);
        }
    }
    assert_null(kl_usage(NULL, &CASES[0].now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_containers_are_bounded),
        cmocka_unit_test(test_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
