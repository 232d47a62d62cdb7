// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/kubelite/bind.h"
#include "tests/support/text/text.h"

#define VOLUME(name, more)                                                                         \
    "{'metadata':{'name':'" name "'},'spec':{'capacity':{'storage':'2Gi'},'accessModes':["         \
    "'ReadWriteOnce']" more "}}"
#define CLAIM(more)                                                                                \
    "{'metadata':{'name':'data','namespace':'default','uid':'c1'},'spec':{'accessModes':["         \
    "'ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}}" more "}}"
#define SMALL                                                                                      \
    "{'metadata':{'name':'s'},'spec':{'capacity':{'storage':'1500Mi'},'accessModes':['"            \
    "ReadWriteOnce']}}"

static void test_find(void **state)
{
    (void)state;
    static const struct {
        const char *claim;
        const char *volumes;
        size_t which; /* count: none */
    } cases[] = {
        {CLAIM(""), "[]", 0},
        {CLAIM(""), "[" VOLUME("a", "") "]", 0},
        {CLAIM(""), "[" VOLUME("a", "") "," SMALL "]", 1},
        {CLAIM(",'storageClassName':'x'"), "[" VOLUME("a", "") "]", 1},
        {CLAIM(",'storageClassName':'x'"), "[" VOLUME("a", ",'storageClassName':'x'") "]", 0},
        {CLAIM(",'volumeMode':'Block'"), "[" VOLUME("a", "") "]", 1},
        {CLAIM(",'volumeName':'b'"), "[" VOLUME("a", "") "," VOLUME("b", "") "]", 1},
        {CLAIM(",'volumeName':'z'"), "[" VOLUME("a", "") "]", 1},
        {CLAIM(",'selector':{}"), "[" VOLUME("a", "") "]", 1},
        {CLAIM(""),
         "[" SMALL "," VOLUME("a", ",'claimRef':{'namespace':'default','name':'data'}") "]", 1},
        {CLAIM(""),
         "[" VOLUME("a", ",'claimRef':{'namespace':'default','name':'data','uid':'c0'}") "]", 1},
        {CLAIM(""), "[" VOLUME("a", ",'claimRef':{'namespace':'other','name':'data'}") "]", 1},
        {"{'metadata':{'name':'d','namespace':'n','uid':'c'},'spec':{'accessModes':["
         "'ReadWriteMany'],'resources':{'requests':{'storage':'1Gi'}}}}",
         "[" VOLUME("a", "") "]", 1},
        {"{'metadata':{'name':'d','namespace':'n','uid':'c'},'spec':{'accessModes':["
         "'ReadWriteOnce'],'resources':{'requests':{'storage':'3Gi'}}}}",
         "[" VOLUME("a", "") "]", 1},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *claim = test_json(cases[i].claim);
        auto_(cor_json_free) struct cor_json *volumes = test_json(cases[i].volumes);
        size_t which = kl_bind_find(claim, volumes);
        if (which != cases[i].which) {
            fail_msg("case %zu: %zu", i, which);
        }
    }
}

static void test_bind_and_phases(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *claims = test_json("[" CLAIM("") "]");
    auto_(cor_json_free) struct cor_json *volumes = test_json("[" VOLUME("a", "") "]");
    auto_(cor_json_free) struct cor_json *none = cor_json_array();
    struct cor_json *claim = cor_json_item(claims, 0);
    struct cor_json *volume = cor_json_item(volumes, 0);
    cor_json_set_at(claim, "status.phase", cor_json_str("Pending"));
    assert_string_equal(kl_claim_phase(claim, volumes), "Pending");
    assert_string_equal(kl_volume_phase(volume, claims), "Available");
    kl_bind(claim, volume);
    assert_string_equal(kl_claim_phase(claim, volumes), "Bound");
    assert_string_equal(kl_volume_phase(volume, claims), "Bound");
    assert_string_equal(cor_json_str_at(claim, "spec.volumeName", ""), "a");
    assert_string_equal(cor_json_str_at(claim, "status.capacity.storage", ""), "2Gi");
    assert_string_equal(cor_json_str_at(volume, "spec.claimRef.uid", ""), "c1");
    assert_string_equal(kl_claim_phase(claim, none), "Lost");
    assert_string_equal(kl_volume_phase(volume, none), "Released");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_bind_and_phases),
    };
    return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}
