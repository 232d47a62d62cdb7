// SPDX-License-Identifier: Apache-2.0
#include "kubelet.h"

#include <stdint.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/httpd/httpd.h"
#include "common/kube/path.h"
#include "visit.h"

enum { CA_MAX = 1 << 20, RETRY_S = 5, CONNECTIONS_MAX = 1000 };

struct kubelet {
    struct kubelet_spec spec;
    struct cor_httpd *httpd;
    struct cor_timer *retry;
    struct cor_kube_call *call;
    struct cor_link visits;
    size_t count;
    bool complained;
};

/* ---- requests ---- */

static void on_request(void *self, struct cor_exchange *exchange)
{
    struct kubelet *kubelet = self;
    visit_begin(kubelet->spec.hub, &kubelet->visits, &kubelet->count, exchange);
}

/* ---- whom to trust ---- */

static void again(struct kubelet *kubelet, const char *why)
{
    if (!kubelet->complained) {
        LOGW(kubelet->spec.hub->service->log, "hub.kubelet.waits", "reason=%s",
             cor_log_esc(cor_view_of(why)));
        kubelet->complained = true;
    }
    cor_timer_start(kubelet->retry, COR_SEC(RETRY_S));
}

/* The one for all nodes, then those of single nodes. */
static const char **addresses_of(const struct kubelet_spec *spec, size_t *count_r)
{
    const char **all = cor_alloc(((size_t)spec->ports + 1) * sizeof(*all));
    const char *colon = strrchr(spec->address, ':');
    int host = colon == NULL ? 0 : (int)(colon - spec->address);
    all[0] = cor_strdup(spec->address);
    for (int i = 0; i < spec->ports; i++) {
        all[i + 1] = cor_sprintf("%.*s:%d", host, spec->address, spec->first_port + i);
    }
    *count_r = (size_t)spec->ports + 1;
    return all;
}

static void free_addresses(const char **all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cor_free((char *)(uintptr_t)all[i]);
    }
    cor_free(all);
}

static void listen_with(struct kubelet *kubelet, const char *client_ca)
{
    auto_(cor_buf_free) struct cor_buf cert = {0};
    auto_(cor_secret_free) struct cor_buf key = {0};
    struct cor_err err = COR_ERR_NONE;
    struct cor_tls tls = authority_tls(kubelet->spec.authority);
    cor_cert_pem(tls.cert, &cert);
    cor_certs_pem(tls.chain, &cert);
    cor_key_pem(tls.key, &key);
    size_t count = 0;
    const char **addresses = addresses_of(&kubelet->spec, &count);
    struct cor_httpd_spec spec = {.addresses = addresses,
                                  .address_count = count,
                                  .cert_pem = cert.data,
                                  .key_pem = key.data,
                                  .client_ca_pem = client_ca,
                                  .max_connections = CONNECTIONS_MAX,
                                  .handler = on_request,
                                  .self = kubelet};
    enum cor_code code =
        cor_httpd_start(kubelet->spec.hub->service->loop, &spec, &kubelet->httpd, &err);
    free_addresses(addresses, count);
    if (code != COR_OK) {
        again(kubelet, err.text);
        return;
    }
    kubelet->spec.hub->streams_port = kubelet_port(kubelet);
    LOGI(kubelet->spec.hub->service->log, "hub.kubelet.listening", "port=%d",
         kubelet_port(kubelet));
}

static void on_configmap(void *self, const struct cor_kube_response *response)
{
    struct kubelet *kubelet = self;
    kubelet->call = NULL;
    const struct cor_json *data = cor_json_get(response->body, "data");
    const char *ca = cor_json_as_str(cor_json_get(data, "client-ca-file"), "");
    if (response->code != COR_OK || ca[0] == '\0') {
        again(kubelet, response->code != COR_OK
                           ? response->text
                           : "ConfigMap extension-apiserver-authentication has no client-ca-file");
        return;
    }
    listen_with(kubelet, ca);
}

static void ask_for_ca(struct kubelet *kubelet)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    struct cor_kube_ref ref = {.group_version = "v1",
                               .ns = "kube-system",
                               .plural = "configmaps",
                               .name = "extension-apiserver-authentication"};
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {.method = "GET", .path = path.data};
    kubelet->call = cor_kube_send(kubelet->spec.kube, &request, on_configmap, kubelet);
}

static void start(void *self)
{
    struct kubelet *kubelet = self;
    auto_(cor_buf_free) struct cor_buf ca = {0};
    struct cor_err err = COR_ERR_NONE;
    if (kubelet->spec.client_ca[0] == '\0') {
        ask_for_ca(kubelet);
    } else if (cor_file_read(kubelet->spec.client_ca, CA_MAX, &ca, &err) != COR_OK) {
        again(kubelet, err.text);
    } else {
        listen_with(kubelet, ca.data);
    }
}

struct kubelet *kubelet_new(const struct kubelet_spec *spec)
{
    struct kubelet *kubelet = cor_alloc(sizeof(*kubelet));
    kubelet->spec = *spec;
    cor_list_init(&kubelet->visits);
    kubelet->retry = cor_timer_new(spec->hub->service->loop, start, kubelet);
    cor_timer_start(kubelet->retry, 0);
    return kubelet;
}

void kubelet_free(struct kubelet **kubelet)
{
    if (*kubelet != NULL) {
        cor_timer_free(&(*kubelet)->retry);
        cor_kube_cancel(&(*kubelet)->call);
        visits_end(&(*kubelet)->visits);
        cor_httpd_free(&(*kubelet)->httpd);
        cor_freep(kubelet);
    }
}

int kubelet_port(const struct kubelet *kubelet)
{
    return kubelet->httpd == NULL ? 0 : cor_httpd_port(kubelet->httpd, 0);
}

size_t kubelet_count(const struct kubelet *kubelet)
{
    return kubelet->count;
}
