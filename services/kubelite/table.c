// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <string.h>

#include "common/base/mem.h"
#include "crd.h"

static struct cor_json *column_json(const char *name, const char *type, const char *format,
                                    const char *description, int64_t priority)
{
    struct cor_json *column = cor_json_object();
    cor_json_set(column, "name", cor_json_str(name));
    cor_json_set(column, "type", cor_json_str(type));
    cor_json_set(column, "format", cor_json_str(format));
    cor_json_set(column, "description", cor_json_str(description));
    cor_json_set(column, "priority", cor_json_int(priority));
    return column;
}

static struct cor_json *columns_json(const struct kl_kind *kind)
{
    struct cor_json *list = cor_json_array();
    if (kind->custom != NULL) {
        cor_json_add(list, column_json("Name", "string", "name", "", 0));
        const struct cor_json *more = kl_crd_columns(kind->custom);
        for (size_t i = 0; i < cor_json_count(more); i++) {
            const struct cor_json *one = cor_json_item(more, i);
            cor_json_add(list, column_json(cor_json_str_at(one, "name", ""),
                                           cor_json_str_at(one, "type", "string"),
                                           cor_json_str_at(one, "format", ""),
                                           cor_json_str_at(one, "description", ""),
                                           cor_json_int_at(one, "priority", 0)));
        }
        return list;
    }
    const struct kl_column *column = kl_columns_of(kind)->columns;
    for (; column->name != NULL; column++) {
        const char *format = strcmp(column->name, "Name") == 0 ? "name" : "";
        cor_json_add(list, column_json(column->name, column->type, format, "", column->priority));
    }
    return list;
}

struct cor_json *kl_table_new(const struct kl_kind *kind, enum kl_show show)
{
    struct cor_json *table = cor_json_object();
    cor_json_set(table, "kind", cor_json_str("Table"));
    cor_json_set(
        table, "apiVersion",
        cor_json_str(show == KL_SHOW_TABLE_BETA ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1"));
    cor_json_set(table, "metadata", cor_json_object());
    cor_json_set(table, "columnDefinitions", columns_json(kind));
    cor_json_set(table, "rows", cor_json_array());
    return table;
}

/* A column of additionalPrinterColumns: dates are shown as ages. */
static struct cor_json *custom_cell(const struct cor_json *column, const struct cor_json *object,
                                    struct cor_wall now)
{
    auto_(cor_json_free) struct cor_json *value =
        kl_crd_json_path(object, cor_json_str_at(column, "jsonPath", ""));
    if (strcmp(cor_json_str_at(column, "type", ""), "date") == 0) {
        auto_(cor_buf_free) struct cor_buf age = {0};
        kl_age(value, now, &age);
        return cor_json_view(cor_buf_as_view(&age));
    }
    if (strcmp(cor_json_str_at(column, "type", ""), "string") == 0 && value != NULL &&
        !cor_json_is_string(value)) {
        auto_(cor_freep) char *text = cor_json_text(value);
        return cor_json_str(text);
    }
    return value == NULL ? cor_json_null() : take(&value);
}

static struct cor_json *cells_of(const struct kl_kind *kind, const struct cor_json *object,
                                 struct cor_wall now)
{
    struct cor_json *cells = cor_json_array();
    if (kind->custom == NULL) {
        kl_columns_of(kind)->cells(object, now, cells);
        return cells;
    }
    cor_json_add(cells, cor_json_str(cor_json_str_at(object, "metadata.name", "")));
    const struct cor_json *more = kl_crd_columns(kind->custom);
    for (size_t i = 0; i < cor_json_count(more); i++) {
        cor_json_add(cells, custom_cell(cor_json_item(more, i), object, now));
    }
    return cells;
}

static struct cor_json *partial(const struct cor_json *object)
{
    struct cor_json *part = cor_json_object();
    cor_json_set(part, "kind", cor_json_str("PartialObjectMetadata"));
    cor_json_set(part, "apiVersion", cor_json_str("meta.k8s.io/v1"));
    cor_json_set(part, "metadata", cor_json_copy(cor_json_get(object, "metadata")));
    return part;
}

void kl_table_add(struct cor_json *table, const struct kl_kind *kind, const struct cor_json *object,
                  enum kl_include include, struct cor_wall now)
{
    struct cor_json *row = cor_json_object();
    cor_json_set(row, "cells", cells_of(kind, object, now));
    if (include == KL_INCLUDE_METADATA) {
        cor_json_set(row, "object", partial(object));
    } else if (include == KL_INCLUDE_OBJECT) {
        cor_json_set(row, "object", cor_json_copy(object));
    } else {
        cor_json_set(row, "object", cor_json_null());
    }
    cor_json_add(cor_json_get(table, "rows"), row);
}

struct cor_json *kl_table_of(const struct kl_kind *kind, const struct cor_json *object,
                             enum kl_show show, enum kl_include include, struct cor_wall now)
{
    struct cor_json *table = kl_table_new(kind, show);
    cor_json_set_at(table, "metadata.resourceVersion",
                    cor_json_str(cor_json_str_at(object, "metadata.resourceVersion", "")));
    kl_table_add(table, kind, object, include, now);
    return table;
}

static void two(struct cor_buf *out, int64_t big, char big_unit, int64_t small, char small_unit)
{
    cor_buf_fmt(out, "%lld%c", (long long)big, big_unit);
    if (small > 0) {
        cor_buf_fmt(out, "%lld%c", (long long)small, small_unit);
    }
}

static void human(int64_t seconds, struct cor_buf *out)
{
    int64_t minutes = seconds / 60;
    int64_t hours = minutes / 60;
    int64_t days = hours / 24;
    if (seconds < 120) {
        two(out, seconds, 's', 0, 's');
    } else if (minutes < 10) {
        two(out, minutes, 'm', seconds % 60, 's');
    } else if (minutes < 180) {
        two(out, minutes, 'm', 0, 's');
    } else if (hours < 8) {
        two(out, hours, 'h', minutes % 60, 'm');
    } else if (hours < 48) {
        two(out, hours, 'h', 0, 'm');
    } else if (days < 8) {
        two(out, days, 'd', hours % 24, 'h');
    } else if (days < 730) {
        two(out, days, 'd', 0, 'h');
    } else if (days < 2920) {
        two(out, days / 365, 'y', days % 365, 'd');
    } else {
        two(out, days / 365, 'y', 0, 'd');
    }
}

void kl_age(const struct cor_json *time, struct cor_wall now, struct cor_buf *out)
{
    struct cor_wall then;
    if (!cor_json_is_string(time) || !cor_wall_parse(cor_json_as_view(time), &then)) {
        cor_buf_str(out, "<unknown>");
        return;
    }
    int64_t seconds = (now.us - then.us) / 1000000;
    if (seconds < -1) {
        cor_buf_str(out, "<invalid>");
        return;
    }
    human(seconds < 0 ? 0 : seconds, out);
}
