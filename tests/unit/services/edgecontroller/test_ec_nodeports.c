// SPDX-License-Identifier: Apache-2.0
#include "services/edgecontroller/nodeports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/mem.h"

static void each_node_has_one(void **state)
{
    struct ec_nodeports *ports = ec_nodeports_new(10400, 2);
    (void)state;
    assert_int_equal(ec_nodeports_give(ports, "a"), 10400);
    assert_int_equal(ec_nodeports_give(ports, "b"), 10401);
    assert_int_equal(ec_nodeports_give(ports, "a"), 10400);
    assert_int_equal(ec_nodeports_give(ports, "c"), 0);
    assert_string_equal(ec_nodeports_node(ports, 10401), "b");
    ec_nodeports_gone(ports, "a");
    assert_null(ec_nodeports_node(ports, 10400));
    assert_int_equal(ec_nodeports_give(ports, "c"), 10400);
    ec_nodeports_free(&ports);
}

/* After a restart the API tells who has which. */
static void a_node_keeps_its_own(void **state)
{
    struct ec_nodeports *ports = ec_nodeports_new(10400, 3);
    (void)state;
    ec_nodeports_seen(ports, "b", 10400);
    ec_nodeports_seen(ports, "other", 10400); /* of two the first */
    ec_nodeports_seen(ports, "b", 10402);     /* its own change is not seen yet */
    ec_nodeports_seen(ports, "far", 10003);
    ec_nodeports_seen(ports, "near", 10403);
    ec_nodeports_seen(ports, "low", 10399);
    assert_int_equal(ec_nodeports_give(ports, "other"), 10401);
    assert_int_equal(ec_nodeports_give(ports, "b"), 10400);
    assert_null(ec_nodeports_node(ports, 10402));
    assert_null(ec_nodeports_node(ports, 10403));
    assert_null(ec_nodeports_node(ports, 0));
    ec_nodeports_free(&ports);
}

static void there_may_be_none(void **state)
{
    struct ec_nodeports *ports = ec_nodeports_new(10400, 0);
    (void)state;
    ec_nodeports_seen(ports, "a", 10400);
    assert_int_equal(ec_nodeports_give(ports, "a"), 0);
    assert_null(ec_nodeports_node(ports, 10400));
    ec_nodeports_free(&ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_node_has_one),
        cmocka_unit_test(a_node_keeps_its_own),
        cmocka_unit_test(there_may_be_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
