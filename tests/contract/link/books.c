// SPDX-License-Identifier: Apache-2.0
// What both hubs say of what passed through them.
#include <stdio.h>

#include "tests/contract/link/harness.h"
#include "tools/ctl/ctl.h"

struct cor_json *bench_ask(const struct bench *bench, const char *hub, const char *verb)
{
    enum { ASK_MS = 30000 };
    bool is_edge = strcmp(hub, "edgehub") == 0;
    auto_(cor_freep) char *path = is_edge ? cor_sprintf("%s/ctl/edgehub", bench->run_dir)
                                          : cor_sprintf("%s/run/ctl/cloudhub", bench->cloud->dir);
    struct cor_json *json = NULL;
    enum cor_code code = tool_ask_json(path, verb, COR_VIEW("{}"), ASK_MS, &json, NULL);
    assert_int_not_equal(code, COR_INVALID); /* it does not answer, or with JSON */
    return json;
}

struct cor_json *bench_books(const struct bench *bench, const char *hub)
{
    return bench_ask(bench, hub, "ledger");
}

struct wanted {
    const struct bench *bench;
    const char *hub, *flow, *stream, *column;
    int64_t value;
};

static bool is_counted(void *arg)
{
    const struct wanted *wanted = arg;
    auto_(cor_json_free) struct cor_json *books = bench_books(wanted->bench, wanted->hub);
    const struct cor_json *rows = cor_json_get(books, "rows");
    for (size_t i = 0; i < cor_json_count(rows); i++) {
        const struct cor_json *row = cor_json_item(rows, i);
        if (strcmp(cor_json_str_at(row, "flow", ""), wanted->flow) == 0 &&
            cor_view_ends(cor_view_of(cor_json_str_at(row, "stream", "")), wanted->stream) &&
            cor_json_int_at(row, wanted->column, 0) == wanted->value) {
            return true;
        }
    }
    return false;
}

void bench_counted(struct bench *bench, const char *hub, const char *flow, const char *stream,
                   const char *column, int64_t value)
{
    struct wanted wanted = {bench, hub, flow, stream, column, value};
    struct cor_mono end = cor_mono_add(cor_mono_now(), COR_SEC(30));
    while (!is_counted(&wanted)) {
        if (cor_mono_since(cor_mono_now(), end) > 0) {
            auto_(cor_json_free) struct cor_json *books = bench_books(bench, hub);
            auto_(cor_freep) char *text = cor_json_text(books);
            fail_msg("no row of %s with %s=%ld: %s", flow, column, (long)value, text);
        }
        bench_run(bench, COR_MS(20));
    }
}

void bench_check_books(const struct bench *bench)
{
    static const char *const HUBS[] = {"edgehub", "cloudhub"};
    for (size_t i = 0; i < COR_COUNT(HUBS); i++) {
        auto_(cor_json_free) struct cor_json *books = bench_books(bench, HUBS[i]);
        if (books != NULL && cor_json_int_at(books, "balance", -1) != 0) {
            auto_(cor_freep) char *text = cor_json_text(books);
            fail_msg("the books of %s do not balance: %s", HUBS[i], text);
        }
    }
}
