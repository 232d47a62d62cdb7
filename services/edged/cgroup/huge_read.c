// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of huge pages.
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "huge.h"

#define PREFIX "hugepages-"

/* "2Mi" or, with unit "B", "2MB": the largest unit that divides it. */
static void name_size(int64_t bytes, const char *end, const char *prefix, char *out)
{
    static const char units[] = "KMGT";
    int64_t n = bytes / 1024;
    size_t unit = 0;
    while (n % 1024 == 0 && n > 0 && units[unit + 1] != '\0') {
        n /= 1024;
        unit++;
    }
    (void)snprintf(out, HUGE_NAME_SIZE, "%s%" PRId64 "%c%s", prefix, n, units[unit], end);
}

static int64_t read_number(const char *path)
{
    enum { FILE_MAX = 64 };
    auto_(cor_buf_free) struct cor_buf text = {0};
    int64_t n = 0;
    if (cor_file_read(path, FILE_MAX, &text, NULL) != COR_OK) {
        return 0;
    }
    struct cor_view rest = cor_buf_as_view(&text);
    struct cor_view line = {0};
    (void)cor_view_split(&rest, '\n', &line);
    return cor_view_i64(line, &n) && n > 0 ? n : 0;
}

/* "hugepages-2048kB": its bytes; 0: not such a name. */
static int64_t size_of_folder(const char *name)
{
    struct cor_view view = cor_view_of(name);
    int64_t kilobytes = 0;
    if (!cor_view_starts(view, PREFIX) || !cor_view_ends(view, "kB")) {
        return 0;
    }
    struct cor_view digits = {view.ptr + strlen(PREFIX), view.len - strlen(PREFIX) - 2};
    bool good = cor_view_i64(digits, &kilobytes) && kilobytes > 0 && kilobytes < INT32_MAX;
    return good ? kilobytes * 1024 : 0;
}

static void add_sorted(struct huge *huge, const struct huge_size *size)
{
    size_t at = huge->count;
    while (at > 0 && huge->sizes[at - 1].bytes > size->bytes) {
        huge->sizes[at] = huge->sizes[at - 1];
        at--;
    }
    huge->sizes[at] = *size;
    huge->count++;
}

void huge_read(const char *root, struct huge *out)
{
    auto_(cor_freep) char *folder = cor_sprintf("%s/sys/kernel/mm/hugepages", root);
    DIR *dir = opendir(folder);
    const struct dirent *entry = NULL;
    *out = (struct huge){0};
    while (dir != NULL && out->count < HUGE_SIZES_MAX && (entry = readdir(dir)) != NULL) {
        struct huge_size size = {.bytes = size_of_folder(entry->d_name)};
        if (size.bytes > 0) {
            auto_(cor_freep) char *path = cor_sprintf("%s/%s/nr_hugepages", folder, entry->d_name);
            size.pages = read_number(path);
            size.pages = size.pages > INT64_MAX / size.bytes / HUGE_SIZES_MAX ? 0 : size.pages;
            name_size(size.bytes, "i", PREFIX, size.resource);
            name_size(size.bytes, "B", "", size.page);
            add_sorted(out, &size);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}
