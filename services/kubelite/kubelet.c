// SPDX-License-Identifier: Apache-2.0
#include "kubelet.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/clock/clock.h"
#include "common/httpd/uri.h"
#include "meta.h"

enum { HOST_MAX = 253 };

/* ---- where --------------------------------------------------------------------------------------
 */

/* A name or an address, and nothing that means something in a URL. */
static bool is_host(const char *text)
{
    static const char marks[] = ".:-_";
    for (const char *c = text; *c != '\0'; c++) {
        bool letter =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!letter && strchr(marks, *c) == NULL) {
            return false;
        }
    }
    return text[0] != '\0' && strlen(text) <= HOST_MAX;
}

static const char *address_of(const struct cor_json *node, const char *type)
{
    const struct cor_json *addresses = cor_json_at(node, "status.addresses");
    for (size_t i = 0; i < cor_json_count(addresses); i++) {
        const struct cor_json *one = cor_json_item(addresses, i);
        const char *address = cor_json_str_at(one, "address", "");
        if (strcmp(cor_json_str_at(one, "type", ""), type) == 0 && is_host(address)) {
            return address;
        }
    }
    return NULL;
}

enum cor_code kl_kubelet_host(const struct cor_json *node, const struct cor_conf_strs *types,
                              struct cor_buf *out, struct kl_fail *fail)
{
    const char *address = NULL;
    for (size_t i = 0; i < types->count && address == NULL; i++) {
        address = address_of(node, types->items[i]);
    }
    int64_t port =
        cor_json_int_at(node, "status.daemonEndpoints.kubeletEndpoint.Port", KL_KUBELET_PORT);
    if (address == NULL || port < 1 || port > 65535) {
        (void)kl_fail_other(fail, 500, NULL, "no preferred addresses found; known addresses: []");
        return COR_NOTFOUND;
    }
    bool v6 = strchr(address, ':') != NULL;
    cor_buf_fmt(out, "%s%s%s:%" PRId64, v6 ? "[" : "", address, v6 ? "]" : "", port);
    return COR_OK;
}

/* ---- containers ---------------------------------------------------------------------------------
 */

static const char *const container_lists[] = {"spec.containers", "spec.initContainers",
                                              "spec.ephemeralContainers"};

