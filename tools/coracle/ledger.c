// SPDX-License-Identifier: Apache-2.0
// coracle ledger: what became of the messages of each flow, and whether what the origins call
// delivered is what the sinks call accepted.
#include <argp.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/clock/clock.h"
#include "coracle.h"

enum { OPT_RUN = 256, OPT_WAIT, PAUSE_MS = 100 };

struct options {
    const char *run;
    bool json, check;
    int64_t wait_s;
};

static const struct argp_option OPTIONS[] = {
    {"output", 'o', "FORMAT", 0, "table (default): one line a flow; json: every stream", 0},
    {"check", 'c', NULL, 0, "Add up; exit code 1 when a message is missing", 0},
    {"wait", OPT_WAIT, "SECONDS", 0, "How long messages under way may take to arrive (5)", 0},
    {"run-dir", OPT_RUN, "DIR", 0, "Where the services' sockets are (" CORACLE_RUN ")", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'o':
        if (strcmp(arg, "json") != 0 && strcmp(arg, "table") != 0) {
            argp_error(state, "--output: expected table or json");
        }
        o->json = strcmp(arg, "json") == 0;
        return 0;
    case 'c':
        o->check = true;
        return 0;
    case OPT_WAIT:
        if (!cor_view_i64(cor_view_of(arg), &o->wait_s) || o->wait_s < 0 || o->wait_s > 3600) {
            argp_error(state, "--wait: expected a number from 0 to 3600");
        }
        return 0;
    case OPT_RUN:
        o->run = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument \"%s\"", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char *const COLUMNS[] = {"offered", "refused", "accepted",   "delivered", "stored",
                                      "expired", "dropped", "superseded", "duplicates"};

/* The books of all services: [{"service","folder","balance","rows"}]. Returns owned. */
static struct cor_json *all_books(const char *run)
{
    auto_(tool_services_free) struct tool_services found = {0};
    struct cor_json *list = cor_json_array();
    tool_find(run, &found);
    for (size_t i = 0; i < found.count; i++) {
        struct cor_err err = COR_ERR_NONE;
        struct cor_json *books = coracle_ask(&found.items[i], "ledger", &err);
        if (books != NULL) {
            cor_json_set(books, "folder", cor_json_str(found.items[i].run));
            cor_json_add(list, books);
        }
    }
    return list;
}

static void add_row(struct cor_json *sums, const struct cor_json *books, const struct cor_json *row)
{
    auto_(cor_freep) char *key = cor_sprintf(
        "%s %s %s %s", cor_json_str_at(books, "folder", ""), cor_json_str_at(row, "flow", ""),
        cor_json_str_at(row, "role", ""), cor_json_str_at(books, "service", ""));
    struct cor_json *sum = cor_json_get(sums, key);
    if (sum == NULL) {
        static const char *const SAME[] = {"flow", "role", "durable"};
        sum = cor_json_object();
        cor_json_set(sum, "folder", cor_json_ref(cor_json_get(books, "folder")));
        cor_json_set(sum, "service", cor_json_ref(cor_json_get(books, "service")));
        for (size_t i = 0; i < COR_COUNT(SAME); i++) {
            cor_json_set(sum, SAME[i], cor_json_ref(cor_json_get(row, SAME[i])));
        }
        cor_json_set(sums, key, sum);
    }
    for (size_t i = 0; i < COR_COUNT(COLUMNS); i++) {
        cor_json_set(sum, COLUMNS[i],
                     cor_json_int(cor_json_int_at(sum, COLUMNS[i], 0) +
                                  cor_json_int_at(row, COLUMNS[i], 0)));
    }
    cor_json_set(
        sum, "balance",
        cor_json_int(cor_json_int_at(sum, "balance", 0) + cor_json_int_at(row, "balance", 0)));
}

/* Sums by service, flow and role. Returns owned. */
static struct cor_json *sum_up(const struct cor_json *list)
{
    struct cor_json *sums = cor_json_object();
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *books = cor_json_item(list, i);
        const struct cor_json *rows = cor_json_get(books, "rows");
        for (size_t r = 0; r < cor_json_count(rows); r++) {
            add_row(sums, books, cor_json_item(rows, r));
        }
    }
    return sums;
}

/* The other end of a flow in the same folder, when both ends keep their counters. NULL: none. */
static const struct cor_json *other_end(struct cor_json *sums, const struct cor_json *origin)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *sum = NULL;
    while (cor_json_each(sums, &at, &key, &sum)) {
        if (strcmp(cor_json_str_at(sum, "role", ""), "sink") == 0 &&
            cor_json_equal(cor_json_get(sum, "flow"), cor_json_get(origin, "flow")) &&
            cor_json_equal(cor_json_get(sum, "folder"), cor_json_get(origin, "folder")) &&
            cor_json_bool_at(sum, "durable", false)) {
            return sum;
        }
    }
    return NULL;
}

