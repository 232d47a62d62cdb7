// SPDX-License-Identifier: Apache-2.0
// How an NFS volume is mounted: the arguments of mount(8), and the words when it fails. Pure.
// Source: k8s.io/kubernetes pkg/volume/nfs, k8s.io/mount-utils. Any thread.
#ifndef EDGED_NFS_H
#define EDGED_NFS_H

#include "common/base/buf.h"
#include "services/edged/pod/pod.h"

enum { NFS_ARGS_MAX = 9 };

struct nfs_mount {
    char *source;                   /* owned: "server:/path" */
    char *options;                  /* owned: "" none */
    const char *argv[NFS_ARGS_MAX]; /* ends with NULL; points here and to target */
};

/* The mount of volume at target (borrowed as long as out is used). COR_INVALID: server, path or an
 * option is none. */
COR_NODISCARD enum cor_code nfs_mount_of(const struct pod_volume *volume, const char *target,
                                         struct nfs_mount *out, struct cor_err *err);

/* Frees the content. For auto_(). */
void nfs_mount_free(struct nfs_mount *mount);

/* Appends why a mount has failed with status (< 0: none): what the kubelet tells, but the cause
 * first, for such texts are cut. */
void nfs_failure(const struct nfs_mount *mount, int status, struct cor_view output,
                 struct cor_buf *out);

#endif
