// SPDX-License-Identifier: Apache-2.0
// The parts that several requests to a CSI driver have: of a volume, and what a Secret gives. Pure.
#ifndef EDGED_CSI_REQUEST_H
#define EDGED_CSI_REQUEST_H

#include "services/edged/csi/csi.pb-c.h"
#include "spec.h"

/* Entries of a map<string, string>; borrows from the JSON that they were made of. */
struct csi_texts {
    Csi__V1__KeyText *pairs;
    Csi__V1__KeyText **list;
    size_t count;
};

/* Entries for the members of object (may be NULL) that are strings. Free with csi_texts_free. */
struct csi_texts csi_texts_of(const struct cor_json *object);
void csi_texts_free(struct csi_texts *texts);

/* The content of a Secret, decoded. Owns it, and wipes it. */
struct csi_secrets {
    Csi__V1__SecretText *pairs;
    Csi__V1__SecretText **list;
    size_t count;
};

/* What the data of a Secret (may be NULL) says; what is no base64 is left out. Keys are borrowed.
 * Free with csi_secrets_free. */
struct csi_secrets csi_secrets_of(const struct cor_json *data);
void csi_secrets_free(struct csi_secrets *secrets);

/* What a driver can do that matters here. */
struct csi_abilities {
    bool stages;
    bool sets_group; /* VOLUME_MOUNT_GROUP */
    bool one_writer; /* SINGLE_NODE_MULTI_WRITER */
    bool has_stats;  /* GET_VOLUME_STATS */
    bool grows;      /* EXPAND_VOLUME */
};

/* How the volume is to be there. Borrows from itself and the volume: it does not move. */
struct csi_capability {
    Csi__V1__VolumeCapability all;
    Csi__V1__MountVolume mount;
    Csi__V1__AccessMode mode;
    char **flags; /* owned */
    char group[24];
};

/* Fills out for a driver that can do so much; pod says the group. Free with csi_capability_free. */
void csi_capability_fill(struct csi_capability *out, const struct csi_volume *volume,
                         const struct csi_abilities *driver, const struct pod *pod);
void csi_capability_free(struct csi_capability *capability);

#endif
