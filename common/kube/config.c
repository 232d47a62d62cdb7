// SPDX-License-Identifier: Apache-2.0
#include "common/kube/config.h"

#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/conf/yaml.h"
#include "common/pki/key.h"

enum { CONFIG_MAX = 1024 * 1024 };

/* The element of list called name: {"name": ..., what: {...}} gives the latter. */
static const struct cor_json *named(const struct cor_json *tree, const char *list, const char *name,
                                    const char *what)
{
    const struct cor_json *rows = cor_json_get(tree, list);
    for (size_t i = 0; name != NULL && cor_json_is_array(rows) && i < cor_json_count(rows); i++) {
        const struct cor_json *row = cor_json_item(rows, i);
        if (strcmp(cor_json_str_at(row, "name", ""), name) == 0) {
            return cor_json_get(row, what);
        }
    }
    return NULL;
}

static char *resolve(const char *base, const char *path)
{
    return path[0] == '/' ? cor_strdup(path) : cor_sprintf("%s/%s", base, path);
}

/* Takes "<field>-data" (base64) or the file that "<field>" names. */
static enum cor_code material(const struct cor_json *from, const char *field, const char *base,
                              char **out_r, struct cor_err *err)
{
    auto_(cor_freep) char *data_field = cor_sprintf("%s-data", field);
    struct cor_view data = cor_json_as_view(cor_json_get(from, data_field));
    const char *path = cor_json_as_str(cor_json_get(from, field), NULL);
    auto_(cor_secret_free) struct cor_buf bytes = {0};
    if (data.ptr != NULL && data.len > 0) {
        if (!cor_base64_decode(&bytes, data)) {
            return cor_err_set(err, COR_INVALID, "%s is not base64", data_field);
        }
    } else if (path != NULL && path[0] != 0) {
        auto_(cor_freep) char *full = resolve(base, path);
        enum cor_code code = cor_file_read(full, CONFIG_MAX, &bytes, err);
        if (code != COR_OK) {
            return code;
        }
    } else {
        return COR_OK;
    }
    *out_r = cor_memdup(bytes.data == NULL ? "" : bytes.data, bytes.len);
    return COR_OK;
}

static enum cor_code read_cluster(const struct cor_json *cluster, const char *base,
                                  struct cor_kube_config *config, struct cor_err *err)
{
    struct cor_view server = cor_json_as_view(cor_json_get(cluster, "server"));
    if (!cor_view_starts(server, "https://")) {
        return cor_err_set(err, COR_INVALID, "server of the cluster is not an https:// address");
    }
    if (cor_json_bool_at(cluster, "insecure-skip-tls-verify", false)) {
        return cor_err_set(err, COR_INVALID, "insecure-skip-tls-verify is not supported");
    }
    while (cor_view_ends(server, "/")) {
        server.len--;
    }
    config->server = cor_view_dup(server);
    return material(cluster, "certificate-authority", base, &config->ca_pem, err);
}

static enum cor_code read_user(const struct cor_json *user, const char *base,
                               struct cor_kube_config *config, struct cor_err *err)
{
    const char *token_file = cor_json_as_str(cor_json_get(user, "tokenFile"), NULL);
    config->token = cor_strdup(cor_json_as_str(cor_json_get(user, "token"), NULL));
    config->token_file = token_file == NULL ? NULL : resolve(base, token_file);
    enum cor_code code = material(user, "client-certificate", base, &config->cert_pem, err);
    if (code == COR_OK) {
        code = material(user, "client-key", base, &config->key_pem, err);
    }
    if (code == COR_OK && (config->cert_pem == NULL) != (config->key_pem == NULL)) {
        code = cor_err_set(err, COR_INVALID, "client certificate and key must come together");
    }
    return code;
}

enum cor_code cor_kube_config_read(const struct cor_json *tree, const char *base,
                                   struct cor_kube_config *out_r, struct cor_err *err)
{
    auto_(cor_kube_config_free) struct cor_kube_config config = {0};
    const char *current = cor_json_str_at(tree, "current-context", NULL);
    const struct cor_json *context = named(tree, "contexts", current, "context");
    const struct cor_json *cluster =
        named(tree, "clusters", cor_json_str_at(context, "cluster", NULL), "cluster");
    const struct cor_json *user =
        named(tree, "users", cor_json_str_at(context, "user", NULL), "user");
    *out_r = (struct cor_kube_config){0};
    if (context == NULL || cluster == NULL) {
        return cor_err_set(err, COR_INVALID, "kubeconfig has no %s for current-context \"%s\"",
                           context == NULL ? "context" : "cluster", current == NULL ? "" : current);
    }
    enum cor_code code = read_cluster(cluster, base, &config, err);
    if (code == COR_OK) {
        code = read_user(user, base, &config, err);
    }
    if (code == COR_OK) {
        config.ns = cor_strdup(cor_json_str_at(context, "namespace", NULL));
        *out_r = config;
        config = (struct cor_kube_config){0};
    }
    return code;
}

enum cor_code cor_kube_config_load(const char *path, struct cor_kube_config *out_r,
                                   struct cor_err *err)
{
    auto_(cor_secret_free) struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *tree = NULL;
    *out_r = (struct cor_kube_config){0};
    enum cor_code code = cor_file_read(path, CONFIG_MAX, &text, err);
    if (code != COR_OK) {
        return code;
    }
    code = cor_yaml_parse(cor_buf_as_view(&text), CONFIG_MAX, NULL, NULL, &tree, err);
    if (code == COR_OK) {
        const char *slash = strrchr(path, '/');
        auto_(cor_freep) char *base =
            slash == NULL ? cor_strdup(".") : cor_memdup(path, (size_t)(slash - path));
        code = cor_kube_config_read(tree, base, out_r, err);
    }
    return code == COR_OK ? COR_OK : cor_err_wrap(err, "%s", path);
}

static void wipe(char **text)
{
    if (*text != NULL) {
        cor_wipe(*text, strlen(*text));
        cor_freep(text);
    }
}

void cor_kube_config_free(struct cor_kube_config *config)
{
    cor_freep(&config->server);
    cor_freep(&config->ca_pem);
    cor_freep(&config->cert_pem);
    wipe(&config->key_pem);
    wipe(&config->token);
    cor_freep(&config->token_file);
    cor_freep(&config->ns);
}