static bool has_container(const struct cor_json *pod, const char *name)
{
    for (size_t l = 0; l < COR_COUNT(container_lists); l++) {
        const struct cor_json *list = cor_json_at(pod, container_lists[l]);
        for (size_t i = 0; i < cor_json_count(list); i++) {
            if (strcmp(cor_json_str_at(cor_json_item(list, i), "name", ""), name) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void add_names(const struct cor_json *list, struct cor_buf *out)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        cor_buf_fmt(out, "%s%s", i == 0 ? "" : " ",
                    cor_json_str_at(cor_json_item(list, i), "name", ""));
    }
}

static enum cor_code fail_choose(const struct cor_json *pod, struct kl_fail *fail)
{
    const struct cor_json *init = cor_json_at(pod, "spec.initContainers");
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_buf_fmt(&text, "a container name must be specified for pod %s, choose one of: [",
                kl_meta_str(pod, "name"));
    add_names(cor_json_at(pod, "spec.containers"), &text);
    if (cor_json_count(init) > 0) {
        cor_buf_str(&text, "] or one of the init containers: [");
        add_names(init, &text);
    }
    return kl_fail_bad(fail, "%s]", text.data);
}

/* The container of the query, or the only one. Returns owned in *name_r. */
static enum cor_code find_container(const struct kl_kubelet_ask *ask, char **name_r,
                                    struct kl_fail *fail)
{
    const struct cor_json *containers = cor_json_at(ask->pod, "spec.containers");
    auto_(cor_freep) char *name = cor_query_get(ask->query, "container");
    if (name != NULL && name[0] != '\0') {
        if (!has_container(ask->pod, name)) {
            return kl_fail_bad(fail, "container %s is not valid for pod %s", name,
                               kl_meta_str(ask->pod, "name"));
        }
        *name_r = take(&name);
        return COR_OK;
    }
    if (cor_json_count(containers) != 1) {
        return fail_choose(ask->pod, fail);
    }
    *name_r = cor_strdup(cor_json_str_at(cor_json_item(containers, 0), "name", ""));
    return COR_OK;
}

/* ---- options of logs ----------------------------------------------------------------------------
 */

static const struct kl_kind log_options = {.group = "", .kind = "PodLogOptions"};

/* A number of the query that is at least min; absent is fine (*value_r: -1). */
static enum cor_code read_number(struct cor_view query, const char *name, int64_t min,
                                 int64_t *value_r, struct kl_causes *causes, struct kl_fail *fail)
{
    auto_(cor_freep) char *text = cor_query_get(query, name);
    *value_r = -1;
    if (text == NULL || text[0] == '\0') {
        return COR_OK;
    }
    if (!cor_view_i64(cor_view_of(text), value_r)) {
        return kl_fail_bad(fail, "strconv.ParseInt: parsing \"%s\": invalid syntax", text);
    }
    if (*value_r < min) {
        auto_(cor_freep) char *why = cor_sprintf("must be greater than or equal to %" PRId64, min);
        kl_cause_invalid_text(causes, name, text, min == 1 ? "must be greater than 0" : why);
    }
    return COR_OK;
}

static void add_number(struct cor_buf *out, const char *name, int64_t value)
{
    if (value >= 0) {
        cor_buf_fmt(out, "%s=%" PRId64 "&", name, value);
    }
}

static void add_flag(struct cor_buf *out, struct cor_view query, const char *name)
{
    if (cor_query_is(query, name)) {
        cor_buf_fmt(out, "%s=true&", name);
    }
}

/* "2026-11-26T04:00:00Z", its ':' escaped. COR_INVALID: no time. */
static enum cor_code add_since(struct cor_buf *out, const char *text, struct kl_fail *fail)
{
    struct cor_wall since;
    char time[COR_RFC3339_SIZE];
    if (text == NULL || text[0] == '\0') {
        return COR_OK;
    }
    if (!cor_wall_parse(cor_view_of(text), &since)) {
        return kl_fail_bad(
            fail, "parsing time \"%s\" as \"2006-01-02T15:04:05Z07:00\": cannot parse", text);
    }
    cor_wall_format(since, time);
    cor_buf_str(out, "sinceTime=");
    for (const char *c = time; *c != '\0'; c++) {
        cor_buf_add(out, *c == ':' ? "%3A" : c, *c == ':' ? 3 : 1);
    }
    cor_buf_str(out, "&");
    return COR_OK;
}

/* In the order in which Go's url.Values encodes them: by name. */
static enum cor_code add_log_options(const struct kl_kubelet_ask *ask, struct cor_buf *out,
                                     struct kl_fail *fail)
{
    auto_(kl_causes_free) struct kl_causes causes = {0};
    auto_(cor_freep) char *since = cor_query_get(ask->query, "sinceTime");
    int64_t tail = -1;
    int64_t seconds = -1;
    int64_t limit = -1;
    enum cor_code code = read_number(ask->query, "tailLines", 0, &tail, &causes, fail);
    if (code == COR_OK) {
        code = read_number(ask->query, "limitBytes", 1, &limit, &causes, fail);
    }
    if (code == COR_OK) {
        code = read_number(ask->query, "sinceSeconds", 1, &seconds, &causes, fail);
    }
    if (code != COR_OK) {
        return code;
    }
    if (seconds > 0 && since != NULL && since[0] != '\0') {
        kl_cause_forbidden(&causes, "[]",
                           "at most one of `sinceTime` or `sinceSeconds` may be "
                           "specified");
    }
    code = kl_causes_end(&causes, &log_options, kl_meta_str(ask->pod, "name"), fail);
    if (code != COR_OK) {
        return code;
    }
    add_flag(out, ask->query, "follow");
    add_number(out, "limitBytes", limit);
    add_flag(out, ask->query, "previous");
    add_number(out, "sinceSeconds", seconds);
    code = add_since(out, since, fail);
    add_number(out, "tailLines", tail);
    add_flag(out, ask->query, "timestamps");
    return code;
}

/* ---- options of exec, attach, port-forward ------------------------------------------------------
 */

/* The kubelet's own words for the streams (api.ExecStdinParam and so on). */
static const struct {
    const char *client, *kubelet;
} streams[] = {{"stderr", "error"}, {"stdin", "input"}, {"stdout", "output"}, {"tty", "tty"}};

static void add_all(struct cor_buf *out, struct cor_view query, const char *from, const char *to)
{
    struct cor_view pair;
    while (cor_view_split(&query, '&', &pair)) {
        struct cor_view key;
        struct cor_view value = pair;
        if (cor_view_split(&value, '=', &key) && cor_view_is(key, from)) {
            cor_buf_fmt(out, "%s=", to);
            cor_buf_view(out, value);
            cor_buf_str(out, "&");
        }
    }
}

static void add_stream_options(const struct kl_kubelet_ask *ask, struct cor_buf *out)
{
    add_all(out, ask->query, "command", "command");
    for (size_t i = 0; i < COR_COUNT(streams); i++) {
        if (cor_query_is(ask->query, streams[i].client)) {
            cor_buf_fmt(out, "%s=1&", streams[i].kubelet);
        }
    }
}

/* ---- all ----------------------------------------------------------------------------------------
 */

static const struct {
    enum kl_sub sub;
    const char *path;
} paths[] = {
    {KL_SUB_LOG, "containerLogs"},
    {KL_SUB_EXEC, "exec"},
    {KL_SUB_ATTACH, "attach"},
    {KL_SUB_PORTFORWARD, "portForward"},
};

static const char *path_of(enum kl_sub sub)
{
    for (size_t i = 0; i < COR_COUNT(paths); i++) {
        if (paths[i].sub == sub) {
            return paths[i].path;
        }
    }
    return "";
}

enum cor_code kl_kubelet_path(const struct kl_kubelet_ask *ask, struct cor_buf *out,
                              struct kl_fail *fail)
{
    auto_(cor_freep) char *container = NULL;
    const char *name = kl_meta_str(ask->pod, "name");
    bool contained = ask->sub != KL_SUB_PORTFORWARD;
    enum cor_code code = contained ? find_container(ask, &container, fail) : COR_OK;
    if (code != COR_OK) {
        return code;
    }
    if (ask->sub != KL_SUB_LOG && cor_json_str_at(ask->pod, "spec.nodeName", "")[0] == '\0') {
        return kl_fail_bad(fail, "pod %s does not have a host assigned", name);
    }
    cor_buf_fmt(out, "/%s/%s/%s%s%s?", path_of(ask->sub), kl_meta_str(ask->pod, "namespace"), name,
                contained ? "/" : "", contained ? container : "");
    if (ask->sub == KL_SUB_LOG) {
        code = add_log_options(ask, out, fail);
    } else if (contained) {
        add_stream_options(ask, out);
    } else {
        add_all(out, ask->query, "ports", "port");
    }
    out->data[--out->len] = '\0'; /* '?' or '&' */
    return code;
}

/* ---- protocols ----------------------------------------------------------------------------------
 */

/* k8s.io/apimachinery pkg/util/remotecommand StreamProtocolV5Name, pkg/util/portforward. */
static const char *const translated[] = {"v5.channel.k8s.io", "SPDY/3.1+portforward.k8s.io"};

bool kl_kubelet_needs_translation(const char *upgrade, const char *offered)
{
    struct cor_view list = cor_view_of(offered == NULL ? "" : offered);
    struct cor_view one;
    bool all = list.len > 0 && upgrade != NULL && strcasecmp(upgrade, "websocket") == 0;
    while (all && cor_view_split(&list, ',', &one)) {
        bool known = false;
        for (size_t i = 0; i < COR_COUNT(translated); i++) {
            known = known || cor_view_is(cor_view_trim(one), translated[i]);
        }
        all = known;
    }
    return all;
}
