// SPDX-License-Identifier: Apache-2.0
// Asking the services and printing what they answer, for all commands.
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "coracle.h"

int coracle_fail(const char *what, const struct cor_err *err)
{
    (void)fprintf(stderr, "coracle: %s: %s\n", what,
                  err->text[0] != '\0' ? err->text : cor_code_name(err->code));
    return EXIT_FAILED;
}

struct cor_json *coracle_ask(const struct tool_service *service, const char *verb,
                             const struct cor_json *args, int within_ms, struct cor_err *err)
{
    auto_(cor_freep) char *text = args == NULL ? NULL : cor_json_text(args);
    struct cor_view view = text == NULL ? (struct cor_view){0} : cor_view_of(text);
    struct cor_json *answer = NULL;
    *err = COR_ERR_NONE;
    (void)!tool_ask_json(service->path, verb, view, within_ms, &answer, err);
    return answer;
}

int coracle_at_cloudhub(const struct coracle_command *command, const struct coracle_said *said,
                        const char *hint)
{
    auto_(tool_services_free) struct tool_services found = {0};
    tool_find(said->run, &found);
    for (size_t i = 0; i < found.count; i++) {
        if (strcmp(found.items[i].name, "cloudhub") == 0) {
            return said->action->fn(said, &found.items[i]);
        }
    }
    (void)fprintf(stderr, "coracle: %s %s: no cloudhub runs under %s%s\n", command->name,
                  said->action->name, said->run, hint);
    return EXIT_FAILED;
}

/* Appends value at the depth (0: top): JSON scalars are YAML scalars. */
static void write_yaml(const struct cor_json *value, int depth, struct cor_buf *out)
{
    if (cor_json_is_object(value) && cor_json_count(value) > 0) {
        void *at = NULL;
        const char *key = NULL;
        struct cor_json *child = NULL;
        while (cor_json_each(value, &at, &key, &child)) {
            cor_buf_fmt(out, "\n%*s%s:", depth * 2, "", key);
            write_yaml(child, depth + 1, out);
        }
    } else if (cor_json_is_array(value) && cor_json_count(value) > 0) {
        for (size_t i = 0; i < cor_json_count(value); i++) {
            cor_buf_fmt(out, "\n%*s-", depth * 2, "");
            write_yaml(cor_json_item(value, i), depth + 1, out);
        }
    } else {
        cor_buf_str(out, " ");
        cor_json_write(value, out);
    }
}

bool coracle_print(const struct cor_json *value, enum coracle_format format)
{
    auto_(cor_buf_free) struct cor_buf out = {0};
    if (format == CORACLE_JSON) {
        cor_json_write_pretty(value, &out);
    } else if (format == CORACLE_YAML) {
        write_yaml(value, 0, &out);
    } else {
        return false;
    }
    (void)printf("%.*s\n", COR_VIEW_ARG(cor_view_trim(cor_buf_as_view(&out))));
    return true;
}

int coracle_node_width(const struct cor_json *rows)
{
    int width = (int)strlen("NODE");
    for (size_t i = 0; i < cor_json_count(rows); i++) {
        int len = (int)strlen(cor_json_str_at(cor_json_item(rows, i), "node", ""));
        width = len > width ? len : width;
    }
    return width;
}
