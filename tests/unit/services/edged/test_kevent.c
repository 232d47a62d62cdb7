// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"
#include "services/edged/kevent.h"

static const struct cor_wall time_1 = {COR_SEC(1000000000)};
static const struct cor_wall time_2 = {COR_SEC(1000000060)};

static const struct kevent_about web = {"Pod", "v1", "default", "web", "u1", "spec.containers{c}"};

static void test_first_and_counted(void **state)
{
    (void)state;
    auto_(kevent_log_free) struct kevent_log *log = kevent_log_new("n1");
    struct kevent first = {0};
    struct kevent again = {0};
    kevent_make(log, &web, true, "BackOff", "Back-off", time_1, &first);
    kevent_make(log, &web, true, "BackOff", "Back-off", time_2, &again);
    assert_true(first.first);
    assert_string_equal(first.key, "default/event/web.de0b6b3a7640000");
    assert_string_equal(cor_json_str_at(first.body, "metadata.name", ""), "web.de0b6b3a7640000");
    assert_string_equal(cor_json_str_at(first.body, "involvedObject.fieldPath", ""),
                        "spec.containers{c}");
    assert_string_equal(cor_json_str_at(first.body, "type", ""), "Warning");
    assert_string_equal(cor_json_str_at(first.body, "source.host", ""), "n1");
    assert_int_equal(cor_json_int_at(first.body, "count", 0), 1);
    assert_false(again.first);
    assert_string_equal(again.key, first.key);
    assert_string_equal(cor_json_str_at(again.body, "event.firstTimestamp", ""),
                        "2001-09-09T01:46:40Z");
    assert_string_equal(cor_json_str_at(again.body, "event.lastTimestamp", ""),
                        "2001-09-09T01:47:40Z");
    assert_string_equal(
        cor_json_str_at(again.body, "patchData", ""),
        "{\"count\":2,\"lastTimestamp\":\"2001-09-09T01:47:40Z\",\"message\":\"Back-off\"}");
    kevent_free(&first);
    kevent_free(&again);
}

static void test_others_are_others(void **state)
{
    (void)state;
    auto_(kevent_log_free) struct kevent_log *log = kevent_log_new("n1");
    static const struct kevent_about node = {"Node", "v1", "", "n1", "n1", ""};
    const struct {
        const struct kevent_about *about;
        const char *reason;
        const char *message;
    } cases[] = {{&web, "A", "x"}, {&web, "A", "y"}, {&web, "B", "x"}, {&node, "A", "x"}};
    char *keys[COR_COUNT(cases)];
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct kevent event = {0};
        kevent_make(log, cases[i].about, false, cases[i].reason, cases[i].message, time_1, &event);
        assert_true(event.first);
        keys[i] = take(&event.key);
        kevent_free(&event);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(keys[i], keys[j]); /* although at the same time */
        }
    }
    assert_int_equal(strncmp(keys[3], "default/event/n1.", 17), 0);
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        cor_free(keys[i]);
    }
}

static void test_forgotten_ones_begin_anew(void **state)
{
    (void)state;
    auto_(kevent_log_free) struct kevent_log *log = kevent_log_new("n1");
    struct kevent event = {0};
    kevent_make(log, &web, false, "A", "x", time_1, &event);
    kevent_forget(log, event.key);
    kevent_free(&event);
    kevent_make(log, &web, false, "A", "x", time_2, &event);
    assert_true(event.first);
    kevent_free(&event);
    for (int i = 0; i < KEVENT_MEMORY; i++) {
        char message[16];
        (void)snprintf(message, sizeof(message), "m%d", i);
        kevent_make(log, &web, false, "A", message, time_2, &event);
        kevent_free(&event);
    }
    kevent_make(log, &web, false, "A", "x", time_2, &event);
    assert_true(event.first);
    kevent_free(&event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_and_counted),
        cmocka_unit_test(test_others_are_others),
        cmocka_unit_test(test_forgotten_ones_begin_anew),
    };
    return cmocka_run_group_tests_name("kevent", tests, NULL, NULL);
}
