// SPDX-License-Identifier: Apache-2.0
#include "claims.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/kube/path.h"
#include "feeds.h"

enum { NOT_FOUND = 404, PAUSE_US = 1000 * 1000 };

/* One link. */
struct claim {
    struct ec_claims *claims;
    char *node; /* owned */
    char *text; /* owned: value of EC_CLAIM_LINK */
    uint64_t epoch;
    uint64_t version; /* of the Node when it was written; 0: not known */
    bool written;
    struct cor_kube_call *call; /* under way */
    struct cor_timer *again;    /* runs while the API does not take it */
};

struct ec_claims {
    struct ec *ec;
    const char *address; /* borrowed */
    struct cor_map *all; /* node -> struct claim, owned */
};

static void claim_drop(void *value)
{
    struct claim *claim = value;
    cor_kube_cancel(&claim->call);
    cor_timer_free(&claim->again);
    cor_free(claim->node);
    cor_free(claim->text);
    cor_free(claim);
}

struct ec_claims *ec_claims_new(struct ec *ec)
{
    struct ec_claims *claims = cor_alloc(sizeof(*claims));
    claims->ec = ec;
    claims->address = ec->cfg->replica;
    claims->all = cor_map_new(claim_drop);
    return claims;
}

void ec_claims_free(struct ec_claims **claims)
{
    if (*claims != NULL) {
        cor_map_free(&(*claims)->all);
        cor_freep(claims);
    }
}

static bool is_alone(const struct ec_claims *claims)
{
    return claims->address[0] == '\0';
}

static const char *annotation(const struct cor_json *node, const char *key)
{
    return cor_json_as_str(cor_json_get(cor_json_at(node, "metadata.annotations"), key), "");
}

enum ec_claim_state ec_claim_state(const struct cor_json *node, const char *claim, uint64_t version)
{
    uint64_t seen = 0;
    const char *link = annotation(node, EC_CLAIM_LINK);
    bool is_old =
        cor_view_u64(cor_json_as_view(cor_json_at(node, "metadata.resourceVersion")), &seen) &&
        seen <= version;
    if (is_old || strcmp(link, claim) == 0) {
        return EC_CLAIM_OURS;
    }
    return link[0] == '\0' ? EC_CLAIM_NONE : EC_CLAIM_LOST;
}

/* ---- what the claim has come to ---- */

static void tell(const struct claim *claim, bool lost)
{
    struct ec *ec = claim->claims->ec;
    struct px_node_owner message = {
        .node = cor_view_of(claim->node), .epoch = claim->epoch, .lost = lost};
    if (cor_send(ec->hub, PX_node_owner, &message) == COR_BUSY) {
        LOGW(ec->service->log, "controller.owner-untold", "node=%s", claim->node);
    }
}

/* Nothing more is done for the node here: what it has not been told to be committed it sends to the
 * other replica. */
static void lose(struct claim *claim, const struct cor_json *node)
{
    struct ec *ec = claim->claims->ec;
    auto_(cor_freep) char *name = cor_strdup(claim->node);
    LOGI(ec->service->log, "controller.node-lost", "node=%s to=%s", name,
         cor_log_esc(cor_view_of(annotation(node, EC_CLAIM_LINK))));
    tell(claim, true);
    ec_flows_lost(ec, name);
    ec_feeds_end(ec->feeds, name);
    (void)cor_map_del(ec->sessions, cor_view_of(name));
    (void)cor_map_del(claim->claims->all, cor_view_of(name));
}

static void write(struct claim *claim);

static void look(struct claim *claim, const struct cor_json *node)
{
    enum ec_claim_state state = ec_claim_state(node, claim->text, claim->version);
    if (state == EC_CLAIM_LOST) {
        lose(claim, node);
    } else if (state == EC_CLAIM_NONE) {
        write(claim);
    }
}

static void look_in_mirror(struct claim *claim)
{
    struct ec *ec = claim->claims->ec;
    const struct cor_json *node = ec_get(ec, EC_NODES, "", claim->node);
    if (node != NULL) {
        look(claim, node);
    }
}

/* ---- writing ---- */

static void on_written(void *self, const struct cor_kube_response *response)
{
    struct claim *claim = self;
    struct ec *ec = claim->claims->ec;
    claim->call = NULL;
    if (response->status == NOT_FOUND) {
        return; /* ec_claims_look: when there is a Node */
    }
    if (response->code != COR_OK) {
        LOGW(ec->service->log, "controller.claim-failed", "node=%s status=%d reason=%s",
             claim->node, response->status, cor_log_esc(cor_view_of(response->text)));
        cor_timer_start(claim->again, PAUSE_US);
        return;
    }
    claim->written = true;
    (void)cor_view_u64(cor_json_as_view(cor_json_at(response->body, "metadata.resourceVersion")),
                       &claim->version);
    tell(claim, false);
    look_in_mirror(claim);
}

static void write(struct claim *claim)
{
    struct ec_claims *claims = claim->claims;
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_json_free) struct cor_json *patch = cor_json_object();
    struct cor_kube_ref ref = {.group_version = "v1", .plural = "nodes", .name = claim->node};
    if (claim->call != NULL) {
        return;
    }
    struct cor_json *annotations = cor_json_object();
    cor_json_set(annotations, EC_CLAIM_ADDRESS, cor_json_str(claims->address));
    cor_json_set(annotations, EC_CLAIM_LINK, cor_json_str(claim->text));
    cor_json_set_at(patch, "metadata.annotations", annotations);
    auto_(cor_freep) char *text = cor_json_text(patch);
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {.method = "PATCH",
                                       .path = path.data,
                                       .content_type = COR_KUBE_MERGE,
                                       .body = cor_view_of(text)};
    claim->call = cor_kube_send(claims->ec->kube, &request, on_written, claim);
}

static void on_again(void *self)
{
    write(self);
}

void ec_claims_begin(struct ec_claims *claims, const struct px_node_session *session)
{
    if (is_alone(claims)) {
        return;
    }
    struct claim *claim = cor_alloc(sizeof(*claim));
    claim->claims = claims;
    claim->node = cor_view_dup(session->node);
    claim->text = cor_sprintf("%s/%016" PRIx64, claims->address, session->claim);
    claim->epoch = session->epoch;
    claim->written = session->claimed;
    claim->again = cor_timer_new(claims->ec->service->loop, on_again, claim);
    cor_map_set(claims->all, session->node, claim);
    if (claim->written) {
        look_in_mirror(claim);
    } else {
        write(claim);
    }
}

void ec_claims_end(struct ec_claims *claims, const char *node)
{
    if (node != NULL) {
        (void)cor_map_del(claims->all, cor_view_of(node));
        return;
    }
    cor_map_free(&claims->all);
    claims->all = cor_map_new(claim_drop);
}

void ec_claims_look(struct ec_claims *claims, const struct cor_json *node)
{
    struct claim *claim = cor_map_get(claims->all, cor_view_of(ec_name(node)));
    if (claim == NULL) {
        return;
    }
    if (claim->written) {
        look(claim, node);
    } else if (!cor_timer_running(claim->again)) {
        write(claim);
    }
}

const char *ec_claims_owner(const struct ec_claims *claims, const char *node)
{
    if (is_alone(claims)) {
        return NULL;
    }
    const char *address = annotation(ec_get(claims->ec, EC_NODES, "", node), EC_CLAIM_ADDRESS);
    return address[0] == '\0' || strcmp(address, claims->address) == 0 ? NULL : address;
}
