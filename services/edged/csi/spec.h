// SPDX-License-Identifier: Apache-2.0
// What a CSI driver is told of a volume, and whether this node may ask it. Pure. Source:
// k8s.io/kubernetes pkg/volume/csi (csi_mounter.go, csi_plugin.go, csi_client.go). Any thread.
#ifndef EDGED_CSI_SPEC_H
#define EDGED_CSI_SPEC_H

#include "services/edged/pod/pod.h"

/* A Secret that a driver is given. Strings are owned; name "": none. */
struct csi_secret_ref {
    char *ns;
    char *name;
};

/* A volume. Strings are owned. */
struct csi_volume {
    char *driver;
    char *handle;
    char *pv; /* PersistentVolume; "": the Pod's own (Ephemeral) */
    char *fs_type;
    bool readonly;
    bool one_writer;          /* ReadWriteOnce or ReadWriteOncePod */
    int mode;                 /* access mode of CSI, without SINGLE_NODE_MULTI_WRITER */
    bool one_pod;             /* ReadWriteOncePod */
    struct cor_json *context; /* volumeAttributes */
    struct cor_json *options; /* mountOptions; NULL */
    struct csi_secret_ref stage;
    struct csi_secret_ref publish;
    struct csi_secret_ref expand;
    struct cor_json *attached; /* attachmentMetadata; NULL: it is not attached */
};

/* What the CSIDriver object says. */
struct csi_policy {
    bool pod_info;
    bool attach;
    enum { CSI_GROUP_BY_TYPE, CSI_GROUP_ALWAYS, CSI_GROUP_NEVER } group;
};

/* Reads volume of pod. COR_INVALID. */
COR_NODISCARD enum cor_code csi_volume_of(const struct pod *pod, const struct pod_volume *volume,
                                          struct csi_volume *out, struct cor_err *err);

/* Frees the content. For auto_(). */
void csi_volume_free(struct csi_volume *volume);

/* status and body answer a GET of the CSIDriver (404: the kubelet's defaults count). COR_RETRY: not
 * known; COR_UNSUPPORTED: the driver does not do such volumes. */
COR_NODISCARD enum cor_code csi_policy_of(const struct csi_volume *volume, int status,
                                          struct cor_view body, struct csi_policy *out,
                                          struct cor_err *err);

/* Adds what drivers are told of the Pod. */
void csi_add_pod_info(struct csi_volume *volume, const struct pod *pod);

/* Whether the Pod's fsGroup is given to the volume. */
bool csi_wants_group(const struct csi_volume *volume, const struct csi_policy *policy,
                     const struct pod *pod);

/* vol_data.json, as the kubelet writes it. Returns owned. */
struct cor_json *csi_vol_data(const struct csi_volume *volume, const char *node);

/* Whether the volume has grown beyond what its claim says is there: to bytes, which is text in the
 * volume. */
bool csi_has_grown(const struct cor_json *claim, const struct cor_json *pv, int64_t *bytes_r);

/* A merge patch of the claim's status: the volume is as large as pv says. Returns owned. */
struct cor_json *csi_grown(const struct cor_json *claim, const struct cor_json *pv);

/* The name that a volume has in a Node's status, and its VolumeAttachment to the node. Return
 * owned.
 */
char *csi_unique_name(const char *driver, const char *handle);
char *csi_attachment_name(const struct csi_volume *volume, const char *node);

/* status and body answer a GET of the VolumeAttachment; its metadata goes to volume->attached.
 * COR_RETRY: it is not attached, in the kubelet's words. */
COR_NODISCARD enum cor_code csi_attached(struct csi_volume *volume, int status,
                                         struct cor_view body, struct cor_err *err);

#endif
