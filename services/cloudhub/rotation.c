// SPDX-License-Identifier: Apache-2.0
#include "rotation.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/pki/digest.h"
#include "secret.h"

/* A CA lives as long as KubeEdge's. */
enum { CA_DAYS = 364 * 100 };

static const char *const PHASES[ROTATION_PHASES] = {"none", "introduced", "promoted", "finishing"};

const char *rotation_phase_name(enum rotation_phase phase)
{
    return PHASES[phase];
}

/* ---- reading ---- */

static bool text_is(const struct cor_json *secret, const char *key, const char *text)
{
    auto_(cor_buf_free) struct cor_buf value = {0};
    return secret_get(secret, key, &value) && cor_view_is(cor_buf_as_view(&value), text);
}

static int64_t number_in(const struct cor_json *secret, const char *key)
{
    auto_(cor_buf_free) struct cor_buf value = {0};
    int64_t number = 0;
    (void)(secret_get(secret, key, &value) && cor_view_i64(cor_buf_as_view(&value), &number));
    return number;
}

static bool has(const struct cor_json *secret, const char *key)
{
    return cor_json_get(cor_json_get(secret, "data"), key) != NULL;
}

static enum cor_code read_cert(const struct cor_json *secret, const char *key,
                               struct cor_cert **out_r, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    if (!secret_get(secret, key, &der)) {
        return cor_err_set(err, COR_INVALID, ROTATION_SECRET ": %s is not there", key);
    }
    enum cor_code code = cor_cert_parse(cor_buf_as_view(&der), out_r, err);
    return code == COR_OK ? COR_OK : cor_err_wrap(err, ROTATION_SECRET ": %s", key);
}

static enum cor_code read_key(const struct cor_json *secret, struct rotation *rotation,
                              struct cor_err *err)
{
    auto_(cor_secret_free) struct cor_buf der = {0};
    if (!secret_get(secret, "nextkey", &der) ||
        cor_key_parse(cor_buf_as_view(&der), &rotation->next_key, NULL) != COR_OK ||
        !cor_cert_is_for(rotation->next, rotation->next_key)) {
        return cor_err_set(err, COR_INVALID, ROTATION_SECRET ": nextkey is not the key of next");
    }
    return COR_OK;
}

static enum cor_code read_next(const struct cor_json *secret, struct rotation *rotation,
                               struct cor_err *err)
{
    enum cor_code code = read_cert(secret, "next", &rotation->next, err);
    if (code == COR_OK) {
        code = read_cert(secret, "cross", &rotation->cross, err);
    }
    if (code == COR_OK) {
        code = read_cert(secret, "old", &rotation->old, err);
    }
    return code == COR_OK ? read_key(secret, rotation, err) : code;
}

static enum cor_code read_phase(const struct cor_json *secret, enum rotation_phase *phase_r,
                                struct cor_err *err)
{
    *phase_r = ROTATION_NONE;
    for (int i = 0; has(secret, "phase") && i < ROTATION_PHASES; i++) {
        if (text_is(secret, "phase", PHASES[i])) {
            *phase_r = (enum rotation_phase)i;
            return COR_OK;
        }
    }
    return has(secret, "phase") ? cor_err_set(err, COR_INVALID, ROTATION_SECRET ": unknown phase")
                                : COR_OK;
}

enum cor_code rotation_read(const struct cor_json *secret, struct rotation *rotation_r,
                            struct cor_err *err)
{
    *rotation_r = (struct rotation){0};
    enum cor_code code = read_phase(secret, &rotation_r->phase, err);
    if (code == COR_OK && rotation_r->phase != ROTATION_NONE) {
        code = read_next(secret, rotation_r, err);
    }
    if (code == COR_OK && has(secret, "bridges")) {
        auto_(cor_buf_free) struct cor_buf pem = {0};
        (void)secret_get(secret, "bridges", &pem);
        code = cor_certs_parse(cor_buf_as_view(&pem), &rotation_r->bridges, err);
    }
    if (code == COR_OK && has(secret, "retired")) {
        code = read_cert(secret, "retired", &rotation_r->retired, err);
    }
    rotation_r->since.us = COR_SEC(number_in(secret, "since"));
    rotation_r->within_s = number_in(secret, "within");
    if (rotation_r->within_s < 0 || rotation_r->within_s > ROTATION_WITHIN_MAX_S) {
        rotation_r->within_s = ROTATION_WITHIN_MAX_S;
    }
    return code;
}

