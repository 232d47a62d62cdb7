// SPDX-License-Identifier: Apache-2.0
#include "tools/books/books.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"

static const char *const COLUMNS[] = {"received", "passed",     "offered",    "refused",
                                      "accepted", "delivered",  "stored",     "expired",
                                      "dropped",  "superseded", "duplicates", "repeats"};

const char *tool_books_column(size_t i)
{
    return i < COR_COUNT(COLUMNS) ? COLUMNS[i] : NULL;
}

/* The way up: who is asked first. */
int tool_books_rank(const char *service)
{
    static const char *const WAY[] = {"devicetwin", "eventbus", "edged",         "metamanager",
                                      "edgehub",    "cloudhub", "edgecontroller"};
    for (size_t i = 0; i < COR_COUNT(WAY); i++) {
        if (strcmp(service, WAY[i]) == 0) {
            return (int)i;
        }
    }
    return (int)COR_COUNT(WAY);
}

/* ---- sums ---- */

static struct cor_json *sum_of(struct cor_json *sums, const struct cor_json *books,
                               const struct cor_json *row)
{
    static const char *const SAME[] = {"flow", "role", "durable"};
    auto_(cor_freep) char *key = cor_sprintf(
        "%s %s %s %s", cor_json_str_at(books, "folder", ""), cor_json_str_at(row, "flow", ""),
        cor_json_str_at(row, "role", ""), cor_json_str_at(books, "service", ""));
    struct cor_json *sum = cor_json_get(sums, key);
    if (sum != NULL) {
        return sum;
    }
    sum = cor_json_object();
    cor_json_set(sum, "folder", cor_json_ref(cor_json_get(books, "folder")));
    cor_json_set(sum, "service", cor_json_ref(cor_json_get(books, "service")));
    for (size_t i = 0; i < COR_COUNT(SAME); i++) {
        cor_json_set(sum, SAME[i], cor_json_ref(cor_json_get(row, SAME[i])));
    }
    cor_json_set(sums, key, sum);
    return sum;
}

static void add(struct cor_json *sum, const struct cor_json *row, const char *column)
{
    cor_json_set(sum, column,
                 cor_json_int(cor_json_int_at(sum, column, 0) + cor_json_int_at(row, column, 0)));
}

struct cor_json *tool_books_sum(const struct cor_json *list)
{
    struct cor_json *sums = cor_json_object();
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *books = cor_json_item(list, i);
        const struct cor_json *rows = cor_json_get(books, "rows");
        for (size_t r = 0; r < cor_json_count(rows); r++) {
            const struct cor_json *row = cor_json_item(rows, r);
            struct cor_json *sum = sum_of(sums, books, row);
            for (size_t c = 0; c < COR_COUNT(COLUMNS); c++) {
                add(sum, row, COLUMNS[c]);
            }
            add(sum, row, "balance");
        }
    }
    return sums;
}

/* ---- the ends of a flow ---- */

static bool has_role(const struct cor_json *row, const char *role)
{
    return strcmp(cor_json_str_at(row, "role", ""), role) == 0;
}

/* The other end of a flow in the same folder, when both ends keep their counters. NULL: none. */
static const struct cor_json *other_end(struct cor_json *sums, const struct cor_json *origin)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *sum = NULL;
    while (cor_json_each(sums, &at, &key, &sum)) {
        if (has_role(sum, "sink") &&
            cor_json_equal(cor_json_get(sum, "flow"), cor_json_get(origin, "flow")) &&
            cor_json_equal(cor_json_get(sum, "folder"), cor_json_get(origin, "folder")) &&
            cor_json_bool_at(sum, "durable", false)) {
            return sum;
        }
    }
    return NULL;
}

static void check_ends(struct cor_json *sums, struct cor_buf *wrongs)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *sum = NULL;
    while (cor_json_each(sums, &at, &key, &sum)) {
        bool is_origin = has_role(sum, "origin") && cor_json_bool_at(sum, "durable", false);
        const struct cor_json *end = is_origin ? other_end(sums, sum) : NULL;
        int64_t delivered = cor_json_int_at(sum, "delivered", 0);
        if (end != NULL && delivered != cor_json_int_at(end, "accepted", 0)) {
            cor_buf_fmt(wrongs, "%s: %s has delivered %" PRId64 ", %s has accepted %" PRId64 "\n",
                        cor_json_str_at(sum, "flow", ""), cor_json_str_at(sum, "service", ""),
                        delivered, cor_json_str_at(end, "service", ""),
                        cor_json_int_at(end, "accepted", 0));
        }
    }
}

