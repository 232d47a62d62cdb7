// SPDX-License-Identifier: Apache-2.0
#include "common/ledger/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/must.h"

/* Rows of one answer, and bytes of names in them: it has to fit into a ctl reply of 1 MiB. */
enum { ACCOUNTS_MAX = 4096, SOURCES_MAX = 8, ROWS_MAX = 2500, NAMES_MAX = 150 * 1024 };

struct account {
    char *flow;   /* owned */
    char *stream; /* owned */
    enum cor_ledger_role role;
    bool shared; /* of several streams */
    struct cor_ledger_counts n;
    struct cor_ledger_place at;
};

struct source {
    void (*fn)(void *self, struct cor_ledger_writer *out);
    void *self;
};

struct cor_ledger {
    const char *service;      /* borrowed */
    uint64_t epoch;           /* of the counters that are not durable */
    struct cor_map *accounts; /* "<role>/<flow>/<stream>" -> struct account, owned */
    struct source sources[SOURCES_MAX];
    size_t source_count;
};

struct cor_ledger_writer {
    struct cor_json *rows;
    struct cor_map *rest; /* "<role>/<flow>" -> struct account: what is beyond ROWS_MAX */
    size_t names;
    uint64_t balance;
};

static void account_free(void *value)
{
    struct account *account = value;
    cor_free(account->flow);
    cor_free(account->stream);
    cor_free(account);
}

int64_t cor_ledger_offer_gap(const struct cor_ledger_counts *n)
{
    return (int64_t)(n->offered - n->accepted - n->refused);
}

int64_t cor_ledger_gap(const struct cor_ledger_counts *n)
{
    return (int64_t)(n->accepted - n->delivered - n->stored - n->expired - n->dropped -
                     n->superseded);
}

void cor_ledger_add(struct cor_ledger_counts *sum, const struct cor_ledger_counts *n)
{
#define X(name) sum->name += n->name;
    COR_LEDGER_COLUMNS(X)
#undef X
}

static struct account *find_or_make(struct cor_map *map, const char *flow,
                                    enum cor_ledger_role role, struct cor_view stream)
{
    auto_(cor_freep) char *key = cor_sprintf("%d/%s/%.*s", (int)role, flow, COR_VIEW_ARG(stream));
    struct account *account = cor_map_get(map, cor_view_of(key));
    if (account == NULL) {
        account = cor_alloc(sizeof(*account));
        account->flow = cor_strdup(flow);
        account->role = role;
        account->stream = cor_view_dup(stream);
        cor_map_set(map, cor_view_of(key), account);
    }
    return account;
}

struct cor_ledger_counts *cor_ledger_account(struct cor_ledger *ledger, const char *flow,
                                             enum cor_ledger_role role, struct cor_view stream)
{
    bool full = cor_map_count(ledger->accounts) >= ACCOUNTS_MAX;
    auto_(cor_freep) char *key = cor_sprintf("%d/%s/%.*s", (int)role, flow, COR_VIEW_ARG(stream));
    bool known = cor_map_get(ledger->accounts, cor_view_of(key)) != NULL;
    bool shared = full && !known;
    struct account *account =
        find_or_make(ledger->accounts, flow, role, shared ? COR_VIEW("others") : stream);
    account->shared = account->shared || shared;
    return &account->n;
}

void cor_ledger_put_place(struct cor_ledger_counts *account, const struct cor_ledger_place *at)
{
    struct account *whole = COR_CONTAINER(account, struct account, n);
    if (!whole->shared) {
        whole->at = *at;
    }
}

void cor_ledger_accept(struct cor_ledger_counts *account, uint64_t count, uint64_t *column)
{
    account->offered += count;
    account->accepted += count;
    *column += count;
}

void cor_ledger_refuse(struct cor_ledger_counts *account, uint64_t count)
{
    account->offered += count;
    account->refused += count;
}

void cor_ledger_source(struct cor_ledger *ledger,
                       void (*fn)(void *self, struct cor_ledger_writer *out), void *self)
{
    must(ledger->source_count < SOURCES_MAX);
    ledger->sources[ledger->source_count++] = (struct source){fn, self};
}

static void write_place(struct cor_json *json, const struct cor_ledger_place *at)
{
    char text[17];
    if (at->incarnation != 0) {
        (void)snprintf(text, sizeof(text), "%016" PRIx64, at->incarnation);
        cor_json_set(json, "incarnation", cor_json_str(text));
        cor_json_set(json, "place", cor_json_int((int64_t)at->place));
    }
}

