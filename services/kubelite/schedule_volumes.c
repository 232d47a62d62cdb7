// SPDX-License-Identifier: Apache-2.0
#include "schedule_volumes.h"

#include <string.h>

#include "bind.h"
#include "common/base/buf.h"
#include "common/base/mem.h"
#include "meta.h"
#include "quantity.h"
#include "schedule.h"

static const char *claim_name(const struct cor_json *volume)
{
    return cor_json_str_at(volume, "persistentVolumeClaim.claimName", "");
}

static size_t find(const struct cor_json *list, const char *ns, const char *name)
{
    size_t count = cor_json_count(list);
    for (size_t i = 0; i < count; i++) {
        const struct cor_json *one = cor_json_item(list, i);
        if (strcmp(kl_meta_str(one, "name"), name) == 0 &&
            (ns == NULL || strcmp(kl_meta_str(one, "namespace"), ns) == 0)) {
            return i;
        }
    }
    return count;
}

size_t kl_claim_of(const struct cor_json *pod, size_t index, const struct kl_stock *stock,
                   bool *more_r)
{
    const struct cor_json *volumes = cor_json_at(pod, "spec.volumes");
    const char *name = claim_name(cor_json_item(volumes, index));
    *more_r = index < cor_json_count(volumes);
    return name[0] == '\0' ? cor_json_count(stock->claims)
                           : find(stock->claims, kl_meta_str(pod, "namespace"), name);
}

static bool is_bound(const struct cor_json *claim)
{
    return strcmp(cor_json_str_at(claim, "status.phase", ""), "Bound") == 0;
}

bool kl_claim_waits(const struct cor_json *claim, const struct cor_json *classes)
{
    const char *name = cor_json_str_at(claim, "spec.storageClassName", "");
    const struct cor_json *class = cor_json_item(classes, find(classes, NULL, name));
    return name[0] != '\0' && !is_bound(claim) &&
           cor_json_str_at(claim, "spec.volumeName", "")[0] == '\0' &&
           strcmp(cor_json_str_at(class, "volumeBindingMode", ""), "WaitForFirstConsumer") == 0;
}

bool kl_claims_lack(const struct cor_json *pod, const struct kl_stock *stock, struct cor_buf *why)
{
    bool more = true;
    for (size_t i = 0; more; i++) {
        const struct cor_json *claim =
            cor_json_item(stock->claims, kl_claim_of(pod, i, stock, &more));
        const char *name = claim_name(cor_json_item(cor_json_at(pod, "spec.volumes"), i));
        if (name[0] == '\0') {
            continue;
        }
        if (claim == NULL) {
            cor_buf_fmt(why, "persistentvolumeclaim \"%s\" not found", name);
        } else if (kl_meta_deleting(claim)) {
            cor_buf_fmt(why, "persistentvolumeclaim \"%s\" is being deleted", name);
        } else if (!is_bound(claim) && !kl_claim_waits(claim, stock->classes)) {
            cor_buf_str(why, "pod has unbound immediate PersistentVolumeClaims");
        } else {
            continue;
        }
        return true;
    }
    return false;
}

/* ---- one node ---- */

static bool has_mode(const struct cor_json *claim, const char *mode)
{
    const struct cor_json *modes = cor_json_at(claim, "spec.accessModes");
    for (size_t i = 0; i < cor_json_count(modes); i++) {
        if (strcmp(cor_json_as_str(cor_json_item(modes, i), ""), mode) == 0) {
            return true;
        }
    }
    return false;
}

static bool uses(const struct cor_json *pod, const struct cor_json *claim)
{
    const struct cor_json *volumes = cor_json_at(pod, "spec.volumes");
    bool found = false;
    for (size_t i = 0; i < cor_json_count(volumes); i++) {
        found =
            found || strcmp(claim_name(cor_json_item(volumes, i)), kl_meta_str(claim, "name")) == 0;
    }
    return found && strcmp(kl_meta_str(pod, "namespace"), kl_meta_str(claim, "namespace")) == 0;
}

/* Whether a Pod that has a node, and has not ended, has the claim. */
static bool is_taken(const struct cor_json *claim, const struct cor_json *pods)
{
    for (size_t i = 0; i < cor_json_count(pods); i++) {
        const struct cor_json *pod = cor_json_item(pods, i);
        const char *phase = cor_json_str_at(pod, "status.phase", "");
        if (cor_json_str_at(pod, "spec.nodeName", "")[0] != '\0' &&
            strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0 && uses(pod, claim)) {
            return true;
        }
    }
    return false;
}

static bool is_on(const struct cor_json *volume, const struct cor_json *node)
{
    const struct cor_json *terms =
        cor_json_at(volume, "spec.nodeAffinity.required.nodeSelectorTerms");
    return terms == NULL || kl_terms_fit(terms, node);
}

size_t kl_claim_volume(const struct cor_json *claim, const struct cor_json *node,
                       const struct kl_stock *stock, const struct cor_json *taken)
{
    size_t count = cor_json_count(stock->volumes);
    size_t best = count;
    int64_t least = 0;
    for (size_t i = 0; i < count; i++) {
        const struct cor_json *volume = cor_json_item(stock->volumes, i);
        int64_t size =
            kl_quantity_milli(cor_json_as_view(cor_json_at(volume, "spec.capacity.storage")));
        if ((best == count || size < least) && kl_bind_may(claim, volume) && is_on(volume, node) &&
            cor_json_get(taken, kl_meta_str(volume, "name")) == NULL) {
            best = i;
            least = size;
        }
    }
    return best;
}

static const char *misfit(const struct cor_json *claim, const struct cor_json *node,
                          const struct kl_stock *stock, struct cor_json *taken)
{
    const char *name = cor_json_str_at(claim, "spec.volumeName", "");
    if (is_bound(claim)) {
        const struct cor_json *volume =
            cor_json_item(stock->volumes, find(stock->volumes, NULL, name));
        return volume == NULL || is_on(volume, node) ? NULL
                                                     : "node(s) had volume node affinity conflict";
    }
    const struct cor_json *volume =
        cor_json_item(stock->volumes, kl_claim_volume(claim, node, stock, taken));
    if (volume == NULL) {
        return "node(s) didn't find available persistent volumes to bind";
    }
    cor_json_set(taken, kl_meta_str(volume, "name"), cor_json_bool(true));
    return NULL;
}

const char *kl_claims_misfit(const struct cor_json *pod, const struct cor_json *node,
                             const struct cor_json *pods, const struct kl_stock *stock)
{
    auto_(cor_json_free) struct cor_json *taken = cor_json_object();
    const char *why = NULL;
    bool more = true;
    for (size_t i = 0; more && why == NULL; i++) {
        const struct cor_json *claim =
            cor_json_item(stock->claims, kl_claim_of(pod, i, stock, &more));
        if (claim == NULL) {
            continue;
        }
        if (has_mode(claim, "ReadWriteOncePod") && is_taken(claim, pods)) {
            why = "node has pod using PersistentVolumeClaim with the same name and "
                  "ReadWriteOncePod access mode";
        } else {
            why = misfit(claim, node, stock, taken);
        }
    }
    return why;
}
