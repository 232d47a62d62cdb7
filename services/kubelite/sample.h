// SPDX-License-Identifier: Apache-2.0
// What a node uses, as its kubelet says at /metrics/resource (Prometheus text; KEP-727), and what
// the metrics API makes of two such samples (sigs.k8s.io/metrics-server/pkg/scraper, storage).
// Pure.
#ifndef KUBELITE_SAMPLE_H
#define KUBELITE_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/view.h"
#include "common/clock/clock.h"
#include "common/json/json.h"

enum { KL_SAMPLE_CONTAINERS_MAX = 1024 };

/* Use of a node or a container. */
struct kl_use {
    double cpu_s;       /* used since some moment; < 0: not said */
    double memory;      /* bytes, working set; < 0: not said */
    struct cor_wall at; /* of cpu_s */
};

struct kl_container_use {
    char *ns, *pod, *name; /* owned */
    struct kl_use use;
};

/* Zeroed is empty. */
struct kl_sample {
    struct kl_use node;
    struct kl_container_use *containers; /* owned */
    size_t count, room;
};

/* Reads text, which was asked for at now (for lines without a time of their own); lines that are of
 * no interest or broken are skipped, containers beyond the maximum too. *sample must be empty. */
void kl_sample_read(struct kl_sample *sample, struct cor_view text, struct cor_wall now);

/* Use of that container; NULL: not in the sample. */
const struct kl_use *kl_sample_find(const struct kl_sample *sample, const char *ns, const char *pod,
                                    const char *name);

/* "usage" of the metrics API between two samples of one thing, as {"cpu":"3m","memory":"5Ki"};
 * NULL: they do not say. Returns owned. */
struct cor_json *kl_usage(const struct kl_use *before, const struct kl_use *now);

/* Frees; empty again. For auto_(). */
void kl_sample_free(struct kl_sample *sample);

#endif