static void write_row(struct cor_ledger_writer *out, const struct cor_ledger_row *row)
{
    static const char *const ROLES[] = {"origin", "sink", "hop"};
    uint64_t balance =
        (uint64_t)llabs(cor_ledger_offer_gap(&row->n)) + (uint64_t)llabs(cor_ledger_gap(&row->n));
    struct cor_json *json = cor_json_object();
    cor_json_set(json, "flow", cor_json_str(row->flow));
    cor_json_set(json, "role", cor_json_str(ROLES[row->role]));
    cor_json_set(json, "durable", cor_json_bool(row->durable));
    cor_json_set(json, "stream", cor_json_view(row->stream));
#define X(name)                                                                                    \
    if (row->n.name != 0) {                                                                        \
        cor_json_set(json, #name, cor_json_int((int64_t)row->n.name));                             \
    }
    COR_LEDGER_COLUMNS(X)
#undef X
    write_place(json, &row->at);
    cor_json_set(json, "balance", cor_json_int((int64_t)balance));
    cor_json_add(out->rows, json);
    out->balance += balance;
}

void cor_ledger_row(struct cor_ledger_writer *out, const struct cor_ledger_row *row)
{
    if (cor_json_count(out->rows) < ROWS_MAX && out->names + row->stream.len <= NAMES_MAX) {
        out->names += row->stream.len;
        write_row(out, row);
        return;
    }
    /* Gaps of several streams must not cancel out. */
    bool well = cor_ledger_gap(&row->n) == 0 && cor_ledger_offer_gap(&row->n) == 0;
    struct account *rest =
        find_or_make(out->rest, row->flow, row->role, COR_VIEW("(further streams)"));
    cor_ledger_add(&rest->n, &row->n);
    out->balance += well ? 0 : 1;
}

static void write_accounts(struct cor_map *accounts, bool durable, struct cor_ledger_writer *out,
                           void (*write)(struct cor_ledger_writer *, const struct cor_ledger_row *))
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(accounts, &at, NULL, &value)) {
        const struct account *account = value;
        struct cor_ledger_row row = {.flow = account->flow,
                                     .role = account->role,
                                     .durable = durable,
                                     .stream = cor_view_of(account->stream),
                                     .n = account->n,
                                     .at = account->at};
        write(out, &row);
    }
}

struct cor_json *cor_ledger_json(struct cor_ledger *ledger)
{
    struct cor_ledger_writer out = {.rows = cor_json_array(), .rest = cor_map_new(account_free)};
    for (size_t i = 0; i < ledger->source_count; i++) {
        ledger->sources[i].fn(ledger->sources[i].self, &out);
    }
    write_accounts(ledger->accounts, false, &out, cor_ledger_row);
    write_accounts(out.rest, true, &out, write_row);
    cor_map_free(&out.rest);
    struct cor_json *json = cor_json_object();
    cor_json_set(json, "service", cor_json_str(ledger->service));
    cor_json_set(json, "epoch", cor_json_int((int64_t)ledger->epoch));
    cor_json_set(json, "balance", cor_json_int((int64_t)out.balance));
    cor_json_set(json, "rows", out.rows);
    return json;
}

static enum cor_code on_ledger(void *self, struct cor_ctl_in *in, struct cor_view args,
                               struct cor_buf *result, struct cor_err *err)
{
    (void)in;
    (void)args;
    (void)err;
    auto_(cor_json_free) struct cor_json *json = cor_ledger_json(self);
    cor_json_write(json, result);
    return COR_OK;
}

struct cor_ledger *cor_ledger_new(struct cor_bus *bus, const char *service)
{
    static const struct cor_ctl_verb VERBS[] = {
        {"ledger", "what became of the messages of each stream", on_ledger},
    };
    struct cor_ledger *ledger = cor_alloc(sizeof(*ledger));
    ledger->service = service;
    ledger->epoch = bus == NULL ? 0 : cor_bus_boot(bus);
    ledger->accounts = cor_map_new(account_free);
    if (bus != NULL) {
        cor_bus_ctl(bus, VERBS, COR_COUNT(VERBS), ledger);
    }
    return ledger;
}

void cor_ledger_free(struct cor_ledger **ledger)
{
    if (*ledger != NULL) {
        cor_map_free(&(*ledger)->accounts);
        cor_freep(ledger);
    }
}
