// SPDX-License-Identifier: Apache-2.0
// The rules by which twins change, and the JSON around them (KubeEdge edge/pkg/devicetwin).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/devicetwin/payload.h"
#include "services/devicetwin/topic.h"
#include "services/devicetwin/twin.h"

static struct dt_device *device_new(void)
{
    return dt_device_new(COR_VIEW("default/x"), COR_VIEW("x"), COR_VIEW(""));
}

/* Applies an update given as the JSON of "twin"; returns the code. */
static int update(struct dt_device *device, const char *twin, int64_t now_ms)
{
    auto_(cor_json_free) struct cor_json *json = NULL;
    auto_(dt_change_free) struct dt_change change = {0};
    assert_int_equal(cor_json_parse(cor_view_of(twin), 65536, 0, &json, NULL), COR_OK);
    dt_update(device, json, now_ms, &change);
    int code = change.code;
    if (code == 0) {
        dt_apply(device, &change);
    }
    return code;
}

static const struct dt_twin *twin_of(const struct dt_device *device, const char *name)
{
    return cor_map_get(device->twins, cor_view_of(name));
}

static void first_report_adds_a_twin(void **state)
{
    (void)state;
    struct dt_device *device = device_new();
    assert_int_equal(
        update(device,
               "{\"t\":{\"actual\":{\"value\":\"23.5\"},\"metadata\":{\"type\":\"float\"}}}", 1000),
        0);
    const struct dt_twin *t = twin_of(device, "t");
    assert_string_equal(t->actual.value, "23.5");
    assert_int_equal(t->actual.timestamp_ms, 1000);
    assert_int_equal(t->actual.edge, 1);
    assert_int_equal(t->actual.cloud, 0);
    assert_false(t->expected.versioned);
    assert_string_equal(t->type, "float");
    assert_true(t->optional);
    assert_int_equal(t->dirty, 1);
    dt_device_drop(device);
}

static void an_equal_value_counts_as_a_change(void **state)
{
    (void)state;
    struct dt_device *device = device_new();
    static const char UPDATE[] = "{\"t\":{\"actual\":{\"value\":\"1\"}}}";
    assert_int_equal(update(device, UPDATE, 1), 0);
    assert_int_equal(update(device, UPDATE, 2), 0);
    assert_int_equal(twin_of(device, "t")->actual.edge, 2);
    assert_int_equal(twin_of(device, "t")->actual.timestamp_ms, 2);
    dt_device_drop(device);
}

static void wrong_updates_change_nothing(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "null",
        "[]",
        "{\"t\":{\"actual\":{\"value\":\"x\"}}}",
        "{\"t\":{\"actual\":{\"value\":1}}}",
        "{\"t\":{\"actual\":{}}}",
        "{\"t\":{\"expected\":{}}}",
        "{\"t\":5}",
        "{\"t\":{\"actual\":{\"value\":\"2\"}},\"bad key\":{\"actual\":{\"value\":\"2\"}}}",
        "{\"\":{\"actual\":{\"value\":\"2\"}}}",
        "{\"n\":{\"actual\":{\"value\":\"has space\"}}}",
        "{\"n\":{\"actual\":{\"value\":\"2\"},\"metadata\":{\"type\":\"double\"}}}",
        "{\"n\":{\"actual\":{\"value\":\"maybe\"},\"metadata\":{\"type\":\"boolean\"}}}",
        "{\"n\":{\"actual\":{\"value\":\"1.5\"},\"metadata\":{\"type\":\"int\"}}}",
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        struct dt_device *device = device_new();
        assert_int_equal(
            update(device, "{\"t\":{\"actual\":{\"value\":\"1\"},\"metadata\":{\"type\":\"int\"}}}",
                   1),
            0);
        if (update(device, CASES[i], 2) != 400) {
            fail_msg("%s was taken", CASES[i]);
        }
        assert_string_equal(twin_of(device, "t")->actual.value, "1");
        assert_int_equal(twin_of(device, "t")->actual.edge, 1);
        assert_int_equal(cor_map_count(device->twins), 1);
        dt_device_drop(device);
    }
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    static const struct {
        size_t key;
        size_t value;
        int code;
    } ROWS[] = {{128, 512, 0}, {129, 1, 400}, {1, 513, 400}};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct dt_device *device = device_new();
        auto_(cor_freep) char *key = cor_alloc(ROWS[i].key + 1);
        auto_(cor_freep) char *value = cor_alloc(ROWS[i].value + 1);
        memset(key, 'k', ROWS[i].key);
        memset(value, 'v', ROWS[i].value);
        auto_(cor_freep) char *text =
            cor_sprintf("{\"%s\":{\"actual\":{\"value\":\"%s\"}}}", key, value);
        assert_int_equal(update(device, text, 1), ROWS[i].code);
        dt_device_drop(device);
    }
}

