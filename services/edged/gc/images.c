// SPDX-License-Identifier: Apache-2.0
#include "images.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

enum { NAMES_MAX = 5 }; /* kubelet's MaxNamesPerImageInNodeStatus */

int64_t images_to_free(const struct images_rules *rules, int64_t capacity, int64_t available)
{
    if (capacity <= 0 || rules->high_percent >= 100) {
        return 0;
    }
    available = available > capacity ? capacity : available;
    int64_t used_percent = 100 - (int64_t)((double)available * 100 / (double)capacity);
    if (used_percent < rules->high_percent) {
        return 0;
    }
    return (int64_t)((double)capacity * (double)(100 - rules->low_percent) / 100) - available;
}

static bool goes_before(const struct images_record *a, const struct images_record *b)
{
    return a->used.us != b->used.us ? a->used.us < b->used.us : a->first.us < b->first.us;
}

size_t images_next(const struct images_rules *rules, const struct images_record *records,
                   size_t count, struct cor_mono now)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        const struct images_record *r = &records[i];
        if (r->in_use || r->pinned || r->failed ||
            cor_mono_since(now, r->first) < rules->min_age_us) {
            continue;
        }
        if (best == count || goes_before(r, &records[best])) {
            best = i;
        }
    }
    return best;
}

/* The runtime's tags are whole ("docker.io/library/web:1"), those of Pods may be short ("web:1").
 */
static bool is_tag(const char *tag, const char *name)
{
    size_t len = strlen(tag);
    size_t tail = strlen(name);
    return strcmp(tag, name) == 0 || (tail > 0 && len > tail && tag[len - tail - 1] == '/' &&
                                      strcmp(tag + len - tail, name) == 0);
}

bool images_has_name(const struct cri_image *image, const char *name)
{
    if (name == NULL || name[0] == '\0') {
        return false;
    }
    bool found = strcmp(image->id, name) == 0 || strcmp(image->ref, name) == 0;
    for (size_t i = 0; i < image->digests.count; i++) {
        found = found || is_tag(image->digests.item[i], name);
    }
    for (size_t i = 0; i < image->tags.count; i++) {
        found = found || is_tag(image->tags.item[i], name);
    }
    return found;
}

static int by_size(const void *a, const void *b)
{
    const struct cri_image *left = *(const struct cri_image *const *)a;
    const struct cri_image *right = *(const struct cri_image *const *)b;
    if (left->size != right->size) {
        return left->size < right->size ? 1 : -1;
    }
    return strcmp(left->id, right->id);
}

static void add_names(struct cor_json *names, struct cri_strings from)
{
    for (size_t i = 0; i < from.count && cor_json_count(names) < NAMES_MAX; i++) {
        cor_json_add(names, cor_json_str(from.item[i]));
    }
}

struct cor_json *images_of_node(const struct cri_image *images, size_t count, size_t most)
{
    struct cor_json *list = cor_json_array();
    auto_(cor_freep) const struct cri_image **sorted = cor_calloc(count + 1, sizeof(*sorted));
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &images[i];
    }
    qsort(sorted, count, sizeof(*sorted), by_size);
    for (size_t i = 0; i < count && i < most; i++) {
        struct cor_json *entry = cor_json_object();
        struct cor_json *names = cor_json_array();
        add_names(names, sorted[i]->digests);
        add_names(names, sorted[i]->tags);
        cor_json_set(entry, "names", names);
        cor_json_set(entry, "sizeBytes", cor_json_int((int64_t)sorted[i]->size));
        cor_json_add(list, entry);
    }
    return list;
}
