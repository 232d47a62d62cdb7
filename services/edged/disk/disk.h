// SPDX-License-Identifier: Apache-2.0
// Folders, files and mounts of pods, laid out as kubelet lays them: <root>/pods/<uid>/volumes/
// kubernetes.io~<kind>/<name>, containers/<name>, etc-hosts, volume-subpaths;
// <logs>/<ns>_<name>_<uid>. Small writes to the page cache only; nothing is synced. disk_remove may
// take long: call it in a child process. Any thread.
#ifndef EDGED_DISK_H
#define EDGED_DISK_H

#include <sys/types.h>

#include "services/edged/pod/payload.h"
#include "services/edged/pod/pod.h"

/* Makes the pod's folders under root and its log folder. COR_IO. */
COR_NODISCARD enum cor_code disk_make_pod(const char *root, const char *log_dir,
                                          const struct pod *pod, struct cor_err *err);

/* Where the volume is on this machine. Returns owned. */
char *disk_volume_path(const char *root, const struct pod *pod, const struct pod_volume *volume);

/* Makes an emptyDir (a tmpfs when it asks for memory) or checks and makes a hostPath. COR_INVALID:
 * the hostPath is not of its type; COR_IO. */
COR_NODISCARD enum cor_code disk_make_volume(const char *root, const struct pod *pod,
                                             const struct pod_volume *volume, struct cor_err *err);

/* Whether something is mounted at path. */
bool disk_is_mounted(const char *path);

/* Replaces the content of a volume with content, atomically, as kubelet's AtomicWriter: files in a
 * folder ..<time>, the link ..data to it, and links from the names. Volumes with secrets are on a
 * tmpfs. stamp tells one call from another. COR_IO leaves the old content. */
COR_NODISCARD enum cor_code disk_write_volume(const char *root, const struct pod *pod,
                                              const struct pod_volume *volume,
                                              const struct payload *payload, int64_t stamp,
                                              struct cor_err *err);

/* Whether disk_write_volume has ever given this volume content. */
bool disk_volume_is_written(const char *root, const struct pod *pod,
                            const struct pod_volume *volume);

/* Makes the folders in a volume that other volumes are mounted on: a volume may be read-only to the
 * runtime, which would make them else. Not in the machine's own folders. Source: k8s.io/kubernetes
 * pkg/volume/util/nested_volumes.go. COR_IO. */
COR_NODISCARD enum cor_code disk_make_nested(const char *root, const struct pod *pod,
                                             const struct pod_volume *volume, struct cor_err *err);

/* Where a mount's sub path of a volume can be had: a bind mount of what it leads to without leaving
 * the volume, made under volume-subpaths. A missing folder is made. sub_path is expanded. Returns
 * owned in *path_r. COR_DENIED: it leads out of the volume; COR_IO. */
COR_NODISCARD enum cor_code disk_sub_path(const char *root, const struct pod *pod,
                                          const struct pod_volume *volume,
                                          const struct pod_container *container, size_t mount_index,
                                          const char *sub_path, char **path_r, struct cor_err *err);

/* Replaces a small file of the pod (etc-hosts), mode 0644; its inode stays. Returns its path,
 * owned, in *path_r. COR_IO. */
COR_NODISCARD enum cor_code disk_write_hosts(const char *root, const struct pod *pod,
                                             struct cor_view content, char **path_r,
                                             struct cor_err *err);

/* The file behind terminationMessagePath of one attempt: made empty, mode 0666. Returns owned. */
COR_NODISCARD enum cor_code disk_make_message(const char *root, const struct pod *pod,
                                              const char *container, uint32_t attempt,
                                              char **path_r, struct cor_err *err);

/* Appends what the container left there, at most 4096 bytes (kubelet's limit). */
void disk_read_message(const char *root, const struct pod *pod, const char *container,
                       uint32_t attempt, struct cor_buf *out);

/* Appends the texts of the last lines of a container's log, at most 2048 bytes (kubelet's limit).
 */
void disk_read_log_tail(const char *log_dir, const char *container, uint32_t attempt,
                        struct cor_buf *out);

/* Unmounts and removes all of a pod: its folder under root, its log folder ("": none). Does not go
 * into other file systems. What fails is left. */
void disk_remove(const char *root, const char *log_dir, const char *uid);

/* Removes an empty cgroup by its path, from the unified hierarchy and each of version 1. */
void disk_remove_cgroup(const char *cgroup);

/* Removes the empty cgroups pod<uid> below cgroup, in all hierarchies, for which is_stray says yes:
 * a runtime that was late may have made them again. */
void disk_sweep_cgroups(const char *cgroup, bool (*is_stray)(void *self, const char *uid),
                        void *self);

/* Calls fn for the uid of each pod that has a folder under root, which this process owns. Leaves no
 * trace on the disk. */
void disk_each_pod(const char *root, void (*fn)(void *self, const char *uid), void *self);

/* The same for the log folders of pods, whose names are <ns>_<name>_<uid>. */
void disk_each_log(const char *logs, void (*fn)(void *self, const char *folder), void *self);

#endif
