// SPDX-License-Identifier: Apache-2.0
#include "lease.h"

#include "common/base/mem.h"
#include "common/kube/path.h"

#define LEASE_API "coordination.k8s.io/v1"
#define LEASE_NS "kube-node-lease"

/* What a kubelet asks for; the longest that is taken. */
enum { SECONDS = 40, SECONDS_MAX = 3600, NOT_FOUND = 404 };

struct ec_leases {
    struct ec *ec;
    struct cor_map *renewals; /* node -> struct renewal under way, owned */
};

struct renewal {
    struct ec_leases *leases;
    char *node; /* owned */
    uint64_t seconds;
};

static void renewal_drop(void *value)
{
    struct renewal *renewal = value;
    cor_free(renewal->node);
    cor_free(renewal);
}

struct ec_leases *ec_leases_new(struct ec *ec)
{
    struct ec_leases *leases = cor_alloc(sizeof(*leases));
    leases->ec = ec;
    leases->renewals = cor_map_new(renewal_drop);
    return leases;
}

void ec_leases_free(struct ec_leases **leases)
{
    if (*leases != NULL) {
        cor_map_free(&(*leases)->renewals);
        cor_freep(leases);
    }
}

/* ---- the object ---- */

struct cor_json *ec_lease_patch(const char *node, uint64_t seconds, struct cor_wall now)
{
    char time[COR_RFC3339_SIZE];
    struct cor_json *patch = cor_json_object();
    cor_wall_format_us(now, time);
    cor_json_set_at(patch, "spec.holderIdentity", cor_json_str(node));
    cor_json_set_at(patch, "spec.leaseDurationSeconds", cor_json_int((int64_t)seconds));
    cor_json_set_at(patch, "spec.renewTime", cor_json_str(time));
    return patch;
}

struct cor_json *ec_lease_new(const char *node, uint64_t seconds, struct cor_wall now,
                              const struct cor_json *owner)
{
    struct cor_json *lease = ec_lease_patch(node, seconds, now);
    const char *uid = cor_json_str_at(owner, "metadata.uid", "");
    cor_json_set(lease, "apiVersion", cor_json_str(LEASE_API));
    cor_json_set(lease, "kind", cor_json_str("Lease"));
    cor_json_set_at(lease, "metadata.name", cor_json_str(node));
    cor_json_set_at(lease, "metadata.namespace", cor_json_str(LEASE_NS));
    if (uid[0] != '\0') {
        struct cor_json *ref = cor_json_object();
        struct cor_json *refs = cor_json_array();
        cor_json_set(ref, "apiVersion", cor_json_str("v1"));
        cor_json_set(ref, "kind", cor_json_str("Node"));
        cor_json_set(ref, "name", cor_json_str(node));
        cor_json_set(ref, "uid", cor_json_str(uid));
        cor_json_add(refs, ref);
        cor_json_set_at(lease, "metadata.ownerReferences", refs);
    }
    return lease;
}

/* ---- the API ---- */

static void end(struct renewal *renewal, const struct cor_kube_response *response)
{
    struct ec *ec = renewal->leases->ec;
    if (response->code != COR_OK) {
        LOGW(ec->service->log, "controller.lease-failed", "node=%s status=%d reason=%s",
             renewal->node, response->status, cor_log_esc(cor_view_of(response->text)));
    }
    auto_(cor_freep) char *node = cor_strdup(renewal->node);
    (void)cor_map_del(renewal->leases->renewals, cor_view_of(node));
}

static void on_created(void *self, const struct cor_kube_response *response)
{
    end(self, response);
}

static void create(struct renewal *renewal)
{
    struct ec *ec = renewal->leases->ec;
    struct cor_kube_ref ref = {.group_version = LEASE_API, .ns = LEASE_NS, .plural = "leases"};
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_json_free) struct cor_json *lease = ec_lease_new(
        renewal->node, renewal->seconds, cor_wall_now(), ec_get(ec, EC_NODES, "", renewal->node));
    auto_(cor_freep) char *text = cor_json_text(lease);
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {
        .method = "POST", .path = path.data, .body = cor_view_of(text)};
    (void)cor_kube_send(ec->kube, &request, on_created, renewal);
}

static void on_renewed(void *self, const struct cor_kube_response *response)
{
    struct renewal *renewal = self;
    bool is_known = ec_has(renewal->leases->ec, EC_NODES, "", renewal->node);
    if (response->status == NOT_FOUND && is_known) {
        create(renewal);
        return;
    }
    end(renewal, response);
}

static void renew(struct renewal *renewal)
{
    struct ec *ec = renewal->leases->ec;
    struct cor_kube_ref ref = {
        .group_version = LEASE_API, .ns = LEASE_NS, .plural = "leases", .name = renewal->node};
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_json_free) struct cor_json *patch =
        ec_lease_patch(renewal->node, renewal->seconds, cor_wall_now());
    auto_(cor_freep) char *text = cor_json_text(patch);
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {.method = "PATCH",
                                       .path = path.data,
                                       .content_type = COR_KUBE_MERGE,
                                       .body = cor_view_of(text)};
    (void)cor_kube_send(ec->kube, &request, on_renewed, renewal);
}

enum cor_code ec_on_alive(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct ec *ec = self;
    const struct px_node_alive *alive = body;
    (void)in;
    (void)err;
    if (cor_map_get(ec->leases->renewals, alive->node) != NULL) {
        return COR_OK; /* it is being renewed */
    }
    struct renewal *renewal = cor_alloc(sizeof(*renewal));
    renewal->leases = ec->leases;
    renewal->node = cor_view_dup(alive->node);
    renewal->seconds =
        alive->seconds == 0 || alive->seconds > SECONDS_MAX ? SECONDS : alive->seconds;
    cor_map_set(ec->leases->renewals, alive->node, renewal);
    renew(renewal);
    return COR_OK;
}
