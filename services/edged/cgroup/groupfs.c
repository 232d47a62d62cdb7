// SPDX-License-Identifier: Apache-2.0
#include "groupfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"

enum { PERIOD_US = 100000, VALUE_SIZE = 64, FOLDER = 0755 };

/* A limit in both versions' words. */
struct value {
    const char *controller;
    char v1_file[VALUE_SIZE];
    char v1[VALUE_SIZE];
    char v2_file[VALUE_SIZE];
    char v2[VALUE_SIZE];
};

enum { VALUES_MAX = 5 + HUGE_SIZES_MAX };

struct values {
    struct value list[VALUES_MAX];
    size_t count;
};

static struct value *add(struct values *values, const char *controller, const char *v1_file,
                         const char *v2_file, int64_t n)
{
    struct value *value = &values->list[values->count++];
    *value = (struct value){.controller = controller};
    (void)snprintf(value->v1_file, VALUE_SIZE, "%s", v1_file);
    (void)snprintf(value->v2_file, VALUE_SIZE, "%s", v2_file);
    (void)snprintf(value->v1, VALUE_SIZE, "%" PRId64, n);
    (void)snprintf(value->v2, VALUE_SIZE, "%" PRId64, n);
    return value;
}

/* As runc converts it: 2..262144 to 1..10000. */
static int64_t weight_of(int64_t shares)
{
    int64_t most = shares > 262144 ? 262144 : shares;
    return 1 + (most - 2) * 9999 / 262142;
}

static void fill(struct values *out, const struct podgroup *limits)
{
    struct value *shares = add(out, "cpu", "cpu.shares", "cpu.weight", limits->cpu_shares);
    (void)snprintf(shares->v2, VALUE_SIZE, "%" PRId64, weight_of(limits->cpu_shares));
    if (limits->cpu_quota > 0) {
        (void)add(out, "cpu", "cpu.cfs_period_us", "", PERIOD_US);
        struct value *quota = add(out, "cpu", "cpu.cfs_quota_us", "cpu.max", limits->cpu_quota);
        (void)snprintf(quota->v2, VALUE_SIZE, "%" PRId64 " %d", limits->cpu_quota, (int)PERIOD_US);
    }
    if (limits->memory > 0) {
        (void)add(out, "memory", "memory.limit_in_bytes", "memory.max", limits->memory);
    }
    if (limits->pids > 0) {
        (void)add(out, "pids", "pids.max", "pids.max", limits->pids);
    }
    for (size_t i = 0; i < limits->huge->count; i++) {
        char v1[VALUE_SIZE];
        char v2[VALUE_SIZE];
        (void)snprintf(v1, sizeof(v1), "hugetlb.%s.limit_in_bytes", limits->huge->sizes[i].page);
        (void)snprintf(v2, sizeof(v2), "hugetlb.%s.max", limits->huge->sizes[i].page);
        (void)add(out, "hugetlb", v1, v2, limits->pages[i]);
    }
}

/* Where a controller is. */
struct place {
    char *base; /* owned; NULL: nowhere */
    bool unified;
};

static bool has_word(const char *file, const char *word)
{
    enum { FILE_MAX = 4096 };
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_view one;
    if (cor_file_read(file, FILE_MAX, &text, NULL) != COR_OK) {
        return false;
    }
    struct cor_view rest = cor_buf_as_view(&text);
    while (cor_view_split(&rest, ' ', &one)) {
        if (cor_view_is(cor_view_trim(one), word)) {
            return true;
        }
    }
    return false;
}

static struct place find(const char *root, const char *controller)
{
    static const char *const unified[] = {"", "/unified"};
    auto_(cor_freep) char *v1 = cor_sprintf("%s/%s", root, controller);
    if (access(v1, F_OK) == 0) {
        return (struct place){take(&v1), false};
    }
    for (size_t i = 0; i < COR_COUNT(unified); i++) {
        auto_(cor_freep) char *file = cor_sprintf("%s%s/cgroup.controllers", root, unified[i]);
        if (has_word(file, controller)) {
            return (struct place){cor_sprintf("%s%s", root, unified[i]), true};
        }
    }
    return (struct place){NULL, false};
}

/* 0, or an error number. */
static int write_file(const char *path, const char *text)
{
    auto_(cor_fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC);
    ssize_t len = (ssize_t)strlen(text);
    return fd < 0 || write(fd, text, (size_t)len) != len ? errno : 0;
}

/* In version 2 a group has a controller when all groups above it pass it on. */
static void pass_on(const char *base, const char *path, const char *controller)
{
    char word[VALUE_SIZE];
    (void)snprintf(word, sizeof(word), "+%s", controller);
    for (const char *end = path; end != NULL; end = strchr(end + 1, '/')) {
        auto_(cor_freep) char *file =
            cor_sprintf("%s%.*s/cgroup.subtree_control", base, (int)(end - path), path);
        (void)write_file(file, word);
    }
}

static enum cor_code set(const char *root, const char *path, const struct value *value,
                         struct cor_err *err)
{
    struct place place = find(root, value->controller);
    auto_(cor_freep) char *base = place.base;
    const char *name = place.unified ? value->v2_file : value->v1_file;
    if (base == NULL || name[0] == '\0') {
        return COR_OK;
    }
    auto_(cor_freep) char *folder = cor_sprintf("%s%s", base, path);
    auto_(cor_freep) char *file = cor_sprintf("%s/%s", folder, name);
    enum cor_code code = cor_mkdirs(folder, FOLDER, err);
    if (code != COR_OK) {
        return code;
    }
    if (place.unified && access(file, F_OK) != 0) {
        pass_on(base, path, value->controller);
    }
    int error = write_file(file, place.unified ? value->v2 : value->v1);
    return error == 0 || error == ENOENT ? COR_OK : cor_err_sys(err, COR_IO, error, "%s", file);
}

enum cor_code groupfs_set(const char *root, const char *path, const struct podgroup *limits,
                          struct cor_err *err)
{
    struct values values = {.count = 0};
    enum cor_code code = COR_OK;
    fill(&values, limits);
    for (size_t i = 0; code == COR_OK && i < values.count; i++) {
        code = set(root, path, &values.list[i], err);
    }
    return code;
}
