// SPDX-License-Identifier: Apache-2.0
#include "huge.h"

#include <string.h>

#include "services/edged/pod/quantity.h"

#define PREFIX "hugepages-"

int64_t huge_total(const struct huge *huge)
{
    int64_t sum = 0;
    for (size_t i = 0; i < huge->count; i++) {
        sum += huge->sizes[i].bytes * huge->sizes[i].pages;
    }
    return sum;
}

bool huge_find(const struct huge *huge, const char *resource, int64_t *bytes_r)
{
    for (size_t i = 0; i < huge->count; i++) {
        if (strcmp(huge->sizes[i].resource, resource) == 0) {
            *bytes_r = huge->sizes[i].bytes * huge->sizes[i].pages;
            return true;
        }
    }
    return false;
}

int64_t huge_limit(const struct pod_resources *resources, const char *resource)
{
    for (size_t i = 0; i < resources->extra_count; i++) {
        if (strcmp(resources->extras[i].name, resource) == 0) {
            return resources->extras[i].n;
        }
    }
    return 0;
}

/* ---- emptyDir ---- */

struct search {
    int64_t wanted; /* page size; 0: any */
    int64_t found;
    const char *text; /* of what was found; "" */
    bool several;
};

static void look_in(struct search *search, const struct pod_resources *resources)
{
    for (size_t i = 0; i < resources->extra_count; i++) {
        const char *name = resources->extras[i].name;
        int64_t bytes = 0;
        if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
            !quantity_value(cor_view_of(name + strlen(PREFIX)), &bytes) ||
            (search->wanted != 0 && bytes != search->wanted)) {
            continue;
        }
        search->several = search->several || (search->found != 0 && search->found != bytes);
        search->found = bytes;
        search->text = name + strlen(PREFIX);
    }
}

enum cor_code huge_medium(const struct pod *pod, const struct pod_volume *volume,
                          const char **size_r, struct cor_err *err)
{
    struct search search = {.text = ""};
    const char *size = strchr(volume->medium, '-');
    if (size != NULL &&
        (!quantity_value(cor_view_of(size + 1), &search.wanted) || search.wanted <= 0)) {
        return cor_err_set(err, COR_INVALID, "medium %.60s: its size is no quantity",
                           volume->medium);
    }
    for (size_t i = 0; i < pod_main_end(pod); i++) {
        look_in(&search, &pod_container(pod, i)->resources);
    }
    if (search.several) {
        return cor_err_set(err, COR_INVALID,
                           "medium: %.60s can't be used if container requests multiple huge page "
                           "sizes",
                           volume->medium);
    }
    if (search.found == 0) {
        return cor_err_set(err, COR_INVALID,
                           "medium %.60s: hugePages storage requested, but there is no resource "
                           "request for huge pages",
                           volume->medium);
    }
    *size_r = search.text;
    return COR_OK;
}
