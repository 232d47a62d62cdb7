// SPDX-License-Identifier: Apache-2.0
// Which images go when the disk fills up, and what the Node says of those that are here. Pure.
// Source: k8s.io/kubernetes pkg/kubelet/images/image_gc_manager.go,
// pkg/kubelet/nodestatus/setters.go. Any thread.
#ifndef EDGED_IMAGES_H
#define EDGED_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock/clock.h"
#include "common/json/json.h"
#include "services/edged/cri/cri.h"

struct images_rules {
    int64_t high_percent; /* of the disk: from here on images go; 100: never */
    int64_t low_percent;  /* until this much is used */
    int64_t min_age_us;   /* that an image is kept at least, since it was first seen */
};

/* What is known of one image. */
struct images_record {
    char *id; /* owned by the list's owner */
    uint64_t size;
    struct cor_mono first; /* when it was first seen */
    struct cor_mono used;  /* when it was last in use; us 0: never */
    bool in_use;
    bool pinned; /* by the runtime, or the sandboxes' own */
    bool failed; /* could not be removed this time */
};

/* Bytes to be freed on a disk with this capacity; <= 0: nothing. */
int64_t images_to_free(const struct images_rules *rules, int64_t capacity, int64_t available);

/* Index of the image that goes first: the one whose last use is longest ago, of those never used
 * the one that came first; count when none may go. */
size_t images_next(const struct images_rules *rules, const struct images_record *records,
                   size_t count, struct cor_mono now);

/* Whether the image has this name (a reference, an id, a digest), as Pods and the runtime write it.
 */
bool images_has_name(const struct cri_image *image, const char *name);

/* status.images of the Node: the largest first, at most most of them. Returns owned. */
struct cor_json *images_of_node(const struct cri_image *images, size_t count, size_t most);

#endif
