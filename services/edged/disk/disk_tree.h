// SPDX-License-Identifier: Apache-2.0
// Inside of disk*.c: walking and removing folders without following links or leaving file systems.
#ifndef EDGED_DISK_TREE_H
#define EDGED_DISK_TREE_H

/* Calls fn for each name in the open folder, but "." and "..". fn may remove it. */
void disk_tree_each(int folder, void (*fn)(void *self, const char *name), void *self);

/* Removes name in the open folder with all below it. Stays on its file system. What fails is left.
 */
void disk_tree_remove(int folder, const char *name);

#endif
