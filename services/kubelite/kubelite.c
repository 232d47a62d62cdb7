// SPDX-License-Identifier: Apache-2.0
#include "kubelite.h"

#include <inttypes.h>
#include <string.h>

#include "api.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/httpd/httpd.h"
#include "controller.h"
#include "crd.h"
#include "identity.h"
#include "metrics.h"
#include "proto/proto.h"
#include "proxy.h"
#include "server.h"
#include "token.h"
#include "watch.h"

enum { KUBELET_CA_MAX = 1 << 20 };

struct cfg {
    struct cor_service_cfg common;
    struct cor_conf_strs listen;
    struct cor_conf_strs names;
    char *state_dir;
    char *server;
    char *admin_kubeconfig;
    char *cloud_kubeconfig;
    struct cor_conf_strs allow_groups;
    struct cor_conf_strs address_types;
    char *kubelet_ca;
};

static const struct cor_conf_row rows[] = {
    COR_SERVICE_ROWS(struct cfg),
    COR_CONF_STRS_ROW(struct cfg, listen, "listen", "127.0.0.1:6443",
                      "numeric addresses with ports to serve HTTPS on"),
    COR_CONF_STRS_ROW(struct cfg, names, "names", "127.0.0.1,localhost",
                      "names and addresses that clients use: they go into the certificate, as "
                      "those of listen do"),
    COR_CONF_STR_ROW(struct cfg, state_dir, "state-dir", "/var/lib/coracle/kubelite",
                     "folder of the database, keys and certificates"),
    COR_CONF_STR_ROW(struct cfg, server, "server", "",
                     "URL in the kubeconfigs; empty: https:// and the first listen address"),
    COR_CONF_STR_ROW(struct cfg, admin_kubeconfig, "admin-kubeconfig", "",
                     "where the administrator's kubeconfig is written, mode 0600; empty: nowhere"),
    COR_CONF_STR_ROW(struct cfg, cloud_kubeconfig, "cloud-kubeconfig", "",
                     "where the kubeconfig of edgecontroller and cloudhub is written; empty: "
                     "nowhere"),
    COR_CONF_STRS_ROW(struct cfg, allow_groups, "allow-groups", "system:masters,coracle:cloud",
                      "groups whose members may do everything; others may only look at discovery"),
    COR_CONF_STRS_ROW(struct cfg, address_types, "kubelet.address-types",
                      "InternalIP,ExternalIP,Hostname",
                      "which of a Node's addresses its kubelet is asked at, the best first"),
    COR_CONF_STR_ROW(struct cfg, kubelet_ca, "kubelet.ca", "",
                     "file of the CA of kubelets' certificates; empty: they are not verified, as "
                     "kube-apiserver does not unless told"),
};

struct kubelite {
    struct cor_service *service;
    const struct cfg *cfg;
    struct kl_identity identity;
    struct kl_api api;
    struct kl_controllers *controllers;
    struct cor_httpd *httpd;
    const char **groups;
};

static enum cor_code check(const void *config, struct cor_err *err)
{
    const struct cfg *cfg = config;
    if (cfg->listen.count == 0) {
        return cor_err_set(err, COR_INVALID, "listen: expected at least one address");
    }
    return COR_OK;
}

static enum cor_code open_identity(struct kubelite *kubelite, struct cor_err *err)
{
    const struct cfg *cfg = kubelite->cfg;
    auto_(cor_freep) char *server = cfg->server[0] != '\0'
                                        ? cor_strdup(cfg->server)
                                        : cor_sprintf("https://%s", cfg->listen.items[0]);
    struct kl_identity_spec spec = {.folder = cfg->state_dir,
                                    .names = &cfg->names,
                                    .listen = &cfg->listen,
                                    .server = server,
                                    .admin_kubeconfig = cfg->admin_kubeconfig,
                                    .cloud_kubeconfig = cfg->cloud_kubeconfig};
    enum cor_code code = cor_mkdirs(cfg->state_dir, 0700, err);
    return code == COR_OK ? kl_identity_open(&spec, cor_wall_now(), &kubelite->identity, err)
                          : code;
}

/* How kubelets are spoken to. */
static enum cor_code open_kubelets(struct kubelite *kubelite, struct cor_err *err)
{
    const struct cfg *cfg = kubelite->cfg;
    struct kl_api *api = &kubelite->api;
    auto_(cor_buf_free) struct cor_buf ca = {0};
    bool verified = cfg->kubelet_ca[0] != '\0';
    if (verified && cor_file_read(cfg->kubelet_ca, KUBELET_CA_MAX, &ca, err) != COR_OK) {
        return cor_err_wrap(err, "kubelet.ca");
    }
    struct cor_http_spec spec = {.ca_pem = verified ? ca.data : NULL,
                                 .cert_pem = kubelite->identity.client_pem.data,
                                 .key_pem = kubelite->identity.client_key_pem.data,
                                 .unverified = !verified};
    struct cor_http *http = NULL;
    enum cor_code code = cor_http_new(api->loop, &spec, &http, err);
    if (code == COR_OK) {
        api->proxies = kl_proxies_new(api, http);
        api->metrics = kl_metrics_new(api);
        api->address_types = &cfg->address_types;
    }
    return code;
}

