// SPDX-License-Identifier: Apache-2.0
#include "common/kube/config.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/conf/yaml.h"
#include "common/pki/key.h"

#define POD_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

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

static enum cor_code read_file(const char *path, char **out_r, struct cor_err *err)
{
    auto_(cor_secret_free) struct cor_buf bytes = {0};
    enum cor_code code = cor_file_read(path, CONFIG_MAX, &bytes, err);
    if (code == COR_OK) {
        *out_r = cor_memdup(bytes.data == NULL ? "" : bytes.data, bytes.len);
    }
    return code;
}

/* Takes "<field>-data" (base64) or the file that "<field>" names. */
static enum cor_code material(const struct cor_json *from, const char *field, const char *base,
                              char **out_r, char **file_r, struct cor_err *err)
{
    auto_(cor_freep) char *data_field = cor_sprintf("%s-data", field);
    struct cor_view data = cor_json_as_view(cor_json_get(from, data_field));
    const char *path = cor_json_as_str(cor_json_get(from, field), "");
    auto_(cor_secret_free) struct cor_buf bytes = {0};
    if (data.ptr == NULL || data.len == 0) {
        *file_r = path[0] == 0 ? NULL : resolve(base, path);
        return *file_r == NULL ? COR_OK : read_file(*file_r, out_r, err);
    }
    if (!cor_base64_decode(&bytes, data)) {
        return cor_err_set(err, COR_INVALID, "%s is not base64", data_field);
    }
    *out_r = cor_memdup(bytes.data == NULL ? "" : bytes.data, bytes.len);
    return COR_OK;
}

/* Fields that change who is talked to or as whom, and that we do not do: better to say so than to
 * go on as somebody else. */
static enum cor_code refuse_fields(const struct cor_json *from, const char *const *fields,
                                   const char *instead, struct cor_err *err)
{
    for (size_t i = 0; fields[i] != NULL; i++) {
        struct cor_json *value = cor_json_get(from, fields[i]);
        if (!cor_json_is_null(value) && cor_json_as_str(value, "x")[0] != 0) {
            return cor_err_set(err, COR_UNSUPPORTED, "\"%s\" is not supported; %s", fields[i],
                               instead);
        }
    }
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
    static const char *const FOREIGN[] = {"proxy-url", "tls-server-name", NULL};
    enum cor_code code =
        refuse_fields(cluster, FOREIGN, "give an address that can be reached and verified", err);
    if (code != COR_OK) {
        return code;
    }
    return material(cluster, "certificate-authority", base, &config->ca_pem, &config->ca_file, err);
}

static enum cor_code read_user(const struct cor_json *user, const char *base,
                               struct cor_kube_config *config, struct cor_err *err)
{
    static const char *const FOREIGN[] = {"exec",     "auth-provider", "as",
                                          "username", "password",      NULL};
    const char *token_file = cor_json_as_str(cor_json_get(user, "tokenFile"), NULL);
    enum cor_code code = refuse_fields(
        user, FOREIGN, "use a client certificate, a token or a tokenFile (a service account)", err);
    if (code != COR_OK) {
        return code;
    }
    config->token = cor_strdup(cor_json_as_str(cor_json_get(user, "token"), NULL));
    config->token_file = token_file == NULL ? NULL : resolve(base, token_file);
    code = material(user, "client-certificate", base, &config->cert_pem, &config->cert_file, err);
    if (code == COR_OK) {
        code = material(user, "client-key", base, &config->key_pem, &config->key_file, err);
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

enum cor_code cor_kube_config_pod(const char *folder, const char *host, const char *port,
                                  struct cor_kube_config *out_r, struct cor_err *err)
{
    auto_(cor_kube_config_free) struct cor_kube_config config = {0};
    *out_r = (struct cor_kube_config){0};
    if (host == NULL || host[0] == 0 || port == NULL || port[0] == 0) {
        return cor_err_set(err, COR_INVALID,
                           "no kubeconfig is named, and this is no Pod of a cluster: "
                           "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
    }
    bool is_ipv6 = strchr(host, ':') != NULL;
    auto_(cor_freep) char *ns_file = cor_sprintf("%s/namespace", folder);
    config.server = cor_sprintf(is_ipv6 ? "https://[%s]:%s" : "https://%s:%s", host, port);
    config.token_file = cor_sprintf("%s/token", folder);
    config.ca_file = cor_sprintf("%s/ca.crt", folder);
    enum cor_code code = read_file(config.token_file, &config.token, err);
    code = code == COR_OK ? read_file(config.ca_file, &config.ca_pem, err) : code;
    if (code == COR_OK) {
        (void)!read_file(ns_file, &config.ns, NULL); /* it is there for those who want it */
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
    if (path[0] == 0) {
        return cor_kube_config_pod(POD_FOLDER, getenv("KUBERNETES_SERVICE_HOST"),
                                   getenv("KUBERNETES_SERVICE_PORT"), out_r, err);
    }
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
    cor_freep(&config->ca_file);
    cor_freep(&config->cert_file);
    cor_freep(&config->key_file);
}