void rotation_free(struct rotation *rotation)
{
    cor_cert_free(&rotation->next);
    cor_key_free(&rotation->next_key);
    cor_cert_free(&rotation->cross);
    cor_cert_free(&rotation->old);
    cor_certs_free(&rotation->bridges);
    cor_cert_free(&rotation->retired);
    *rotation = (struct rotation){0};
}

/* ---- what may be done ---- */

#define NO "there is no rotation; begin one with rotate"
#define ENDS "the rotation is being finished; see again in a moment"

/* What a step makes of a phase; NONE with a text: refused. */
static const struct cell {
    enum rotation_phase to;
    const char *refusal;
} TABLE[ROTATION_STEPS][ROTATION_PHASES] = {
    [ROTATION_ROTATE] = {{ROTATION_INTRODUCED, NULL},
                         {0, "a rotation has begun already; promote it or abort it"},
                         {0, "a rotation has been promoted already; finish it or demote it"},
                         {0, ENDS}},
    [ROTATION_PROMOTE] = {{0, NO},
                          {ROTATION_PROMOTED, NULL},
                          {0, "it is promoted already"},
                          {0, ENDS}},
    [ROTATION_DEMOTE] = {{0, NO},
                         {0, "it is not promoted"},
                         {ROTATION_INTRODUCED, NULL},
                         {0, ENDS}},
    [ROTATION_ABORT] = {{0, NO},
                        {ROTATION_NONE, NULL},
                        {0, "the new CA signs; demote it first"},
                        {0, ENDS}},
    [ROTATION_FINISH] = {{0, NO},
                         {0, "nothing is signed by the new CA yet; promote it first"},
                         {ROTATION_FINISHING, NULL},
                         {0, ENDS}},
    [ROTATION_FORGET] = {{ROTATION_NONE, NULL},
                         {ROTATION_INTRODUCED, NULL},
                         {ROTATION_PROMOTED, NULL},
                         {0, ENDS}},
};

enum cor_code rotation_allows(const struct rotation *rotation, enum rotation_step step,
                              struct cor_err *err)
{
    const char *refusal = TABLE[step][rotation->phase].refusal;
    if (refusal == NULL && step == ROTATION_FORGET && rotation->retired == NULL) {
        refusal = "no earlier CA may renew";
    }
    return refusal == NULL ? COR_OK : cor_err_set(err, COR_CONFLICT, "%s", refusal);
}

/* ---- writing ---- */

static void drop(struct cor_json *secret, const char *key)
{
    cor_json_del(cor_json_get(secret, "data"), key);
}

static void set_number(struct cor_json *secret, const char *key, int64_t number)
{
    auto_(cor_freep) char *text = cor_sprintf("%" PRId64, number);
    secret_set(secret, key, cor_view_of(text));
}

static void set_cert(struct cor_json *secret, const char *key, const struct cor_cert *cert)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    cor_cert_der(cert, &der);
    secret_set(secret, key, cor_buf_as_view(&der));
}

static void drop_next(struct cor_json *secret)
{
    static const char *const keys[] = {"phase", "next",  "nextkey", "cross",
                                       "old",   "since", "within",  "keep"};
    for (size_t i = 0; i < COR_COUNT(keys); i++) {
        drop(secret, keys[i]);
    }
}

/* As KubeEdge's, but for a name of its own: two CAs of one name make verifiers guess. */
static enum cor_code make_next(const struct cor_key *key, struct cor_wall now,
                               struct cor_cert **next_r, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    auto_(cor_buf_free) struct cor_buf hex = {0};
    cor_key_public_der(key, &der);
    cor_sha256_hex(cor_buf_as_view(&der), &hex);
    auto_(cor_freep) char *cn = cor_sprintf("KubeEdge %.8s", hex.data);
    struct cor_cert_spec spec = {
        .cn = cn, .from = {now.us - COR_SEC(86400)}, .until = {now.us + COR_SEC(86400) * CA_DAYS}};
    return cor_ca_make(key, &spec, next_r, err);
}

