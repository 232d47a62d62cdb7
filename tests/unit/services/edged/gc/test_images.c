// SPDX-License-Identifier: Apache-2.0
#include "services/edged/gc/images.h"

#include "../fixture.h"

static const struct images_rules RULES = {
    .high_percent = 85, .low_percent = 80, .min_age_us = 120 * 1000000};

static void the_disk_says_how_much(void **state)
{
    (void)state;
    static const struct images_rules NEVER = {.high_percent = 100, .low_percent = 80};
    static const struct {
        int64_t capacity, available, wanted;
    } ROWS[] = {
        {1000, 160, 0},  /* 84 % */
        {1000, 150, 50}, /* 85 %: down to 80 */
        {1000, 0, 200},  /* full */
        {1000, 2000, 0}, /* more than there is */
        {0, 0, 0},       /* unknown */
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(images_to_free(&RULES, ROWS[i].capacity, ROWS[i].available),
                         ROWS[i].wanted);
    }
    assert_int_equal(images_to_free(&NEVER, 1000, 0), 0);
}

#define NAME(text) ((char *)(uintptr_t)(text))

static void the_oldest_use_goes_first(void **state)
{
    (void)state;
    struct cor_mono now = {COR_SEC(1000)};
    struct images_record all[] = {
        {.id = NAME("used lately"), .first = {1}, .used = {COR_SEC(900)}},
        {.id = NAME("in use"), .first = {1}, .used = {COR_SEC(1000)}, .in_use = true},
        {.id = NAME("pause"), .first = {1}, .pinned = true},
        {.id = NAME("used long ago"), .first = {1}, .used = {COR_SEC(800)}},
        {.id = NAME("new"), .first = {COR_SEC(881)}},
        {.id = NAME("never used"), .first = {COR_SEC(880)}},
        {.id = NAME("never used, older"), .first = {COR_SEC(870)}},
    };
    static const size_t ORDER[] = {6, 5, 3, 0, COR_COUNT(all)};
    for (size_t i = 0; i < COR_COUNT(ORDER); i++) {
        size_t next = images_next(&RULES, all, COR_COUNT(all), now);
        assert_int_equal(next, ORDER[i]);
        if (next < COR_COUNT(all)) {
            all[next].failed = true;
        }
    }
}

static void names_are_known_in_all_forms(void **state)
{
    (void)state;
    static const char *const TAGS[] = {"docker.io/library/web:1"};
    static const char *const DIGESTS[] = {"docker.io/library/web@sha256:ab"};
    const struct cri_image image = {
        .id = "sha256:01", .ref = DIGESTS[0], .tags = {TAGS, 1}, .digests = {DIGESTS, 1}};
    assert_true(images_has_name(&image, "web:1"));
    assert_true(images_has_name(&image, "docker.io/library/web:1"));
    assert_true(images_has_name(&image, "sha256:01"));
    assert_true(images_has_name(&image, "docker.io/library/web@sha256:ab"));
    assert_false(images_has_name(&image, "eb:1"));
    assert_false(images_has_name(&image, ""));
    assert_false(images_has_name(&image, NULL));
}

static void the_node_names_the_largest(void **state)
{
    (void)state;
    static const char *const TAGS[] = {"a:1", "a:2", "a:3", "a:4", "a:5", "a:6"};
    const struct cri_image images[] = {{.id = "1", .size = 10, .tags = {TAGS, 1}},
                                       {.id = "2", .size = 30, .tags = {TAGS, 6}},
                                       {.id = "3", .size = 20, .tags = {TAGS, 2}}};
    auto_(cor_json_free) struct cor_json *list = images_of_node(images, COR_COUNT(images), 2);
    auto_(cor_freep) char *text = cor_json_text(list);
    assert_string_equal(text, "[{\"names\":[\"a:1\",\"a:2\",\"a:3\",\"a:4\",\"a:5\"],\"sizeBytes\":"
                              "30},{\"names\":[\"a:1\",\"a:2\"],\"sizeBytes\":20}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_disk_says_how_much),
        cmocka_unit_test(the_oldest_use_goes_first),
        cmocka_unit_test(names_are_known_in_all_forms),
        cmocka_unit_test(the_node_names_the_largest),
    };
    return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
