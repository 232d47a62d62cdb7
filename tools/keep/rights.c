// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/keep/keep.h"

/* By their numbers: linux/capability.h. */
static const char *const NAMES[] = {"chown",
                                    "dac_override",
                                    "dac_read_search",
                                    "fowner",
                                    "fsetid",
                                    "kill",
                                    "setgid",
                                    "setuid",
                                    "setpcap",
                                    "linux_immutable",
                                    "net_bind_service",
                                    "net_broadcast",
                                    "net_admin",
                                    "net_raw",
                                    "ipc_lock",
                                    "ipc_owner",
                                    "sys_module",
                                    "sys_rawio",
                                    "sys_chroot",
                                    "sys_ptrace",
                                    "sys_pacct",
                                    "sys_admin",
                                    "sys_boot",
                                    "sys_nice",
                                    "sys_resource",
                                    "sys_time",
                                    "sys_tty_config",
                                    "mknod",
                                    "lease",
                                    "audit_write",
                                    "audit_control",
                                    "setfcap",
                                    "mac_override",
                                    "mac_admin",
                                    "syslog",
                                    "wake_alarm",
                                    "block_suspend",
                                    "audit_read",
                                    "perfmon",
                                    "bpf",
                                    "checkpoint_restore"};

static enum cor_code keep_of(const char *rights, uint64_t *keep_r, struct cor_err *err)
{
    struct cor_view rest = cor_view_of(rights);
    struct cor_view part = {0};
    *keep_r = 0;
    while (strcmp(rights, "none") != 0 && cor_view_split(&rest, ',', &part)) {
        size_t i = 0;
        while (i < COR_COUNT(NAMES) && !cor_view_is(part, NAMES[i])) {
            i++;
        }
        if (i == COR_COUNT(NAMES)) {
            return cor_err_set(err, COR_INVALID, "no capability is called \"%.*s\"",
                               COR_VIEW_ARG(part));
        }
        *keep_r |= UINT64_C(1) << i;
    }
    return COR_OK;
}

/* Out of the bounding set, which a program that is started gets its rights from. */
static enum cor_code bound(uint64_t keep, struct cor_err *err)
{
    for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
        bool stays = i < 64 && (keep >> i & 1) != 0;
        if (!stays && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0) {
            return cor_err_sys(err, COR_IO, errno, "capability %d", i);
        }
    }
    return COR_OK;
}

static bool inherit_nothing(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &head, data) != 0) {
        return false;
    }
    data[0].inheritable = data[1].inheritable = 0;
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
           syscall(SYS_capset, &head, data) == 0;
}

enum cor_code keep_drop(const struct keep_row *row, struct cor_err *err)
{
    uint64_t keep = 0;
    if (strcmp(row->rights, "all") == 0) {
        return COR_OK;
    }
    enum cor_code code = keep_of(row->rights, &keep, err);
    const struct passwd *user = getpwnam(row->user); // NOLINT: one thread
    const struct group *group = getgrnam("coracle"); // NOLINT: one thread
    if (code == COR_OK && (user == NULL || group == NULL)) {
        code = cor_err_set(err, COR_INVALID, "no user %s, or no group coracle", row->user);
    }
    code = code == COR_OK ? bound(keep, err) : code;
    if (code != COR_OK) {
        return code;
    }
    return inherit_nothing() && setgroups(0, NULL) == 0 &&
                   setresgid(group->gr_gid, group->gr_gid, group->gr_gid) == 0 &&
                   setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0 &&
                   prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
               ? COR_OK
               : cor_err_sys(err, COR_IO, errno, "becoming %s", row->user);
}
