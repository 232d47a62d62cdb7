// SPDX-License-Identifier: Apache-2.0
// What a plug-in says when it registers. Source of rules and words: k8s.io/kubernetes
// pkg/kubelet/cm/devicemanager/plugin/v1beta1/server.go, pkg/apis/core/v1/helper.
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/grpc/frame.h"
#include "devices_private.h"
#include "services/edged/device/deviceplugin.pb-c.h"

enum { NAME_MAX_BYTES = 63, ENDPOINT_MAX = 64 };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* A qualified name that is not one of Kubernetes' own. */
static bool is_extended(const char *resource)
{
    const char *slash = strchr(resource, '/');
    if (slash == NULL || strncmp(resource, "requests.", strlen("requests.")) == 0) {
        return false;
    }
    struct cor_view domain = {resource, (size_t)(slash - resource)};
    struct cor_view name = cor_view_of(slash + 1);
    bool good = cor_is_dns_subdomain(domain) && !cor_view_is(domain, "kubernetes.io") &&
                !cor_view_ends(domain, ".kubernetes.io") && name.len > 0 &&
                name.len <= NAME_MAX_BYTES && is_letter(name.ptr[0]) &&
                is_letter(name.ptr[name.len - 1]);
    for (size_t i = 0; good && i < name.len; i++) {
        good = is_letter(name.ptr[i]) || strchr("-_.", name.ptr[i]) != NULL;
    }
    return good;
}

/* The name of a socket in the plug-ins' folder. */
static bool is_endpoint(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= ENDPOINT_MAX && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static bool take_it(struct devices *devices, const V1beta1__RegisterRequest *request,
                    struct cor_err *err)
{
    if (strcmp(request->version, "v1beta1") != 0) {
        (void)cor_err_set(err, COR_INVALID,
                          "requested API version \"%.40s\" is not supported by kubelet. Supported "
                          "version is [\"v1beta1\"]",
                          request->version);
        return false;
    }
    if (!is_extended(request->resource_name)) {
        (void)cor_err_set(err, COR_INVALID, "the ResourceName \"%.100s\" is invalid",
                          request->resource_name);
        return false;
    }
    if (!is_endpoint(request->endpoint)) {
        (void)cor_err_set(err, COR_INVALID, "the endpoint is no name of a socket beside this one");
        return false;
    }
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", devices->dir, request->endpoint);
    struct plugin_options options = {0};
    if (request->options != NULL) {
        options = (struct plugin_options){true, request->options->pre_start_required,
                                          request->options->get_preferred_allocation_available};
    }
    return devices_add(devices, path, request->resource_name, &options, err);
}

void devices_register(void *self, struct cor_view message, struct cor_grpc_result *result)
{
    struct cor_err err = COR_ERR_NONE;
    V1beta1__RegisterRequest *request =
        v1beta1__register_request__unpack(NULL, message.len, (const uint8_t *)message.ptr);
    if (request == NULL) {
        (void)cor_err_set(&err, COR_INVALID, "the request cannot be read");
    }
    if (request == NULL || !take_it(self, request, &err)) {
        result->status = COR_GRPC_UNKNOWN; /* as Go's server gives errors */
        (void)snprintf(result->text, sizeof(result->text), "%s", err.text);
    }
    v1beta1__register_request__free_unpacked(request, NULL);
}
