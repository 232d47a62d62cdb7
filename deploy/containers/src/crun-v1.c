// SPDX-License-Identifier: Apache-2.0
// crun where cgroup v1 and v2 are both mounted: crun refuses such a machine ("cgroups in hybrid
// mode not supported"). This runs it, with the same arguments, in a mount namespace without the v2
// hierarchy. Mounts of other namespaces still arrive (slave), so that root file systems made later
// are seen.
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int failed(const char *what)
{
    fprintf(stderr, "crun-v1: %s: %s\n", what, strerror(errno));
    return 125;
}

int main(int argc, char **argv)
{
    (void)argc;
    if (unshare(CLONE_NEWNS) != 0) {
        return failed("unshare");
    }
    if (mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) {
        return failed("mount / rslave");
    }
    if (umount2("/sys/fs/cgroup/unified", MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) {
        return failed("umount /sys/fs/cgroup/unified");
    }
    argv[0] = "crun"; // it looks at its name
    execvp(argv[0], argv);
    return failed("crun");
}
