// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/eventbus/topic.h"

static void topics_lead_where_they_should(void **state)
{
    (void)state;
    static const struct {
        const char *topic;
        enum eb_way way;
    } ROWS[] = {
        {"$hw/events/device/default/x/twin/update", EB_TO_TWIN},
        {"$hw/events/node/n1/membership/get", EB_TO_TWIN},
        {"$hw/events/devices/x", EB_TO_CLOUD},
        {"$hw/events/upload/x", EB_TO_CLOUD},
        {"SYS/dis/upload_records", EB_TO_CLOUD},
        {"foo/user/bar", EB_TO_CLOUD},
        {"$SYS/broker/publish/messages/dropped", EB_DROPPED},
        {"$SYS/broker/publish/messages/droppedX", EB_TO_CLOUD},
        {"", EB_NOWHERE},
        {"a/+/b", EB_NOWHERE},
        {"a/#", EB_NOWHERE},
        {"bad\xff", EB_NOWHERE},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(eb_topic_way(cor_view_of(ROWS[i].topic)), ROWS[i].way);
    }
}

static void filters_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        bool good;
    } ROWS[] = {{"a/b", true}, {"+/b", true},   {"a/#", true}, {"#", true},    {"a/#/b", false},
                {"a#", false}, {"a+/b", false}, {"", false},   {"\xff", false}};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(eb_topic_is_filter(cor_view_of(ROWS[i].filter)), ROWS[i].good);
    }
}

static void fixed_subscriptions_are_filters(void **state)
{
    (void)state;
    for (size_t i = 0; i < EB_TOPIC_COUNT; i++) {
        assert_true(eb_topic_is_filter(cor_view_of(EB_TOPICS[i])));
    }
}

static void the_broker_counts_from_its_start(void **state)
{
    static const struct {
        uint64_t before, said, more;
    } rows[] = {{0, 0, 0}, {0, 20, 20}, {20, 50, 30}, {50, 50, 0}, {50, 7, 7}, {7, 0, 0}};
    (void)state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        assert_int_equal(eb_dropped_since(rows[i].before, rows[i].said), rows[i].more);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_lead_where_they_should),
        cmocka_unit_test(filters_are_checked),
        cmocka_unit_test(fixed_subscriptions_are_filters),
        cmocka_unit_test(the_broker_counts_from_its_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
