// SPDX-License-Identifier: Apache-2.0
#include "kept.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "manifest.h"

enum { KEPT_MAX = 8 * MANIFEST_MAX }; /* a byte of the manifest is at most six in JSON */

static char *place_of(const char *dir, const char *path)
{
    return cor_sprintf("%s/%016" PRIx64 ".json", dir, cor_hash(0, cor_view_of(path)));
}

static enum cor_code read_kept(const char *file, struct cor_json **json_r, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    enum cor_code code = cor_file_read(file, KEPT_MAX, &text, err);
    *json_r = NULL;
    return code == COR_OK ? cor_json_parse(cor_buf_as_view(&text), KEPT_MAX, 0, json_r, err) : code;
}

enum cor_code kept_get(const char *dir, const char *path, struct cor_buf *text, struct cor_err *err)
{
    auto_(cor_freep) char *file = place_of(dir, path);
    auto_(cor_json_free) struct cor_json *json = NULL;
    enum cor_code code = read_kept(file, &json, err);
    if (code != COR_OK) {
        return code;
    }
    if (strcmp(cor_json_str_at(json, "file", ""), path) != 0) {
        return cor_err_set(err, COR_NOTFOUND, "%s: of another manifest", file);
    }
    cor_buf_view(text, cor_json_as_view(cor_json_get(json, "manifest")));
    return COR_OK;
}

enum cor_code kept_put(const char *dir, const char *path, struct cor_view text, struct cor_err *err)
{
    auto_(cor_freep) char *file = place_of(dir, path);
    auto_(cor_buf_free) struct cor_buf before = {0};
    auto_(cor_json_free) struct cor_json *json = cor_json_object();
    if (kept_get(dir, path, &before, NULL) == COR_OK &&
        cor_view_eq(cor_buf_as_view(&before), text)) {
        return COR_OK;
    }
    enum cor_code code = cor_mkdirs(dir, 0700, err);
    if (code != COR_OK) {
        return code;
    }
    cor_json_set(json, "file", cor_json_str(path));
    cor_json_set(json, "manifest", cor_json_view(text));
    auto_(cor_freep) char *all = cor_json_text(json);
    return cor_file_write(file, cor_view_of(all), 0600, err);
}

void kept_drop(const char *dir, const char *path)
{
    auto_(cor_freep) char *file = place_of(dir, path);
    (void)unlink(file);
}

static int is_kept(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && end != NULL && strcmp(end, ".json") == 0;
}

void kept_each(const char *dir, void (*fn)(void *self, const char *path), void *self)
{
    struct dirent **list = NULL;
    int count = scandir(dir, &list, is_kept, alphasort);
    for (int i = 0; i < count; i++) {
        auto_(cor_freep) char *file = cor_sprintf("%s/%s", dir, list[i]->d_name);
        auto_(cor_json_free) struct cor_json *json = NULL;
        if (read_kept(file, &json, NULL) == COR_OK) {
            fn(self, cor_json_str_at(json, "file", ""));
        }
        free(list[i]); /* scandir's */
    }
    free(list);
}
