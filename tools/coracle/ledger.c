// SPDX-License-Identifier: Apache-2.0
// coracle ledger: what became of the messages of each flow, and whether what the origins call
// delivered is what the sinks call accepted.
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/clock/clock.h"
#include "coracle.h"
#include "tools/books/books.h"

enum { PAUSE_MS = 100 };

struct options {
    struct coracle_said said;
    bool check;
    int64_t wait_s;
};

static const struct coracle_option OPTIONS[] = {
    CORACLE_OUTPUT_ROW("table wide json",
                       "table (default): one line a flow; wide, json: every stream"),
    CORACLE_FLAG_ROW(check, 'c', "check", "Add up; exit code 1 when a message is missing"),
    CORACLE_NUMBER_ROW(wait_s, 0, "wait", "SECONDS", 0, 3600,
                       "How long messages under way may take to arrive (5)"),
    CORACLE_SOCKETS_ROW,
    {0},
};

static int by_rank(const void *left, const void *right)
{
    const struct tool_service *a = left;
    const struct tool_service *b = right;
    return tool_books_rank(a->name) - tool_books_rank(b->name);
}

struct cor_json *coracle_books(const char *run)
{
    auto_(tool_services_free) struct tool_services found = {0};
    struct cor_json *list = cor_json_array();
    tool_find(run, &found);
    if (found.count > 1) {
        qsort(found.items, found.count, sizeof(*found.items), by_rank);
    }
    for (size_t i = 0; i < found.count; i++) {
        struct cor_err err = COR_ERR_NONE;
        struct cor_json *books =
            coracle_ask(&found.items[i], "ledger", NULL, CORACLE_TELL_MS, &err);
        if (books != NULL) { /* not every service of every version keeps them */
            cor_json_set(books, "folder", cor_json_str(found.items[i].run));
            cor_json_add(list, books);
        }
    }
    return list;
}

/* The numbers of a row or a sum, and the end of the line. */
static void print_numbers(const struct cor_json *row)
{
    const char *column = NULL;
    for (size_t i = 0; (column = tool_books_column(i)) != NULL; i++) {
        (void)printf(" %10" PRId64, cor_json_int_at(row, column, 0));
    }
    (void)printf(" %8" PRId64 "\n", cor_json_int_at(row, "balance", 0));
}

static void print_head(bool wide)
{
    const char *column = NULL;
    (void)printf("%-18s %-15s %-7s", "FLOW", "SERVICE", "ROLE");
    if (wide) {
        (void)printf(" %-40s", "STREAM");
    }
    for (size_t i = 0; (column = tool_books_column(i)) != NULL; i++) {
        (void)printf(" %10s", column);
    }
    (void)printf(" %8s\n", "balance");
}

static void print_who(const struct cor_json *row, const char *service)
{
    (void)printf("%-18s %-15s %-7s", cor_json_str_at(row, "flow", ""), service,
                 cor_json_str_at(row, "role", ""));
}

static void print_table(const struct cor_json *list)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *sum = NULL;
    auto_(cor_json_free) struct cor_json *sums = tool_books_sum(list);
    print_head(false);
    while (cor_json_each(sums, &at, &key, &sum)) {
        print_who(sum, cor_json_str_at(sum, "service", ""));
        print_numbers(sum);
    }
}

static void print_wide(const struct cor_json *list)
{
    print_head(true);
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *books = cor_json_item(list, i);
        const struct cor_json *rows = cor_json_get(books, "rows");
        for (size_t r = 0; r < cor_json_count(rows); r++) {
            const struct cor_json *row = cor_json_item(rows, r);
            print_who(row, cor_json_str_at(books, "service", ""));
            (void)printf(" %-40s", cor_json_str_at(row, "stream", ""));
            print_numbers(row);
        }
    }
}

/* What was under way when one end was asked may have arrived when the other is. */
static int check(const struct options *o)
{
    struct cor_mono end = cor_mono_add(cor_mono_now(), COR_SEC(o->wait_s));
    for (;;) {
        auto_(cor_buf_free) struct cor_buf wrongs = {0};
        auto_(cor_json_free) struct cor_json *list = coracle_books(o->said.run);
        auto_(cor_json_free) struct cor_json *sums = tool_books_sum(list);
        if (cor_json_count(list) == 0) {
            (void)fprintf(stderr, "coracle: ledger: no service under %s keeps books\n",
                          o->said.run);
            return EXIT_FAILED;
        }
        tool_books_check(list, &wrongs);
        if (wrongs.len == 0) {
            (void)printf("balanced: %zu flows of %zu services\n", cor_json_count(sums),
                         cor_json_count(list));
            return EXIT_DONE;
        }
        if (cor_mono_since(end, cor_mono_now()) <= 0) {
            (void)printf("%s", wrongs.data);
            return EXIT_FAILED;
        }
        (void)poll(NULL, 0, PAUSE_MS);
    }
}

static int run(int argc, char **argv)
{
    struct options o = {.said.run = CORACLE_RUN, .wait_s = 5};
    coracle_read(&coracle_ledger, argc, argv, &o);
    if (o.check) {
        return check(&o);
    }
    auto_(cor_json_free) struct cor_json *list = coracle_books(o.said.run);
    if (o.said.format == CORACLE_WIDE) {
        print_wide(list);
    } else if (!coracle_print(list, o.said.format)) {
        print_table(list);
    }
    return EXIT_DONE;
}

const struct coracle_command coracle_ledger = {
    .name = "ledger",
    .summary = "what became of all messages; whether any is missing",
    .doc =
        "Shows what became of the messages of each flow: offered = accepted + refused, and "
        "accepted = delivered + stored + expired + dropped + superseded."
        "\vCounters of origins and stores outlive their process, those of hops begin with it. Of a "
        "hop, received and passed tell what came in and what was passed on; accepted is what it "
        "has confirmed, delivered what was confirmed to it. With --check the ends of each flow on "
        "a node are compared (what its origin calls delivered its sink calls accepted), and all "
        "that a stream passes: none may have been told that more is confirmed than the next one "
        "has.",
    .options = OPTIONS,
    .run = run,
};
