// SPDX-License-Identifier: Apache-2.0
// What a resolv.conf says (resolv.conf(5)): what Pods with the machine's resolver add to. Pure.
// Source: k8s.io/kubernetes pkg/kubelet/network/dns parseResolvConf. Any thread.
#ifndef EDGED_RESOLV_H
#define EDGED_RESOLV_H

#include <stddef.h>

#include "common/base/view.h"

enum { RESOLV_SERVERS_MAX = 3, RESOLV_WORDS_MAX = 32 };

struct resolv {
    const char *servers[RESOLV_SERVERS_MAX];
    const char *searches[RESOLV_WORDS_MAX];
    const char *options[RESOLV_WORDS_MAX];
    size_t server_count;
    size_t search_count;
    size_t option_count;
    char *text; /* owned: the others point into it */
};

/* Reads the text of a resolv.conf; the last search or domain line counts. What is too much is left
 * out. Returns owned. */
struct resolv *resolv_read(struct cor_view text);

/* Frees; *resolv becomes NULL. For auto_(). */
void resolv_free(struct resolv **resolv);

#endif
