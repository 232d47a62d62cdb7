// SPDX-License-Identifier: Apache-2.0
// CSI drivers on this node: they register as at a kubelet, and mount and unmount volumes of Pods.
// What a Pod has mounted is in a file beside the mount (vol_data.json, the kubelet's), so that it
// is given back after a restart too. Source: k8s.io/kubernetes pkg/volume/csi,
// pkg/kubelet/pluginmanager. Loop thread only.
#ifndef EDGED_CSI_H
#define EDGED_CSI_H

#include <stdbool.h>

struct agent;
struct agent_pod;
struct cor_json;
struct csi;
struct pod_volume;
struct stats_fs;

/* Watches <pods.dir>/plugins_registry. NULL when csi.enabled is false, or the folder cannot be
 * watched (which is logged). Returns owned. */
struct csi *csi_new(struct agent *agent);

/* Closes; what is under way ends unfinished. *csi becomes NULL. For auto_(). */
void csi_free(struct csi **csi);

/* Mounts volume (CSI, of a claim or of the Pod itself) where disk_volume_path says. fn is called
 * once, perhaps from within; error: why not, in the kubelet's words, or NULL. */
void csi_mount(struct agent_pod *pod, const struct pod_volume *volume,
               void (*fn)(void *self, const char *error), void *self);

/* Has drivers unmount all that the Pod uid (borrowed for the call) has of them, and tries until
 * they have. fn is called once, perhaps from within; all: it is done, else edged stops. */
void csi_unmount(struct agent *agent, const char *uid, void (*fn)(void *self, bool all),
                 void *self);

/* Whether that is under way. csi may be NULL. */
bool csi_is_unmounting(const struct csi *csi, const char *uid);

/* status.volumesInUse of the Node: what is to stay attached to it. Returns owned; NULL: csi is. */
struct cor_json *csi_volumes_in_use(const struct csi *csi);

/* A status of the Node was taken, or refused, or there is no link any more. csi may be NULL. */
void csi_node_reported(struct csi *csi, bool taken);

/* Adds the topology of the drivers that are here to labels, an object. csi may be NULL. */
void csi_add_topology(const struct csi *csi, struct cor_json *labels);

/* What the driver has said of how full the Pod's volume by that name is; it is asked again when
 * that is a minute old, as the kubelet does (volumeStatsAggPeriod). False: it does not say. csi may
 * be NULL. */
bool csi_volume_stats(struct csi *csi, const char *uid, const char *name, struct stats_fs *out);

/* The link is up, or (anew) the Node is another one: the CSINode is made or brought up to date. csi
 * may be NULL. */
void csi_node_look(struct csi *csi, bool anew);

#endif