static void check_balances(struct cor_json *sums, struct cor_buf *wrongs)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *sum = NULL;
    while (cor_json_each(sums, &at, &key, &sum)) {
        int64_t balance = cor_json_int_at(sum, "balance", 0);
        if (balance != 0) {
            cor_buf_fmt(wrongs, "%s: the books of %s are off by %" PRId64 "\n",
                        cor_json_str_at(sum, "flow", ""), cor_json_str_at(sum, "service", ""),
                        balance);
        }
    }
}

/* ---- the places of a stream along its way ---- */

struct place {
    const char *flow, *incarnation, *stream, *service;
    int rank; /* on the stream's way */
    int64_t place;
};

struct places {
    struct place *items; /* owned */
    size_t count, cap;
};

/* Origin, hops in the order of the way up, sink. */
static int rank_of(const struct cor_json *row, const char *service)
{
    return has_role(row, "origin") ? -1 : has_role(row, "sink") ? 100 : tool_books_rank(service);
}

static void gather(const struct cor_json *books, struct places *places)
{
    const struct cor_json *rows = cor_json_get(books, "rows");
    const char *service = cor_json_str_at(books, "service", "?");
    for (size_t i = 0; i < cor_json_count(rows); i++) {
        const struct cor_json *row = cor_json_item(rows, i);
        const char *incarnation = cor_json_str_at(row, "incarnation", NULL);
        if (incarnation == NULL) {
            continue;
        }
        if (places->count == places->cap) {
            places->cap = places->cap == 0 ? 64 : places->cap * 2;
            places->items = cor_realloc(places->items, places->cap, sizeof(*places->items));
        }
        places->items[places->count++] =
            (struct place){.flow = cor_json_str_at(row, "flow", ""),
                           .incarnation = incarnation,
                           .stream = cor_json_str_at(row, "stream", ""),
                           .service = service,
                           .rank = rank_of(row, service),
                           .place = cor_json_int_at(row, "place", 0)};
    }
}

static int order(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;
    int flow = strcmp(a->flow, b->flow);
    int stream = flow != 0 ? flow : strcmp(a->incarnation, b->incarnation);
    return stream != 0 ? stream : a->rank - b->rank;
}

static bool is_same_stream(const struct place *a, const struct place *b)
{
    return strcmp(a->flow, b->flow) == 0 && strcmp(a->incarnation, b->incarnation) == 0;
}

static void check_places(const struct cor_json *list, struct cor_buf *wrongs)
{
    struct places places = {0};
    for (size_t i = 0; i < cor_json_count(list); i++) {
        gather(cor_json_item(list, i), &places);
    }
    if (places.count > 1) {
        qsort(places.items, places.count, sizeof(*places.items), order);
    }
    for (size_t i = 1; i < places.count; i++) {
        const struct place *told = &places.items[i - 1];
        const struct place *next = &places.items[i];
        if (is_same_stream(told, next) && told->rank != next->rank && told->place > next->place) {
            cor_buf_fmt(wrongs,
                        "%s: %s has confirmed %s to %s up to %" PRId64
                        ", and has itself only %" PRId64 "\n",
                        next->flow, next->service, told->stream, told->service, told->place,
                        next->place);
        }
    }
    cor_free(places.items);
}

void tool_books_alarm(const struct cor_json *list, struct cor_buf *wrongs)
{
    auto_(cor_json_free) struct cor_json *sums = tool_books_sum(list);
    check_balances(sums, wrongs);
    check_places(list, wrongs);
}

void tool_books_check(const struct cor_json *list, struct cor_buf *wrongs)
{
    auto_(cor_json_free) struct cor_json *sums = tool_books_sum(list);
    tool_books_alarm(list, wrongs);
    check_ends(sums, wrongs);
}
