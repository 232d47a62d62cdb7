// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a client of kubelite can send: the first byte chooses which.
#include <stdint.h>

#include "common/base/mem.h"
#include "services/kubelite/apply.h"
#include "services/kubelite/json_patch.h"
#include "services/kubelite/kubelet.h"
#include "services/kubelite/protobuf.h"
#include "services/kubelite/quantity.h"
#include "services/kubelite/route.h"
#include "services/kubelite/sample.h"
#include "services/kubelite/selector.h"
#include "services/kubelite/shape.h"
#include "services/kubelite/strategic.h"
#include "services/kubelite/strategy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A Pod as the body of a request: decoded, filled in, checked. */
static void as_pod(struct cor_json *body)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(kl_draft_free) struct kl_draft draft = {.kind = kl_builtin(KL_POD)};
    auto_(cor_json_free) struct cor_json *unknown = NULL;
    if (kl_decode(draft.kind, body, &draft.object, &unknown, &fail) == COR_OK) {
        (void)!kl_draft_create(&draft, (struct cor_wall){0}, "uid", &fail);
    }
}

static void json_pod(struct cor_view text)
{
    auto_(cor_json_free) struct cor_json *body = NULL;
    if (cor_json_parse(text, 65536, 0, &body, NULL) == COR_OK) {
        as_pod(body);
    }
}

static void protobuf_pod(struct cor_view text)
{
    auto_(cor_json_free) struct cor_json *body = NULL;
    if (kl_protobuf_read(&k8s_core_v1_Pod, text, &body, NULL) == COR_OK) {
        as_pod(body);
    }
}

/* Two lines of JSON. False: they are not. */
static bool two_lines(struct cor_view text, struct cor_json **first_r, struct cor_json **second_r)
{
    struct cor_view first;
    return cor_view_split(&text, '\n', &first) &&
           cor_json_parse(first, 65536, 0, first_r, NULL) == COR_OK &&
           cor_json_parse(text, 65536, 0, second_r, NULL) == COR_OK;
}

/* Two lines: a Pod and a strategic patch. */
static void patch(struct cor_view text)
{
    auto_(cor_json_free) struct cor_json *target = NULL;
    auto_(cor_json_free) struct cor_json *change = NULL;
    auto_(cor_json_free) struct cor_json *out = NULL;
    if (two_lines(text, &target, &change)) {
        (void)!kl_strategic_apply(&k8s_core_v1_Pod, take(&target), change, &out, NULL);
    }
}

/* Two lines: an object and a JSON patch. */
static void json_patch(struct cor_view text)
{
    auto_(cor_json_free) struct cor_json *target = NULL;
    auto_(cor_json_free) struct cor_json *change = NULL;
    auto_(cor_json_free) struct cor_json *out = NULL;
    if (two_lines(text, &target, &change)) {
        (void)!kl_json_patch(take(&target), change, &out, NULL);
    }
}

/* Two lines: a Pod and what somebody applies to it; then somebody else changes the result. */
static void apply(struct cor_view text)
{
    auto_(cor_json_free) struct cor_json *live = NULL;
    auto_(cor_json_free) struct cor_json *config = NULL;
    auto_(cor_json_free) struct cor_json *out = NULL;
    auto_(kl_fail_free) struct kl_fail fail = {0};
    struct kl_applying applying = {kl_builtin(KL_POD), "a", false, {0}};
    if (two_lines(text, &live, &config) && cor_json_is_object(live) && cor_json_is_object(config) &&
        kl_apply(&applying, live, config, &out, &fail) == COR_OK) {
        kl_apply_track(&applying, out, live);
    }
}

static void quantity(struct cor_view text)
{
    struct kl_quantity value;
    auto_(cor_buf_free) struct cor_buf out = {0};
    if (kl_quantity_parse(text, &value)) {
        kl_quantity_format(value, &out);
    }
}

static void selector(struct cor_view text)
{
    auto_(cor_freep) char *copy = cor_view_dup(text);
    auto_(kl_selector_free) struct kl_selector *labels = NULL;
    auto_(kl_selector_free) struct kl_selector *fields = NULL;
    (void)!kl_selector_parse(kl_builtin(KL_POD), copy, NULL, &labels, NULL);
    (void)!kl_selector_parse(kl_builtin(KL_POD), NULL, copy, &fields, NULL);
}

static void path(struct cor_view text)
{
    auto_(kl_kinds_free) struct kl_kinds *kinds = kl_kinds_new();
    auto_(kl_route_free) struct kl_route route = {0};
    (void)kl_route_parse(kinds, text, &route);
}

/* What a kubelet says at /metrics/resource. */
static void sample(struct cor_view text)
{
    auto_(kl_sample_free) struct kl_sample sample = {0};
    kl_sample_read(&sample, text, (struct cor_wall){1});
    (void)kl_sample_find(&sample, "default", "web", "c");
}

/* A Pod as a node reports it, and in a second line the query of a request for its logs. */
static void ask_kubelet(struct cor_view text)
{
    struct cor_view line;
    auto_(cor_json_free) struct cor_json *pod = NULL;
    auto_(cor_buf_free) struct cor_buf out = {0};
    auto_(kl_fail_free) struct kl_fail fail = {0};
    if (!cor_view_split(&text, '\n', &line) ||
        cor_json_parse(line, 1 << 20, 0, &pod, NULL) != COR_OK) {
        return;
    }
    struct kl_kubelet_ask ask = {KL_SUB_LOG, pod, text};
    (void)!kl_kubelet_path(&ask, &out, &fail);
    ask.sub = KL_SUB_EXEC;
    (void)!kl_kubelet_path(&ask, &out, &fail);
    cor_buf_clear(&out);
    char type[] = "InternalIP";
    char *types[] = {type};
    struct cor_conf_strs list = {.items = types, .count = 1};
    (void)!kl_kubelet_host(pod, &list, &out, &fail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct cor_view text) = {
        json_pod, protobuf_pod, patch, quantity, selector,
        path,     json_patch,   apply, sample,   ask_kubelet};
    if (size > 0) {
        readers[data[0] % COR_COUNT(readers)]((struct cor_view){(const char *)data + 1, size - 1});
    }
    return 0;
}
