// SPDX-License-Identifier: Apache-2.0
#include "tokens.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "ledger.h"
#include "secret.h"

enum { RECORD_MAX = 1024 };

/* NULL: there is none, or it cannot be read. Returns owned. */
static struct cor_json *record_of(const struct cor_json *secret, const char *id)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_json *record = NULL;
    if (!secret_get(secret, id, &text) ||
        cor_json_parse(cor_buf_as_view(&text), RECORD_MAX, 0, &record, NULL) != COR_OK) {
        return NULL;
    }
    return record;
}

static struct cor_wall time_in(const struct cor_json *record, const char *name)
{
    return (struct cor_wall){COR_SEC(cor_json_int_at(record, name, 0))};
}

static const char *state_of(const struct cor_json *ledger, const char *id, int64_t uses,
                            int64_t *left_r)
{
    bool revoked = false;
    int64_t left = uses - ledger_uses(ledger, id, &revoked);
    *left_r = revoked || left < 0 ? 0 : left;
    return revoked ? "revoked" : left > 0 ? "open" : "used";
}

/* Forgets what has expired or cannot be read; returns how many are open. */
static size_t clean(struct cor_json *secret, const struct cor_json *ledger, struct cor_wall now)
{
    struct cor_json *kept = cor_json_object();
    void *at = NULL;
    const char *id = NULL;
    struct cor_json *value = NULL;
    size_t open = 0;
    while (cor_json_each(cor_json_get(secret, "data"), &at, &id, &value)) {
        auto_(cor_json_free) struct cor_json *record = record_of(secret, id);
        int64_t left = 0;
        if (record != NULL && time_in(record, "expires").us > now.us) {
            (void)state_of(ledger, id, cor_json_int_at(record, "uses", 1), &left);
            open += left > 0 ? 1 : 0;
            cor_json_set(kept, id, cor_json_ref(value));
        }
    }
    cor_json_set(secret, "data", kept);
    return open;
}

enum cor_code tokens_add(struct cor_json *secret, const struct token *token, struct cor_wall now,
                         const struct cor_json *ledger, size_t most)
{
    auto_(cor_json_free) struct cor_json *record = cor_json_object();
    if (clean(secret, ledger, now) >= most) {
        return COR_BUSY;
    }
    cor_json_set(record, "node", cor_json_str(token->node == NULL ? "" : token->node));
    cor_json_set(record, "created", cor_json_int(now.us / 1000000));
    cor_json_set(record, "expires", cor_json_int(token->until.us / 1000000));
    cor_json_set(record, "uses", cor_json_int(token->uses));
    auto_(cor_freep) char *text = cor_json_text(record);
    secret_set(secret, token->id, cor_view_of(text));
    return COR_OK;
}

static struct cor_json *row_of(const char *id, const struct cor_json *record,
                               const struct cor_json *ledger)
{
    char created[COR_RFC3339_SIZE];
    char expires[COR_RFC3339_SIZE];
    int64_t left = 0;
    int64_t uses = cor_json_int_at(record, "uses", 1);
    const char *state = state_of(ledger, id, uses, &left);
    struct cor_json *row = cor_json_object();
    cor_wall_format(time_in(record, "created"), created);
    cor_wall_format(time_in(record, "expires"), expires);
    cor_json_set(row, "id", cor_json_str(id));
    cor_json_set(row, "node", cor_json_str(cor_json_str_at(record, "node", "")));
    cor_json_set(row, "created", cor_json_str(created));
    cor_json_set(row, "expires", cor_json_str(expires));
    cor_json_set(row, "uses", cor_json_int(uses));
    cor_json_set(row, "left", cor_json_int(left));
    cor_json_set(row, "state", cor_json_str(state));
    return row;
}

/* Times of this form sort as text; of one second, by id. */
static int by_age(const void *a, const void *b)
{
    const struct cor_json *x = *(struct cor_json *const *)a;
    const struct cor_json *y = *(struct cor_json *const *)b;
    int order = strcmp(cor_json_str_at(x, "created", ""), cor_json_str_at(y, "created", ""));
    return order != 0 ? order : strcmp(cor_json_str_at(x, "id", ""), cor_json_str_at(y, "id", ""));
}

struct cor_json *tokens_list(const struct cor_json *secret, const struct cor_json *ledger,
                             struct cor_wall now)
{
    const struct cor_json *data = cor_json_get(secret, "data");
    size_t most = cor_json_count(data);
    size_t count = 0;
    auto_(cor_freep) struct cor_json **rows = cor_calloc(most + 1, sizeof(struct cor_json *));
    void *at = NULL;
    const char *id = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(data, &at, &id, &value)) {
        auto_(cor_json_free) struct cor_json *record = record_of(secret, id);
        if (record != NULL && time_in(record, "expires").us > now.us) {
            rows[count++] = row_of(id, record, ledger);
        }
    }
    qsort(rows, count, sizeof(*rows), by_age);
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < count; i++) {
        cor_json_add(list, rows[i]);
    }
    return list;
}

enum cor_code tokens_find(const struct cor_json *secret, struct cor_view text, struct cor_wall now,
                          char **id_r, struct cor_wall *until_r)
{
    void *at = NULL;
    const char *id = NULL;
    struct cor_json *value = NULL;
    *id_r = NULL;
    while (cor_json_each(cor_json_get(secret, "data"), &at, &id, &value)) {
        auto_(cor_json_free) struct cor_json *record = record_of(secret, id);
        bool begins = text.len > 0 && strncmp(id, text.ptr, text.len) == 0;
        if (!begins || record == NULL || time_in(record, "expires").us <= now.us) {
            continue;
        }
        if (*id_r != NULL) {
            cor_freep(id_r);
            return COR_CONFLICT;
        }
        *id_r = cor_strdup(id);
        *until_r = time_in(record, "expires");
    }
    return *id_r == NULL ? COR_NOTFOUND : COR_OK;
}
