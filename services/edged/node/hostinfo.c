// SPDX-License-Identifier: Apache-2.0
#include "hostinfo.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"

enum { FILE_MAX = 65536 };

/* Content of a small file without the blanks at its ends; "" when it cannot be read. Returns owned.
 */
static char *text_of(const char *path)
{
    auto_(cor_buf_free) struct cor_buf buf = {0};
    if (cor_file_read(path, FILE_MAX, &buf, NULL) != COR_OK) {
        return cor_strdup("");
    }
    return cor_view_dup(cor_view_trim(cor_buf_as_view(&buf)));
}

/* PRETTY_NAME of /etc/os-release. */
static char *os_image(void)
{
    auto_(cor_freep) char *text = text_of("/etc/os-release");
    struct cor_view rest = cor_view_of(text);
    struct cor_view line;
    static const char key[] = "PRETTY_NAME=\"";
    while (cor_view_split(&rest, '\n', &line)) {
        if (cor_view_starts(line, key) && cor_view_ends(line, "\"")) {
            size_t skip = sizeof(key) - 1;
            return cor_memdup(line.ptr + skip, line.len - skip - 1);
        }
    }
    return cor_strdup("Linux");
}

/* Value in bytes of a line "Name:  N kB" of /proc/meminfo. */
static int64_t memory_line(const char *name)
{
    auto_(cor_freep) char *text = text_of("/proc/meminfo");
    struct cor_view rest = cor_view_of(text);
    struct cor_view line;
    while (cor_view_split(&rest, '\n', &line)) {
        struct cor_view key;
        struct cor_view number;
        int64_t kib = 0;
        if (cor_view_split(&line, ':', &key) && cor_view_is(key, name)) {
            line = cor_view_trim(line);
            (void)cor_view_split(&line, ' ', &number);
            return cor_view_i64(number, &kib) ? kib * 1024 : 0;
        }
    }
    return 0;
}

/* The nearest folder above that exists: the pods' folder may not be made yet. */
static int64_t storage_of(const char *folder, int64_t (*pick)(const struct statvfs *))
{
    auto_(cor_freep) char *path = cor_strdup(folder);
    struct statvfs st;
    while (statvfs(path, &st) != 0) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path) {
            return 0;
        }
        *slash = '\0';
    }
    return pick(&st);
}

static int64_t total(const struct statvfs *st)
{
    return (int64_t)(st->f_blocks * st->f_frsize);
}

static int64_t available(const struct statvfs *st)
{
    return (int64_t)(st->f_bavail * st->f_frsize);
}

int64_t hostinfo_storage_total(const char *folder)
{
    return storage_of(folder, total);
}

int64_t hostinfo_storage_free(const char *folder)
{
    return storage_of(folder, available);
}

/* Interface of the IPv4 default route; "" when there is none. */
static void default_interface(char *name, size_t size)
{
    auto_(cor_freep) char *text = text_of("/proc/net/route");
    struct cor_view rest = cor_view_of(text);
    struct cor_view line;
    name[0] = '\0';
    while (cor_view_split(&rest, '\n', &line)) {
        struct cor_view device = {0};
        struct cor_view target = {0};
        (void)cor_view_split(&line, '\t', &device);
        if (cor_view_split(&line, '\t', &target) && cor_view_is(target, "00000000")) {
            (void)snprintf(name, size, "%.*s", COR_VIEW_ARG(device));
            return;
        }
    }
}

static bool is_usable(const struct ifaddrs *a, const char *wanted)
{
    return a->ifa_addr != NULL && a->ifa_addr->sa_family == AF_INET &&
           (a->ifa_flags & IFF_LOOPBACK) == 0 && (a->ifa_flags & IFF_UP) != 0 &&
           (wanted[0] == '\0' || strcmp(a->ifa_name, wanted) == 0);
}

char *hostinfo_ip(void)
{
    char wanted[IF_NAMESIZE];
    char text[INET_ADDRSTRLEN] = "";
    struct ifaddrs *list = NULL;
    default_interface(wanted, sizeof(wanted));
    if (getifaddrs(&list) != 0) {
        return cor_strdup("");
    }
    for (const struct ifaddrs *a = list; a != NULL && text[0] == '\0'; a = a->ifa_next) {
        if (is_usable(a, wanted)) {
            struct sockaddr_in in;
            memcpy(&in, a->ifa_addr, sizeof(in));
            (void)inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
        }
    }
    freeifaddrs(list);
    return cor_strdup(text);
}

static const char *arch_of(const char *machine)
{
    static const struct {
        const char *machine;
        const char *arch;
    } rows[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"},   {"armv7l", "arm"},
                {"armv6l", "arm"},   {"riscv64", "riscv64"}, {"i686", "386"}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        if (strcmp(rows[i].machine, machine) == 0) {
            return rows[i].arch;
        }
    }
    return "unknown";
}

void hostinfo_read(struct hostinfo *info, const char *folder)
{
    struct utsname uts;
    bool known = uname(&uts) == 0;
    info->machine_id = text_of("/etc/machine-id");
    info->system_uuid = text_of("/sys/class/dmi/id/product_uuid");
    info->boot_id = text_of("/proc/sys/kernel/random/boot_id");
    info->kernel = cor_strdup(known ? uts.release : "");
    info->os_image = os_image();
    info->ip = hostinfo_ip();
    default_interface(info->interface, sizeof(info->interface));
    info->arch = arch_of(known ? uts.machine : "");
    auto_(cor_freep) char *apparmor = text_of("/sys/module/apparmor/parameters/enabled");
    auto_(cor_freep) char *resolver = text_of("/etc/resolv.conf");
    info->apparmor = apparmor[0] == 'Y';
    info->resolv = resolv_read(cor_view_of(resolver));
    info->cpus = sysconf(_SC_NPROCESSORS_ONLN);
    info->memory = memory_line("MemTotal");
    info->storage = storage_of(folder, total);
}

void hostinfo_free(struct hostinfo *info)
{
    cor_freep(&info->machine_id);
    cor_freep(&info->system_uuid);
    cor_freep(&info->boot_id);
    cor_freep(&info->kernel);
    cor_freep(&info->os_image);
    cor_freep(&info->ip);
    resolv_free(&info->resolv);
}