static void null_deletes_what_is_optional(void **state)
{
    (void)state;
    struct dt_device *device = device_new();
    assert_int_equal(update(device,
                            "{\"a\":{\"actual\":{\"value\":\"1\"}},"
                            "\"b\":{\"actual\":{\"value\":\"1\"},\"optional\":false}}",
                            1),
                     0);
    assert_int_equal(update(device, "{\"a\":null,\"b\":null,\"c\":null}", 2), 0);
    assert_true(dt_twin_is_deleted(twin_of(device, "a")));
    assert_int_equal(twin_of(device, "a")->actual.edge, 2);
    assert_null(twin_of(device, "a")->actual.value);
    assert_string_equal(twin_of(device, "b")->actual.value, "1");
    assert_null(twin_of(device, "c"));
    assert_int_equal(
        update(device, "{\"a\":{\"actual\":{\"value\":\"7\"},\"metadata\":{\"type\":\"int\"}}}", 3),
        0);
    assert_string_equal(twin_of(device, "a")->type, "int");
    assert_int_equal(twin_of(device, "a")->actual.edge, 3);
    dt_device_drop(device);
}

static void the_cloud_desires(void **state)
{
    (void)state;
    struct dt_device *device = device_new();
    auto_(dt_change_free) struct dt_change change = {0};
    assert_int_equal(dt_desire(device, COR_VIEW("t"), COR_VIEW("30"), "int", 5, &change, NULL),
                     COR_OK);
    dt_apply(device, &change);
    assert_string_equal(twin_of(device, "t")->expected.value, "30");
    assert_int_equal(twin_of(device, "t")->expected.cloud, 1);
    assert_int_equal(dt_desire(device, COR_VIEW("t"), COR_VIEW("30"), "int", 6, &change, NULL),
                     COR_OK);
    assert_null(change.changed);
    assert_int_equal(dt_desire(device, COR_VIEW("t"), COR_VIEW("warm"), "int", 6, &change, NULL),
                     COR_INVALID);
    assert_null(change.changed);
    dt_device_drop(device);
}

static char *delta_of(const struct dt_device *device)
{
    auto_(cor_json_free) struct cor_json *payload = cor_json_object();
    if (!dt_set_delta(device, payload)) {
        return cor_strdup("");
    }
    return cor_json_text(cor_json_get(payload, "delta"));
}

static void delta_names_what_differs(void **state)
{
    (void)state;
    struct dt_device *device = device_new();
    auto_(cor_freep) char *none = delta_of(device);
    assert_string_equal(none, "");
    assert_int_equal(update(device,
                            "{\"s\":{\"expected\":{\"value\":\"on\"}},"
                            "\"t\":{\"expected\":{\"value\":\"1\"},\"actual\":{\"value\":\"1\"}}}",
                            1),
                     0);
    auto_(cor_freep) char *some = delta_of(device);
    assert_string_equal(some, "{\"s\":\"on\"}");
    assert_int_equal(update(device, "{\"s\":{\"actual\":{\"value\":\"on\"}}}", 2), 0);
    auto_(cor_freep) char *again = delta_of(device);
    assert_string_equal(again, "");
    dt_device_drop(device);
}