static enum cor_code open_api(struct kubelite *kubelite, struct cor_err *err)
{
    struct kl_api *api = &kubelite->api;
    const struct cfg *cfg = kubelite->cfg;
    auto_(cor_freep) char *path = cor_sprintf("%s/kube.db", cfg->state_dir);
    api->loop = kubelite->service->loop;
    api->log = kubelite->service->log;
    api->ca_pem = kubelite->identity.ca_pem.data;
    kubelite->groups = cor_calloc(cfg->allow_groups.count + 1, sizeof(*kubelite->groups));
    for (size_t i = 0; i < cfg->allow_groups.count; i++) {
        kubelite->groups[i] = cfg->allow_groups.items[i];
    }
    api->allow_groups = kubelite->groups;
    enum cor_code code = kl_storage_open(path, api->loop, &api->storage, err);
    if (code != COR_OK) {
        return code;
    }
    api->kinds = kl_kinds_new();
    api->tokens = kl_tokens_new(take(&kubelite->identity.token_key));
    api->watches = kl_watches_new(api);
    api->crds = kl_crds_new(api);
    kubelite->controllers = kl_controllers_new(api);
    return COR_OK;
}

static enum cor_code listen_all(struct kubelite *kubelite, struct cor_err *err)
{
    const struct cor_conf_strs *listen = &kubelite->cfg->listen;
    struct cor_httpd_spec spec = {
        .addresses = (const char *const *)listen->items,
        .address_count = listen->count,
        .cert_pem = kubelite->identity.cert_pem.data,
        .key_pem = kubelite->identity.key_pem.data,
        .client_ca_pem = kubelite->identity.ca_pem.data,
        .handler = kl_serve,
        .refusal = kl_refusal,
        .self = &kubelite->api,
    };
    return cor_httpd_start(kubelite->service->loop, &spec, &kubelite->httpd, err);
}

/* What "stats" of ctl.kubelite shows beside what every service shows. */
static void add_stats(void *self, struct cor_buf *out)
{
    const struct kubelite *kubelite = self;
    cor_buf_fmt(out,
                ",\"resourceVersion\":%" PRId64 ",\"writing\":%" PRId64
                ",\"watches\":%zu,\"connections\":%zu,\"proxies\":%zu",
                kl_storage_rv(kubelite->api.storage),
                kl_storage_last_rv(kubelite->api.storage) - kl_storage_rv(kubelite->api.storage),
                kl_watches_count(kubelite->api.watches), cor_httpd_connections(kubelite->httpd),
                kl_proxies_count(kubelite->api.proxies));
}

/* After a disk error nothing more is written: only a restart helps. */
static void on_broken(void *self, const struct cor_err *err)
{
    struct kubelite *kubelite = self;
    cor_service_fail(kubelite->service, err);
}

/* What every cluster begins with is committed. */
static void on_settled(void *self, enum cor_code code, const struct cor_err *err,
                       const struct kl_change *change)
{
    (void)change;
    struct kubelite *kubelite = self;
    if (code != COR_OK) {
        cor_service_fail(kubelite->service, err);
        return;
    }
    LOGI(kubelite->service->log, "kubelite.ready", "port=%d", cor_httpd_port(kubelite->httpd, 0));
    cor_service_ready(kubelite->service);
}

static enum cor_code start(struct cor_service *service, void **self_r, struct cor_err *err)
{
    struct kubelite *kubelite = cor_alloc(sizeof(*kubelite));
    *self_r = kubelite;
    kubelite->service = service;
    kubelite->cfg = service->cfg;
    enum cor_code code = open_identity(kubelite, err);
    if (code == COR_OK) {
        code = open_api(kubelite, err);
    }
    if (code == COR_OK) {
        code = open_kubelets(kubelite, err);
    }
    if (code == COR_OK) {
        code = listen_all(kubelite, err);
    }
    if (code != COR_OK) {
        return code;
    }
    kl_storage_on_broken(kubelite->api.storage, on_broken, kubelite);
    cor_bus_stats(service->bus, add_stats, kubelite);
    return kl_storage_settle(kubelite->api.storage, on_settled, kubelite, err);
}

static void stop(void *self)
{
    struct kubelite *kubelite = self;
    struct kl_api *api = &kubelite->api;
    kl_storage_close(&api->storage); /* tells what was committed: the others still listen */
    kl_controllers_free(&kubelite->controllers);
    kl_watches_free(&api->watches);
    kl_metrics_free(&api->metrics);
    kl_proxies_free(&api->proxies);
    cor_httpd_free(&kubelite->httpd);
    kl_crds_free(&api->crds);
    kl_tokens_free(&api->tokens);
    kl_kinds_free(&api->kinds);
    cor_freep(&kubelite->groups);
    kl_identity_free(&kubelite->identity);
    cor_free(kubelite);
}

const struct cor_service_spec kl_service_spec = {
    .name = "kubelite",
    .summary = "an embedded Kubernetes API on SQLite",
    .conf = {rows, COR_COUNT(rows)},
    .cfg_size = sizeof(struct cfg),
    .messages = px_messages,
    .check = check,
    .start = start,
    .stop = stop,
};