/* Appends what is wrong, a line each. */
static void find_wrongs(struct cor_json *sums, struct cor_buf *wrongs)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *sum = NULL;
    while (cor_json_each(sums, &at, &key, &sum)) {
        const char *flow = cor_json_str_at(sum, "flow", "");
        const char *service = cor_json_str_at(sum, "service", "");
        int64_t balance = cor_json_int_at(sum, "balance", 0);
        if (balance != 0) {
            cor_buf_fmt(wrongs, "%s: the books of %s are off by %" PRId64 "\n", flow, service,
                        balance);
        }
        bool is_origin = strcmp(cor_json_str_at(sum, "role", ""), "origin") == 0 &&
                         cor_json_bool_at(sum, "durable", false);
        const struct cor_json *end = is_origin ? other_end(sums, sum) : NULL;
        int64_t delivered = cor_json_int_at(sum, "delivered", 0);
        if (end != NULL && delivered != cor_json_int_at(end, "accepted", 0)) {
            cor_buf_fmt(wrongs, "%s: %s has delivered %" PRId64 ", %s has accepted %" PRId64 "\n",
                        flow, service, delivered, cor_json_str_at(end, "service", ""),
                        cor_json_int_at(end, "accepted", 0));
        }
    }
}

static void print_table(struct cor_json *sums)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *sum = NULL;
    (void)printf("%-20s %-15s %-7s", "FLOW", "SERVICE", "ROLE");
    for (size_t i = 0; i < COR_COUNT(COLUMNS); i++) {
        (void)printf(" %10s", COLUMNS[i]);
    }
    (void)printf(" %8s\n", "balance");
    while (cor_json_each(sums, &at, &key, &sum)) {
        (void)printf("%-20s %-15s %-7s", cor_json_str_at(sum, "flow", ""),
                     cor_json_str_at(sum, "service", ""), cor_json_str_at(sum, "role", ""));
        for (size_t i = 0; i < COR_COUNT(COLUMNS); i++) {
            (void)printf(" %10" PRId64, cor_json_int_at(sum, COLUMNS[i], 0));
        }
        (void)printf(" %8" PRId64 "\n", cor_json_int_at(sum, "balance", 0));
    }
}

/* What was under way when one end was asked may have arrived when the other is. */
static int check(const struct options *o)
{
    struct cor_mono end = cor_mono_add(cor_mono_now(), COR_SEC(o->wait_s));
    for (;;) {
        auto_(cor_buf_free) struct cor_buf wrongs = {0};
        auto_(cor_json_free) struct cor_json *list = all_books(o->run);
        auto_(cor_json_free) struct cor_json *sums = sum_up(list);
        if (cor_json_count(list) == 0) {
            (void)fprintf(stderr, "coracle: ledger: no service under %s keeps books\n", o->run);
            return EXIT_FAILED;
        }
        find_wrongs(sums, &wrongs);
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

int coracle_ledger(int argc, char **argv)
{
    static const char DOC[] =
        "Shows what became of the messages of each flow: offered = accepted + refused, and "
        "accepted = delivered + stored + expired + dropped + superseded."
        "\vWith --check the ends of each flow on a node are compared: what its origin calls "
        "delivered its sink calls accepted.";
    struct options o = {.run = CORACLE_RUN, .wait_s = 5};
    const struct argp argp = {OPTIONS, parse_option, NULL, DOC, NULL, NULL, NULL};
    static char name[] = "coracle ledger"; /* argp prints it, and wants it writable */
    argv[0] = name;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (o.check) {
        return check(&o);
    }
    auto_(cor_json_free) struct cor_json *list = all_books(o.run);
    auto_(cor_json_free) struct cor_json *sums = sum_up(list);
    if (o.json) {
        auto_(cor_buf_free) struct cor_buf out = {0};
        cor_json_write_pretty(list, &out);
        (void)printf("%s\n", cor_buf_as_view(&out).ptr);
    } else {
        print_table(sums);
    }
    return EXIT_DONE;
}
