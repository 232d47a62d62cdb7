// SPDX-License-Identifier: Apache-2.0
// Huge pages: what the machine has of them, and what a Pod asks for. Source: k8s.io/kubernetes
// pkg/apis/core/v1/helper, pkg/volume/emptydir. Any thread.
#ifndef EDGED_HUGE_H
#define EDGED_HUGE_H

#include "services/edged/pod/pod.h"

enum { HUGE_SIZES_MAX = 16, HUGE_NAME_SIZE = 32 };

struct huge_size {
    char resource[HUGE_NAME_SIZE]; /* "hugepages-2Mi" */
    char page[HUGE_NAME_SIZE];     /* "2MB", as cgroups and the runtime call it */
    int64_t bytes;                 /* of a page */
    int64_t pages;                 /* that the machine has set aside */
};

struct huge {
    struct huge_size sizes[HUGE_SIZES_MAX];
    size_t count;
};

/* Reads the machine's: root is before /sys ("" but in tests). What is not there is left out. */
void huge_read(const char *root, struct huge *out);

/* Bytes that the machine has set aside in all. */
int64_t huge_total(const struct huge *huge);

/* Bytes of the resource that the machine has set aside. False: it does not have this size. */
bool huge_find(const struct huge *huge, const char *resource, int64_t *bytes_r);

/* How many bytes of the resource the limits of a container name; 0: none. */
int64_t huge_limit(const struct pod_resources *resources, const char *resource);

/* The page size of an emptyDir on huge pages, as the mount takes it ("2Mi"). COR_INVALID in the
 * kubelet's words: the Pod's containers ask for none of that size, or of several. */
COR_NODISCARD enum cor_code huge_medium(const struct pod *pod, const struct pod_volume *volume,
                                        const char **size_r, struct cor_err *err);

#endif