static void document_has_before_and_after(void **state)
{
    (void)state;
    struct dt_device *device = device_new();
    auto_(cor_json_free) struct cor_json *json = NULL;
    auto_(dt_change_free) struct dt_change change = {0};
    assert_int_equal(update(device, "{\"t\":{\"actual\":{\"value\":\"1\"}}}", 1), 0);
    assert_int_equal(
        cor_json_parse(COR_VIEW("{\"t\":{\"actual\":{\"value\":\"2\"}}}"), 100, 0, &json, NULL),
        COR_OK);
    dt_update(device, json, 2, &change);
    auto_(cor_json_free) struct cor_json *document = dt_msg_document(device, &change);
    auto_(cor_freep) char *text = cor_json_text(document);
    assert_string_equal(
        text, "{\"t\":{\"last\":{\"actual\":{\"value\":\"1\",\"metadata\":{\"timestamp\":1}},"
              "\"optional\":true,\"metadata\":{\"type\":\"string\"}},"
              "\"current\":{\"actual\":{\"value\":\"2\",\"metadata\":{\"timestamp\":2}},"
              "\"optional\":true,\"metadata\":{\"type\":\"string\"}}}}");
    dt_device_drop(device);
}

static void rows_bring_a_twin_back(void **state)
{
    (void)state;
    struct dt_device *device = device_new();
    assert_int_equal(update(device,
                            "{\"t\":{\"expected\":{\"value\":\"2\"},\"actual\":{\"value\":\"1\"},"
                            "\"metadata\":{\"type\":\"int\"},\"optional\":false}}",
                            9),
                     0);
    auto_(cor_json_free) struct cor_json *row = dt_row_of_twin(twin_of(device, "t"));
    struct dt_twin *back = dt_twin_of_row(COR_VIEW("t"), row);
    auto_(cor_json_free) struct cor_json *again = dt_row_of_twin(back);
    assert_true(cor_json_equal(row, again));
    assert_int_equal(back->dirty, 1);
    dt_twin_drop(back);
    dt_device_drop(device);
}

static void topics_name_a_device_and_an_action(void **state)
{
    (void)state;
    static const struct {
        const char *topic;
        enum dt_action action;
        const char *id;
    } ROWS[] = {
        {"$hw/events/device/default/x/twin/update", DT_TWIN_UPDATE, "default/x"},
        {"$hw/events/device/device/events/twin/get", DT_TWIN_GET, "device/events"},
        {"$hw/events/device/default/x/state/update", DT_STATE_UPDATE, "default/x"},
        {"$hw/events/node/n1/membership/get", DT_MEMBERSHIP_GET, "n1"},
        {"$hw/events/device//twin/update", DT_NO_ACTION, ""},
        {"$hw/events/device/x/twin/update", DT_NO_ACTION, ""},
        {"$hw/events/device/a/b/c/twin/update", DT_NO_ACTION, ""},
        {"$hw/events/device/default/x/twin/cloud_updated", DT_NO_ACTION, ""},
        {"$hw/events/device/default/x/twin/update/result", DT_NO_ACTION, ""},
        {"", DT_NO_ACTION, ""},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_view id = COR_VIEW("");
        assert_int_equal(dt_topic_parse(cor_view_of(ROWS[i].topic), &id), ROWS[i].action);
        assert_true(ROWS[i].action == DT_NO_ACTION || cor_view_is(id, ROWS[i].id));
    }
}

static void states_are_known_in_any_case(void **state)
{
    (void)state;
    bool online = false;
    assert_true(dt_state_is_known(COR_VIEW("OnLine"), &online) && online);
    assert_true(dt_state_is_known(COR_VIEW("unhealthy"), &online) && !online);
    assert_false(dt_state_is_known(COR_VIEW("on"), &online));
    assert_false(dt_state_is_known(COR_VIEW(""), &online));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_report_adds_a_twin),
        cmocka_unit_test(an_equal_value_counts_as_a_change),
        cmocka_unit_test(wrong_updates_change_nothing),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(null_deletes_what_is_optional),
        cmocka_unit_test(the_cloud_desires),
        cmocka_unit_test(delta_names_what_differs),
        cmocka_unit_test(document_has_before_and_after),
        cmocka_unit_test(rows_bring_a_twin_back),
        cmocka_unit_test(topics_name_a_device_and_an_action),
        cmocka_unit_test(states_are_known_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
