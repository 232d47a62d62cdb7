// SPDX-License-Identifier: Apache-2.0
#include "nfs.h"

#include <string.h>

#include "common/base/mem.h"

/* A word that is one argument, or part of one, and no option. */
static bool is_word(const char *text, const char *never)
{
    bool good = text[0] != '\0' && text[0] != '-';
    for (const char *c = text; *c != '\0'; c++) {
        good = good && *c > ' ' && *c != 0x7f && strchr(never, *c) == NULL;
    }
    return good;
}

static enum cor_code read_options(const struct pod_volume *volume, struct nfs_mount *out,
                                  struct cor_err *err)
{
    const struct cor_json *list = cor_json_at(volume->persistent, "spec.mountOptions");
    struct cor_buf text = {0};
    bool readonly = volume->readonly || cor_json_bool_at(volume->source, "readOnly", false);
    enum cor_code code = COR_OK;
    cor_buf_str(&text, readonly ? "ro" : "");
    for (size_t i = 0; code == COR_OK && i < cor_json_count(list); i++) {
        const char *option = cor_json_as_str(cor_json_item(list, i), "");
        if (!is_word(option, "")) {
            code = cor_err_set(err, COR_INVALID, "mountOptions[%zu]: no option of a mount", i);
        }
        cor_buf_fmt(&text, "%s%s", text.len > 0 ? "," : "", option);
    }
    out->options = cor_buf_take(&text);
    return code;
}

enum cor_code nfs_mount_of(const struct pod_volume *volume, const char *target,
                           struct nfs_mount *out, struct cor_err *err)
{
    const char *server = cor_json_str_at(volume->source, "server", "");
    const char *path = cor_json_str_at(volume->source, "path", "");
    bool v6 = strchr(server, ':') != NULL && server[0] != '[';
    *out = (struct nfs_mount){.argv = {"mount", "-t", "nfs"}};
    enum cor_code code = read_options(volume, out, err);
    if (code == COR_OK && !is_word(server, "/,")) {
        code = cor_err_set(err, COR_INVALID, "nfs.server: no name or address of a server");
    }
    if (code == COR_OK && (path[0] != '/' || strlen(path) != strcspn(path, "\n"))) {
        code = cor_err_set(err, COR_INVALID, "nfs.path: must be an absolute path");
    }
    if (code != COR_OK) {
        return code;
    }
    size_t count = 3;
    out->source = cor_sprintf(v6 ? "[%s]:%s" : "%s:%s", server, path);
    if (out->options[0] != '\0') {
        out->argv[count++] = "-o";
        out->argv[count++] = out->options;
    }
    out->argv[count++] = out->source;
    out->argv[count] = target;
    return COR_OK;
}

void nfs_mount_free(struct nfs_mount *mount)
{
    cor_freep(&mount->source);
    cor_freep(&mount->options);
}

void nfs_failure(const struct nfs_mount *mount, int status, struct cor_view output,
                 struct cor_buf *out)
{
    cor_buf_str(out, "mount failed: ");
    if (status >= 0) {
        cor_buf_fmt(out, "exit status %d", status);
    } else {
        cor_buf_str(out, "signal: killed");
    }
    cor_buf_fmt(out, ", output: %.*s, mounting command: %s", COR_VIEW_ARG(output), mount->argv[0]);
    for (size_t i = 1; mount->argv[i] != NULL; i++) {
        cor_buf_fmt(out, " %s", mount->argv[i]);
    }
}
