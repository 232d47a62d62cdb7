// SPDX-License-Identifier: Apache-2.0
#include "storage.h"

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "rank.h"

static bool limits_volume(const struct pod_volume *volume)
{
    return volume->type == POD_VOLUME_EMPTY_DIR && volume->size.given && volume->size.n > 0;
}

bool storage_is_limited(const struct pod *pod)
{
    bool limited = false;
    for (size_t i = 0; i < pod->volume_count; i++) {
        limited = limited || limits_volume(&pod->volumes[i]);
    }
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        limited = limited || pod_container(pod, i)->resources.storage_limit.given;
    }
    return limited;
}

int64_t storage_sum(const struct pod *pod, const struct storage_used *used)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < pod->volume_count; i++) {
        sum += pod->volumes[i].memory || pod->volumes[i].huge ? 0 : used->volumes[i];
    }
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        sum += used->containers[i];
    }
    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

/* Sum of the main containers' limits; < 0: there is none. */
static int64_t limit_of(const struct pod *pod)
{
    int64_t sum = -1;
    for (size_t i = 0; i < pod->main_count; i++) {
        const struct pod_amount *limit = &pod->main[i].resources.storage_limit;
        sum = limit->given ? (sum < 0 ? 0 : sum) + limit->n : sum;
    }
    return sum;
}

static char *of_volume(const struct pod *pod, const struct storage_used *used)
{
    for (size_t i = 0; i < pod->volume_count; i++) {
        const struct pod_volume *volume = &pod->volumes[i];
        if (limits_volume(volume) && used->volumes[i] > (uint64_t)volume->size.n) {
            struct cor_buf out = {0};
            cor_buf_fmt(&out, "Usage of EmptyDir volume \"%s\" exceeds the limit \"", volume->name);
            rank_quantity(&out, volume->size.n, true);
            cor_buf_str(&out, "\". ");
            return cor_buf_take(&out);
        }
    }
    return NULL;
}

static char *of_container(const struct pod *pod, const struct storage_used *used)
{
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        const struct pod_container *c = pod_container(pod, i);
        const struct pod_amount *limit = &c->resources.storage_limit;
        if (limit->given && used->containers[i] > (uint64_t)limit->n) {
            struct cor_buf out = {0};
            cor_buf_fmt(&out, "Container %s exceeded its local ephemeral storage limit \"",
                        c->name);
            rank_quantity(&out, limit->n, true);
            cor_buf_str(&out, "\". ");
            return cor_buf_take(&out);
        }
    }
    return NULL;
}

char *storage_exceeded(const struct pod *pod, const struct storage_used *used)
{
    int64_t limit = limit_of(pod);
    char *text = of_volume(pod, used);
    if (text == NULL && limit >= 0 && storage_sum(pod, used) > limit) {
        struct cor_buf out = {0};
        cor_buf_str(&out,
                    "Pod ephemeral local storage usage exceeds the total limit of containers ");
        rank_quantity(&out, limit, true);
        cor_buf_str(&out, ". ");
        return cor_buf_take(&out);
    }
    return text != NULL ? text : of_container(pod, used);
}
