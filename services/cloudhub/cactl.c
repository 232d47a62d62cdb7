// SPDX-License-Identifier: Apache-2.0
#include "cactl.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "secret.h"
#include "trust.h"

/* Nodes that are named in a refusal. */
enum { NAMED = 4, ARGS_MAX = 65536 };

struct cactl {
    struct cactl_spec spec;
    bool ready;
    struct cor_link written; /* steps that wait until this cloudhub has followed */
};

/* A step that waits for the API. */
struct asked {
    struct cor_link link;
    struct cactl *ctl;
    struct cor_ctl_ticket ticket;
    struct rotation_wish wish;
    bool force;
    enum rotation_phase phase; /* that was written */
    struct cor_err err;        /* why not */
};

struct cactl *cactl_new(const struct cactl_spec *spec)
{
    struct cactl *ctl = cor_alloc(sizeof(*ctl));
    ctl->spec = *spec;
    cor_list_init(&ctl->written);
    return ctl;
}

/* Answers, and forgets it. */
static void asked_end(struct asked *asked)
{
    const struct cactl_spec *spec = &asked->ctl->spec;
    auto_(cor_buf_free) struct cor_buf result = {0};
    if (asked->err.code == COR_OK) {
        cor_buf_fmt(&result, "{\"phase\":\"%s\"}", rotation_phase_name(asked->phase));
    }
    cor_ctl_answer(spec->bus, &asked->ticket, cor_buf_as_view(&result), &asked->err);
    cor_list_del(&asked->link);
    cor_free(asked);
}

void cactl_free(struct cactl **ctl)
{
    if (*ctl != NULL) {
        COR_LIST_EACH (node, &(*ctl)->written) {
            asked_end(COR_LIST_OBJECT(node, struct asked, link));
        }
        cor_freep(ctl);
    }
}

void cactl_followed(struct cactl *ctl)
{
    COR_LIST_EACH (node, &ctl->written) {
        struct asked *asked = COR_LIST_OBJECT(node, struct asked, link);
        asked->phase = authority_rotation(ctl->spec.authority)->phase;
        asked_end(asked);
    }
}

void cactl_begin(struct cactl *ctl)
{
    ctl->ready = true;
}

/* ---- who would be left behind ---- */

static const char *reason_of(enum rotation_step step)
{
    return step == ROTATION_PROMOTE  ? "do not trust the new CA yet"
           : step == ROTATION_FINISH ? "have a certificate of the old CA still"
                                     : "have a certificate of the CA that would be forgotten";
}

static enum cor_code look_at_nodes(const struct asked *asked, const struct rotation *rotation,
                                   struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf names = {0};
    size_t count = 0;
    size_t at = 0;
    struct cor_view node;
    const struct census_row *row = NULL;
    while (!asked->force && census_next(asked->ctl->spec.census, &at, &node, &row)) {
        if (!census_is_against(row, rotation, &asked->wish)) {
            continue;
        }
        if (count++ < NAMED) {
            cor_buf_fmt(&names, "%s%.*s", count > 1 ? ", " : "",
                        (int)(node.len < 24 ? node.len : 24), node.ptr);
        }
    }
    return count == 0
               ? COR_OK
               : cor_err_set(err, COR_CONFLICT, "%zu nodes %s: %s%s", count,
                             reason_of(asked->wish.step), names.data, count > NAMED ? ", ..." : "");
}

/* ---- steps ---- */

static enum cor_code decide(struct asked *asked, const struct cor_json *found,
                            struct cor_json *secret, struct cor_err *err)
{
    auto_(rotation_free) struct rotation rotation = {0};
    const char *version = cor_json_str_at(found, "metadata.resourceVersion", "");
    enum cor_code code = rotation_read(found, &rotation, err);
    if (code == COR_OK && strcmp(version, authority_version(asked->ctl->spec.authority)) != 0) {
        authority_reload(asked->ctl->spec.authority);
        code = cor_err_set(err, COR_RETRY, "the CA is just being changed; see again in a moment");
    }
    if (code == COR_OK) {
        code = rotation_allows(&rotation, asked->wish.step, err);
    }
    if (code == COR_OK) {
        code = look_at_nodes(asked, &rotation, err);
    }
    if (code == COR_OK) {
        asked->wish.current = authority_face(asked->ctl->spec.authority);
        asked->wish.now = cor_wall_now();
        code = rotation_take(&rotation, &asked->wish, secret, err);
    }
    return code;
}

static enum vault_next change(void *self, struct cor_json *secret)
{
    struct asked *asked = self;
    auto_(rotation_free) struct rotation after = {0};
    auto_(cor_json_free) struct cor_json *found = cor_json_copy(secret);
    asked->err = COR_ERR_NONE;
    if (decide(asked, found, secret, &asked->err) != COR_OK ||
        rotation_read(secret, &after, &asked->err) != COR_OK) {
        return VAULT_DENY;
    }
    asked->phase = after.phase;
    return VAULT_WRITE;
}

static void on_written(void *self, enum cor_code code)
{
    struct asked *asked = self;
    const struct cactl_spec *spec = &asked->ctl->spec;
    if (code != COR_OK) {
        if (code == COR_RETRY) {
            (void)cor_err_set(&asked->err, code, "the Kubernetes API does not answer; try again");
        }
        asked_end(asked);
        return;
    }
    LOGW(spec->log, "hub.ca.step", "phase=%s force=%d", rotation_phase_name(asked->phase),
         asked->force);
    cor_list_add(&asked->ctl->written, &asked->link);
    authority_reload(spec->authority);
}

