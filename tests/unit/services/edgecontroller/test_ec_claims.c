// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/edgecontroller/claims.h"
#include "services/edgecontroller/flow.h"

static void who_has_a_node(void **state)
{
    (void)state;
    static const struct {
        const char *version, *link;
        uint64_t written;
        enum ec_claim_state is;
    } ROWS[] = {
        {"12", "a/1", 10, EC_CLAIM_OURS},  {"12", "b/2", 10, EC_CLAIM_LOST},
        {"10", "b/2", 10, EC_CLAIM_OURS}, /* not newer: the mirror is behind */
        {"9", "", 10, EC_CLAIM_OURS},      {"12", "", 10, EC_CLAIM_NONE},
        {"12", "b/2", 0, EC_CLAIM_LOST}, /* claimed by an earlier life */
        {"12", "a/1", 0, EC_CLAIM_OURS},   {"12", "", 0, EC_CLAIM_NONE},
        {"odd", "b/2", 10, EC_CLAIM_LOST},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *node = cor_json_object();
        struct cor_json *annotations = cor_json_object();
        cor_json_set_at(node, "metadata.resourceVersion", cor_json_str(ROWS[i].version));
        if (ROWS[i].link[0] != '\0') {
            cor_json_set(annotations, EC_CLAIM_LINK, cor_json_str(ROWS[i].link));
        }
        cor_json_set_at(node, "metadata.annotations", annotations);
        assert_int_equal(ec_claim_state(node, "a/1", ROWS[i].written), ROWS[i].is);
    }
}

/* What another replica has committed waits here no more. */
static void what_is_confirmed_is_skipped(void **state)
{
    (void)state;
    static const struct ec_flow_limit LIMIT = {100, 1000};
    struct ec_flow_queue queue;
    size_t bytes = 0;
    ec_flow_init(&queue);
    for (uint64_t seq = 3; seq <= 6; seq++) {
        char topic[] = "t";
        char payload[] = "abc";
        struct ec_upload upload = {.seq = seq, .topic = topic, .payload = payload, .len = 3};
        assert_int_equal(ec_flow_take(&queue, LIMIT, &upload), EC_TAKEN);
    }
    assert_int_equal(ec_flow_skip(&queue, 2, &bytes), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(ec_flow_skip(&queue, 4, &bytes), 2);
    assert_int_equal(bytes, 6);
    assert_int_equal(queue.committed, 4);
    assert_int_equal(ec_flow_head(&queue)->seq, 5);
    assert_int_equal(ec_flow_skip(&queue, 99, &bytes), 2);
    assert_null(ec_flow_head(&queue));
    (void)ec_flow_clear(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_a_node),
        cmocka_unit_test(what_is_confirmed_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
