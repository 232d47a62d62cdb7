// SPDX-License-Identifier: Apache-2.0
#include "identity.h"

#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"

static char *path_of(const struct identity *identity, const char *name)
{
    return cor_sprintf("%s/%s", identity->dir, name);
}

/* now, or the nearest moment at which cert is valid. */
static struct cor_wall within_life(const struct cor_cert *cert, struct cor_wall now)
{
    struct cor_wall from = cor_cert_from(cert);
    struct cor_wall until = {cor_cert_until(cert).us - COR_SEC(1)};
    return now.us < from.us ? from : now.us > until.us ? until : now;
}

static enum cor_code check(const struct cor_cert *cert, const struct cor_key *key, const char *node,
                           struct cor_err *err)
{
    auto_(cor_freep) char *cn = cor_sprintf("system:node:%s", node);
    if (strcmp(cor_cert_cn(cert), cn) != 0) {
        return cor_err_set(err, COR_UNAUTHENTICATED, "certificate is for %s, not for %s",
                           cor_cert_cn(cert), cn);
    }
    return cor_cert_is_for(cert, key)
               ? COR_OK
               : cor_err_set(err, COR_UNAUTHENTICATED, "certificate is for another key");
}

struct cor_wall identity_time(const struct identity *identity, struct cor_wall now)
{
    return identity->cert == NULL ? now : within_life(identity->cert, now);
}

static enum cor_code load_files(struct identity *identity, struct cor_err *err)
{
    auto_(cor_freep) char *ca = path_of(identity, "ca.crt");
    auto_(cor_freep) char *pair = path_of(identity, "identity.pem");
    enum cor_code code = cor_certs_load(ca, &identity->roots, err);
    if (code == COR_OK) {
        code = cor_key_load(pair, &identity->key, err);
    }
    if (code == COR_OK) {
        code = cor_cert_load(pair, &identity->cert, err);
    }
    return code;
}

enum cor_code identity_load(const char *dir, const char *node, struct identity *identity_r,
                            struct cor_err *err)
{
    *identity_r = (struct identity){.dir = cor_strdup(dir), .node = cor_strdup(node)};
    enum cor_code code = cor_mkdirs(dir, 0700, err);
    if (code != COR_OK) {
        return code;
    }
    code = load_files(identity_r, err);
    if (code == COR_OK) {
        code = check(identity_r->cert, identity_r->key, node, err);
    }
    if (code == COR_OK) {
        return COR_OK;
    }
    identity_drop(identity_r);
    return COR_NOTFOUND;
}

void identity_drop(struct identity *identity)
{
    cor_certs_free(&identity->roots);
    cor_cert_free(&identity->cert);
    cor_key_free(&identity->key);
}

void identity_free(struct identity *identity)
{
    cor_freep(&identity->dir);
    cor_freep(&identity->node);
    identity_drop(identity);
}

enum cor_code identity_new_key(const struct identity *identity, struct cor_key **key_r,
                               struct cor_err *err)
{
    auto_(cor_freep) char *path = path_of(identity, "new.key");
    if (cor_key_load(path, key_r, NULL) == COR_OK) {
        return COR_OK;
    }
    *key_r = cor_key_new();
    enum cor_code code = cor_key_save(*key_r, path, err);
    if (code != COR_OK) {
        cor_key_free(key_r);
    }
    return code;
}

static enum cor_code own_key(const struct identity *identity, struct cor_key **key_r,
                             struct cor_err *err)
{
    auto_(cor_secret_free) struct cor_buf der = {0};
    cor_key_der(identity->key, &der);
    return cor_key_parse(cor_buf_as_view(&der), key_r, err);
}

enum cor_code identity_next_key(const struct identity *identity, bool renews, struct cor_wall now,
                                struct cor_key **key_r, struct cor_err *err)
{
    bool expired = renews && cor_cert_until(identity->cert).us <= now.us;
    return expired ? own_key(identity, key_r, err) : identity_new_key(identity, key_r, err);
}

static enum cor_code save_roots(const struct identity *identity, const struct cor_certs *roots,
                                struct cor_err *err)
{
    auto_(cor_freep) char *path = path_of(identity, "ca.crt");
    auto_(cor_buf_free) struct cor_buf pem = {0};
    cor_certs_pem(roots, &pem);
    return cor_file_write(path, cor_buf_as_view(&pem), 0644, err);
}

static enum cor_code save_pair(const struct identity *identity, const struct cor_cert *cert,
                               const struct cor_key *key, struct cor_err *err)
{
    auto_(cor_freep) char *pair_path = path_of(identity, "identity.pem");
    auto_(cor_freep) char *key_path = path_of(identity, "new.key");
    auto_(cor_secret_free) struct cor_buf text = {0};
    cor_key_pem(key, &text);
    cor_cert_pem(cert, &text);
    enum cor_code code = cor_file_write(pair_path, cor_buf_as_view(&text), 0600, err);
    if (code == COR_OK) {
        (void)unlink(key_path);
    }
    return code;
}

static enum cor_code save(struct identity *identity, const struct cor_cert *ca,
                          const struct cor_cert *cert, const struct cor_key *key,
                          struct cor_err *err)
{
    auto_(cor_certs_free) struct cor_certs roots = {0};
    enum cor_code code = COR_OK;
    if (ca != NULL) {
        (void)cor_certs_add(&roots, ca);
        code = save_roots(identity, &roots, err);
    }
    if (code == COR_OK) {
        code = save_pair(identity, cert, key, err);
    }
    if (code == COR_OK && ca != NULL) {
        cor_certs_free(&identity->roots);
        (void)cor_certs_add(&identity->roots, ca);
    }
    return code;
}

enum cor_code identity_adopt(struct identity *identity, const struct cor_cert *ca,
                             struct cor_cert *cert, struct cor_key *key, struct cor_err *err)
{
    enum cor_code code = check(cert, key, identity->node, err);
    if (code == COR_OK) {
        code = save(identity, ca, cert, key, err);
    }
    if (code != COR_OK) {
        cor_cert_free(&cert);
        cor_key_free(&key);
        return code;
    }
    cor_cert_free(&identity->cert);
    cor_key_free(&identity->key);
    identity->cert = cert;
    identity->key = key;
    return COR_OK;
}

enum cor_code identity_trust(struct identity *identity, const struct cor_certs *roots,
                             struct cor_err *err)
{
    enum cor_code code = roots->count > 0 ? COR_OK : cor_err_set(err, COR_INVALID, "no CA at all");
    for (size_t i = 0; code == COR_OK && i < roots->count; i++) {
        if (!cor_cert_is_ca(roots->items[i])) {
            code = cor_err_set(err, COR_INVALID, "%s is no CA", cor_cert_cn(roots->items[i]));
        }
    }
    if (code == COR_OK) {
        code = save_roots(identity, roots, err);
    }
    if (code != COR_OK) {
        return code;
    }
    cor_certs_free(&identity->roots);
    for (size_t i = 0; i < roots->count; i++) {
        (void)cor_certs_add(&identity->roots, roots->items[i]);
    }
    return COR_OK;
}

struct cor_tls identity_tls(const struct identity *identity)
{
    return (struct cor_tls){.cert = identity->cert,
                            .key = identity->key,
                            .roots = &identity->roots,
                            .at = identity_time(identity, cor_wall_now())};
}

struct cor_wall identity_renew_at(const struct identity *identity, double random)
{
    int64_t from = cor_cert_from(identity->cert).us;
    int64_t life = cor_cert_until(identity->cert).us - from;
    return (struct cor_wall){from + (int64_t)((double)life * (0.7 + 0.2 * random))};
}
