// SPDX-License-Identifier: Apache-2.0
// Adding up the books of several services: what is found wrong, and who is named.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "tools/books/books.h"

enum { LINES = 4 };

/* Books of one row. */
struct line {
    const char *service; /* NULL: no more */
    const char *flow;
    enum { ORIGIN, HOP, SINK } role;
    bool durable;
    const char *incarnation; /* NULL: no place */
    int64_t place, accepted, delivered, balance;
};

static struct cor_json *row_of(const struct line *line)
{
    static const char *const ROLES[] = {"origin", "hop", "sink"};
    struct cor_json *row = cor_json_object();
    cor_json_set(row, "flow", cor_json_str(line->flow));
    cor_json_set(row, "role", cor_json_str(ROLES[line->role]));
    cor_json_set(row, "durable", cor_json_bool(line->durable));
    cor_json_set(row, "stream", cor_json_str("topic/a"));
    cor_json_set(row, "accepted", cor_json_int(line->accepted));
    cor_json_set(row, "delivered", cor_json_int(line->delivered));
    cor_json_set(row, "balance", cor_json_int(line->balance));
    if (line->incarnation != NULL) {
        cor_json_set(row, "incarnation", cor_json_str(line->incarnation));
        cor_json_set(row, "place", cor_json_int(line->place));
    }
    return row;
}

static struct cor_json *list_of(const struct line *lines)
{
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < LINES && lines[i].service != NULL; i++) {
        struct cor_json *books = cor_json_object();
        struct cor_json *rows = cor_json_array();
        cor_json_add(rows, row_of(&lines[i]));
        cor_json_set(books, "service", cor_json_str(lines[i].service));
        cor_json_set(books, "folder", cor_json_str("/run/x"));
        cor_json_set(books, "rows", rows);
        cor_json_add(list, books);
    }
    return list;
}

#define UP "uploads"
#define IN "device-messages"

static void whoever_lies_is_named(void **state)
{
    static const struct {
        struct line lines[LINES];
        const char *alarm; /* text that is to be in it; "": nothing is wrong */
        const char *check;
    } ROWS[] = {
        {{{0}}, "", ""},
        {{{"eventbus", UP, ORIGIN, true, "a", 5, 0, 0, 0},
          {"edgehub", UP, HOP, false, "a", 6, 0, 0, 0},
          {"cloudhub", UP, HOP, false, "a", 6, 0, 0, 0},
          {"edgecontroller", UP, SINK, false, "a", 7, 0, 0, 0}},
         "",
         ""},
        /* the order in which services were found does not matter */
        {{{"edgecontroller", UP, SINK, false, "a", 7, 0, 0, 0},
          {"cloudhub", UP, HOP, false, "a", 6, 0, 0, 0},
          {"edgehub", UP, HOP, false, "a", 6, 0, 0, 0},
          {"eventbus", UP, ORIGIN, true, "a", 9, 0, 0, 0}},
         "edgehub has confirmed topic/a to eventbus up to 9, and has itself only 6",
         "edgehub"},
        {{{"eventbus", UP, ORIGIN, true, "a", 9, 0, 0, 0},
          {"edgehub", UP, HOP, false, "a", 9, 0, 0, 0},
          {"cloudhub", UP, HOP, false, "a", 6, 0, 0, 0},
          {"edgecontroller", UP, SINK, false, "a", 6, 0, 0, 0}},
         "cloudhub has confirmed topic/a to edgehub up to 9, and has itself only 6",
         "cloudhub"},
        {{{"eventbus", IN, ORIGIN, true, "a", 9, 0, 0, 0},
          {"devicetwin", IN, SINK, true, "a", 8, 0, 0, 0}},
         "devicetwin has confirmed topic/a to eventbus",
         "devicetwin"},
        {{{"eventbus", UP, ORIGIN, true, "a", 9, 0, 0, 0},
          {"edgehub", UP, HOP, false, "b", 2, 0, 0, 0}},
         "",
         ""},
        {{{"edgehub", "reports", HOP, false, NULL, 0, 3, 1, 2}},
         "reports: the books of edgehub are off by 2",
         "edgehub"},
        {{{"eventbus", IN, ORIGIN, true, NULL, 0, 3, 3, 0},
          {"devicetwin", IN, SINK, true, NULL, 0, 2, 2, 0}},
         "",
         "eventbus has delivered 3, devicetwin has accepted 2"},
        /* counters of another life cannot be compared */
        {{{"eventbus", UP, ORIGIN, true, NULL, 0, 3, 3, 0},
          {"edgecontroller", UP, SINK, false, NULL, 0, 2, 2, 0}},
         "",
         ""},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *list = list_of(ROWS[i].lines);
        auto_(cor_buf_free) struct cor_buf alarm = {0};
        auto_(cor_buf_free) struct cor_buf check = {0};
        tool_books_alarm(list, &alarm);
        tool_books_check(list, &check);
        print_message("%zu: %s", i, alarm.len == 0 ? "-\n" : alarm.data);
        assert_int_equal(alarm.len == 0, ROWS[i].alarm[0] == '\0');
        assert_int_equal(check.len == 0, ROWS[i].check[0] == '\0');
        assert_true(alarm.len == 0 || strstr(alarm.data, ROWS[i].alarm) != NULL);
        assert_true(check.len == 0 || strstr(check.data, ROWS[i].check) != NULL);
    }
}

static void rows_are_summed_by_flow_and_service(void **state)
{
    static const struct line LINES_OF_ONE[LINES] = {
        {"eventbus", UP, ORIGIN, true, NULL, 0, 3, 3, 0},
        {"eventbus", UP, ORIGIN, true, NULL, 0, 4, 1, 3},
        {"eventbus", IN, ORIGIN, true, NULL, 0, 1, 1, 0},
    };
    (void)state;
    auto_(cor_json_free) struct cor_json *list = list_of(LINES_OF_ONE);
    auto_(cor_json_free) struct cor_json *sums = tool_books_sum(list);
    assert_int_equal(cor_json_count(sums), 2);
    const struct cor_json *sum = cor_json_get(sums, "/run/x uploads origin eventbus");
    assert_int_equal(cor_json_int_at(sum, "accepted", 0), 7);
    assert_int_equal(cor_json_int_at(sum, "delivered", 0), 4);
    assert_int_equal(cor_json_int_at(sum, "balance", 0), 3);
    assert_true(tool_books_rank("eventbus") < tool_books_rank("edgehub"));
    assert_true(tool_books_rank("cloudhub") < tool_books_rank("edgecontroller"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_lies_is_named),
        cmocka_unit_test(rows_are_summed_by_flow_and_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