static enum cor_code introduce(struct cor_json *secret, const struct rotation_wish *wish,
                               struct cor_err *err)
{
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_cert_free) struct cor_cert *next = NULL;
    auto_(cor_cert_free) struct cor_cert *cross = NULL;
    auto_(cor_secret_free) struct cor_buf key_der = {0};
    enum cor_code code = make_next(key, wish->now, &next, err);
    if (code == COR_OK) {
        code = cor_ca_cross(wish->current, next, &cross, err);
    }
    if (code == COR_OK) {
        cor_key_der(key, &key_der);
        set_cert(secret, "next", next);
        set_cert(secret, "cross", cross);
        set_cert(secret, "old", wish->current.cert);
        secret_set(secret, "nextkey", cor_buf_as_view(&key_der));
    }
    return code;
}

enum cor_code rotation_take(const struct rotation *rotation, const struct rotation_wish *wish,
                            struct cor_json *secret, struct cor_err *err)
{
    enum rotation_phase to = TABLE[wish->step][rotation->phase].to;
    enum cor_code code = rotation_allows(rotation, wish->step, err);
    if (code == COR_OK && wish->step == ROTATION_ROTATE) {
        code = introduce(secret, wish, err);
    }
    if (code != COR_OK) {
        return code;
    }
    if (wish->step == ROTATION_FORGET) {
        drop(secret, "retired");
        return COR_OK;
    }
    if (to == ROTATION_NONE) {
        drop_next(secret);
        return COR_OK;
    }
    secret_set(secret, "phase", cor_view_of(PHASES[to]));
    secret_set(secret, "keep", cor_view_of(wish->keep ? "true" : "false"));
    set_number(secret, "since", wish->now.us / 1000000);
    set_number(secret, "within", wish->within_s);
    return COR_OK;
}

void rotation_close(const struct rotation *rotation, struct cor_json *secret)
{
    auto_(cor_certs_free) struct cor_certs bridges = {0};
    auto_(cor_buf_free) struct cor_buf pem = {0};
    bool keep = text_is(secret, "keep", "true");
    (void)cor_certs_add(&bridges, rotation->cross);
    for (size_t i = 0; i < rotation->bridges.count && bridges.count < ROTATION_BRIDGES; i++) {
        (void)cor_certs_add(&bridges, rotation->bridges.items[i]);
    }
    cor_certs_pem(&bridges, &pem);
    drop_next(secret);
    drop(secret, "retired");
    secret_set(secret, "bridges", cor_buf_as_view(&pem));
    if (keep) {
        set_cert(secret, "retired", rotation->old);
    }
}

/* ---- what follows ---- */

bool rotation_next_signs(const struct rotation *rotation)
{
    return rotation->phase >= ROTATION_PROMOTED;
}

bool rotation_next_rules(const struct rotation *rotation)
{
    return rotation->phase == ROTATION_FINISHING;
}

void rotation_roots(const struct rotation *rotation, const struct cor_cert *current,
                    struct cor_certs *roots)
{
    if (!rotation_next_rules(rotation)) {
        (void)cor_certs_add(roots, current);
    }
    if (rotation->next != NULL) {
        (void)cor_certs_add(roots, rotation->next);
    }
}

void rotation_chain(const struct rotation *rotation, struct cor_certs *chain)
{
    if (rotation_next_signs(rotation)) {
        (void)cor_certs_add(chain, rotation->cross);
    }
    for (size_t i = 0; i < rotation->bridges.count; i++) {
        (void)cor_certs_add(chain, rotation->bridges.items[i]);
    }
}

void rotation_id(const struct cor_cert *ca, char out[ROTATION_ID_LEN + 1])
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    auto_(cor_buf_free) struct cor_buf hex = {0};
    cor_cert_der(ca, &der);
    cor_sha256_hex(cor_buf_as_view(&der), &hex);
    (void)snprintf(out, ROTATION_ID_LEN + 1, "%.8s", hex.data);
}