static enum cor_code read_wish(struct cor_view args, struct rotation_wish *wish, bool *force_r,
                               struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *tree = NULL;
    enum cor_code code =
        cor_json_parse(args.len == 0 ? COR_VIEW("{}") : args, ARGS_MAX, 0, &tree, err);
    if (code != COR_OK) {
        return code;
    }
    wish->within_s = cor_json_int_at(tree, "withinSeconds", TRUST_WITHIN_S);
    wish->keep = cor_json_bool_at(tree, "renewOnly", false);
    *force_r = cor_json_bool_at(tree, "force", false);
    return wish->within_s >= 1 && wish->within_s <= ROTATION_WITHIN_MAX_S
               ? COR_OK
               : cor_err_set(err, COR_INVALID, "withinSeconds: expected 1 to %d",
                             ROTATION_WITHIN_MAX_S);
}

enum cor_code cactl_step(struct cactl *ctl, struct cor_ctl_in *in, enum rotation_step step,
                         struct cor_view args, struct cor_err *err)
{
    struct rotation_wish wish = {.step = step};
    bool force = false;
    if (!ctl->ready) {
        return cor_err_set(err, COR_RETRY, "the CA is not loaded yet");
    }
    enum cor_code code = read_wish(args, &wish, &force, err);
    if (code != COR_OK) {
        return code;
    }
    struct asked *asked = cor_alloc(sizeof(*asked));
    *asked = (struct asked){.ctl = ctl, .ticket = cor_ctl_defer(in), .wish = wish, .force = force};
    cor_list_init(&asked->link);
    struct vault_op op = {
        .name = ROTATION_SECRET, .change = change, .done = on_written, .self = asked};
    vault_do(ctl->spec.vault, &op);
    return COR_OK;
}

/* ---- status ---- */

static void add_ca(struct cor_json *list, const struct cor_cert *ca, const char *role)
{
    char id[ROTATION_ID_LEN + 1];
    char expires[COR_RFC3339_SIZE];
    struct cor_json *row = cor_json_object();
    rotation_id(ca, id);
    cor_wall_format(cor_cert_until(ca), expires);
    cor_json_set(row, "id", cor_json_str(id));
    cor_json_set(row, "name", cor_json_str(cor_cert_cn(ca)));
    cor_json_set(row, "expires", cor_json_str(expires));
    cor_json_set(row, "role", cor_json_str(role));
    cor_json_add(list, row);
}

static struct cor_json *cas_of(const struct authority *authority)
{
    const struct rotation *rotation = authority_rotation(authority);
    struct cor_json *list = cor_json_array();
    bool both = rotation->next != NULL && !rotation_next_rules(rotation);
    bool next_signs = both && rotation_next_signs(rotation);
    add_ca(list, authority_face(authority).cert, next_signs ? "trusted" : "signs");
    if (both) {
        add_ca(list, rotation->next, next_signs ? "signs" : "trusted");
    }
    if (rotation->retired != NULL) {
        add_ca(list, rotation->retired, "may renew");
    }
    return list;
}

static const char *trust_word(enum census_trust trust)
{
    return trust == CENSUS_YES     ? "yes"
           : trust == CENSUS_NO    ? "no"
           : trust == CENSUS_CROSS ? "cross"
                                   : "unable";
}

struct sums {
    int64_t nodes, of_signer, ready;
};

static struct cor_json *nodes_of(const struct cactl *ctl, struct sums *sums)
{
    struct cor_json *list = cor_json_array();
    size_t at = 0;
    struct cor_view node;
    const struct census_row *row = NULL;
    while (census_next(ctl->spec.census, &at, &node, &row)) {
        struct cor_json *object = cor_json_object();
        cor_json_set(object, "node", cor_json_view(node));
        cor_json_set(object, "ca", cor_json_str(row->ca));
        cor_json_set(object, "trusts", cor_json_str(trust_word(row->trust)));
        cor_json_add(list, object);
        sums->nodes++;
        sums->of_signer += strcmp(row->ca, authority_signer_id(ctl->spec.authority)) == 0;
        sums->ready += row->trust == CENSUS_YES || row->trust == CENSUS_CROSS;
    }
    return list;
}

enum cor_code cactl_status(const struct cactl *ctl, struct cor_buf *result, struct cor_err *err)
{
    char since[COR_RFC3339_SIZE] = "";
    struct sums sums = {0};
    if (!ctl->ready) {
        return cor_err_set(err, COR_RETRY, "the CA is not loaded yet");
    }
    const struct rotation *rotation = authority_rotation(ctl->spec.authority);
    auto_(cor_json_free) struct cor_json *status = cor_json_object();
    if (rotation->phase != ROTATION_NONE) {
        cor_wall_format(rotation->since, since);
    }
    cor_json_set(status, "phase", cor_json_str(rotation_phase_name(rotation->phase)));
    cor_json_set(status, "since", cor_json_str(since));
    cor_json_set(status, "withinSeconds", cor_json_int(rotation->within_s));
    cor_json_set(status, "signer", cor_json_str(authority_signer_id(ctl->spec.authority)));
    cor_json_set(status, "cas", cas_of(ctl->spec.authority));
    cor_json_set(status, "nodes", nodes_of(ctl, &sums));
    cor_json_set_at(status, "summary.nodes", cor_json_int(sums.nodes));
    cor_json_set_at(status, "summary.ofSigner", cor_json_int(sums.of_signer));
    cor_json_set_at(status, "summary.ready", cor_json_int(sums.ready));
    cor_json_write(status, result);
    return COR_OK;
}
