// SPDX-License-Identifier: Apache-2.0
#include "sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

enum { NUMBER_MAX = 64, LABEL_MAX = 253, TIME_DIGITS_MAX = 15 };

/* One line: NAME{label="value",...} NUMBER [MILLISECONDS] */
struct line {
    struct cor_view name;
    struct cor_view labels; /* between the braces */
    double value;
    struct cor_wall at;
};

static bool read_number(struct cor_view text, double *out)
{
    char copy[NUMBER_MAX];
    char *end = NULL;
    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *out = strtod(copy, &end);
    return *end == '\0' && isfinite(*out) && *out >= 0;
}

/* Where the labels end: the brace that is in no string. */
static const char *end_of_labels(struct cor_view text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == '}' && !quoted) {
            return text.ptr + i;
        }
    }
    return NULL;
}

static bool split_name(struct cor_view text, struct line *line, struct cor_view *rest_r)
{
    size_t len = 0;
    while (len < text.len && text.ptr[len] != '{' && text.ptr[len] != ' ') {
        len++;
    }
    line->name = (struct cor_view){text.ptr, len};
    line->labels = COR_VIEW("");
    *rest_r = (struct cor_view){text.ptr + len, text.len - len};
    if (rest_r->len == 0 || rest_r->ptr[0] == ' ') {
        return true;
    }
    struct cor_view inner = {rest_r->ptr + 1, rest_r->len - 1};
    const char *end = end_of_labels(inner);
    if (end == NULL) {
        return false;
    }
    line->labels = (struct cor_view){inner.ptr, (size_t)(end - inner.ptr)};
    *rest_r = (struct cor_view){end + 1, (size_t)(text.ptr + text.len - end - 1)};
    return true;
}

static bool read_line(struct cor_view text, struct cor_wall now, struct line *line)
{
    struct cor_view rest;
    struct cor_view number;
    int64_t ms = 0;
    if (text.len == 0 || text.ptr[0] == '#' || !split_name(text, line, &rest)) {
        return false;
    }
    rest = cor_view_trim(rest);
    line->at = now;
    if (!cor_view_split(&rest, ' ', &number) || !read_number(number, &line->value)) {
        return false;
    }
    rest = cor_view_trim(rest);
    if (rest.len > 0) {
        if (rest.len > TIME_DIGITS_MAX || !cor_view_i64(rest, &ms)) {
            return false;
        }
        line->at = (struct cor_wall){ms * 1000};
    }
    return true;
}

/* Value of a label, unescaped, owned; NULL: not there, or longer than a name can be. */
static char *label(struct cor_view labels, const char *name)
{
    size_t len = strlen(name);
    const char *at = labels.ptr;
    const char *end = labels.ptr + labels.len;
    while (at < end) {
        const char *equals = memchr(at, '=', (size_t)(end - at));
        if (equals == NULL || equals + 1 >= end || equals[1] != '"') {
            return NULL;
        }
        bool wanted = (size_t)(equals - at) == len && memcmp(at, name, len) == 0;
        auto_(cor_buf_free) struct cor_buf value = {0};
        for (at = equals + 2; at < end && *at != '"'; at++) {
            at += *at == '\\' && at + 1 < end ? 1 : 0;
            cor_buf_add(&value, at, 1);
        }
        if (wanted) {
            bool good = value.len > 0 && value.len <= LABEL_MAX &&
                        cor_view_is_utf8(cor_buf_as_view(&value));
            return good ? cor_buf_take(&value) : NULL;
        }
        at += at < end ? 1 : 0;
        at += at < end && *at == ',' ? 1 : 0;
    }
    return NULL;
}

static struct kl_container_use *find(const struct kl_sample *sample, const char *ns,
                                     const char *pod, const char *name)
{
    for (size_t i = sample->count; i > 0; i--) {
        struct kl_container_use *one = &sample->containers[i - 1];
        if (strcmp(one->pod, pod) == 0 && strcmp(one->name, name) == 0 &&
            strcmp(one->ns, ns) == 0) {
            return one;
        }
    }
    return NULL;
}

static struct kl_use *use_of(struct kl_sample *sample, struct cor_view labels)
{
    auto_(cor_freep) char *ns = label(labels, "namespace");
    auto_(cor_freep) char *pod = label(labels, "pod");
    auto_(cor_freep) char *name = label(labels, "container");
    if (ns == NULL || pod == NULL || name == NULL) {
        return NULL;
    }
    struct kl_container_use *known = find(sample, ns, pod, name);
    if (known != NULL) {
        return &known->use;
    }
    if (sample->count == KL_SAMPLE_CONTAINERS_MAX) {
        return NULL;
    }
    if (sample->count == sample->room) {
        sample->room = sample->room == 0 ? 16 : 2 * sample->room;
        sample->containers =
            cor_realloc(sample->containers, sample->room, sizeof(*sample->containers));
    }
    struct kl_container_use *one = &sample->containers[sample->count++];
    *one = (struct kl_container_use){take(&ns), take(&pod), take(&name), {-1, -1, {0}}};
    return &one->use;
}

static void take_line(struct kl_sample *sample, const struct line *line)
{
    static const struct {
        const char *name;
        bool node, cpu;
    } wanted[] = {
        {"node_cpu_usage_seconds_total", true, true},
        {"node_memory_working_set_bytes", true, false},
        {"container_cpu_usage_seconds_total", false, true},
        {"container_memory_working_set_bytes", false, false},
    };
    for (size_t i = 0; i < COR_COUNT(wanted); i++) {
        if (!cor_view_is(line->name, wanted[i].name)) {
            continue;
        }
        struct kl_use *use = wanted[i].node ? &sample->node : use_of(sample, line->labels);
        if (use != NULL && wanted[i].cpu) {
            use->cpu_s = line->value;
            use->at = line->at;
        } else if (use != NULL) {
            use->memory = line->value;
        }
        return;
    }
}

void kl_sample_read(struct kl_sample *sample, struct cor_view text, struct cor_wall now)
{
    struct cor_view one;
    sample->node = (struct kl_use){-1, -1, {0}};
    while (cor_view_split(&text, '\n', &one)) {
        struct line line;
        if (read_line(cor_view_trim(one), now, &line)) {
            take_line(sample, &line);
        }
    }
}

const struct kl_use *kl_sample_find(const struct kl_sample *sample, const char *ns, const char *pod,
                                    const char *name)
{
    const struct kl_container_use *one = find(sample, ns, pod, name);
    return one == NULL ? NULL : &one->use;
}

/* k8s.io/apimachinery/pkg/api/resource: the largest suffix that needs no fraction. */
static struct cor_json *quantity(double value, unsigned step, const char *const *suffixes)
{
    uint64_t number = value < 1e18 ? (uint64_t)value : UINT64_C(1000000000000000000);
    size_t at = 0;
    while (number > 0 && number % step == 0 && suffixes[at + 1] != NULL) {
        number /= step;
        at++;
    }
    return number == 0 ? cor_json_str("0") : cor_json_fmt("%" PRIu64 "%s", number, suffixes[at]);
}

struct cor_json *kl_usage(const struct kl_use *before, const struct kl_use *now)
{
    static const char *const cpus[] = {"n", "u", "m", "", NULL};
    static const char *const bytes[] = {"", "Ki", "Mi", "Gi", "Ti", NULL};
    if (before == NULL || now == NULL || before->cpu_s < 0 || before->at.us <= 0 ||
        now->cpu_s < before->cpu_s || now->memory < 0 || now->at.us <= before->at.us) {
        return NULL;
    }
    double seconds = (double)(now->at.us - before->at.us) / 1e6;
    struct cor_json *usage = cor_json_object();
    cor_json_set(usage, "cpu", quantity((now->cpu_s - before->cpu_s) / seconds * 1e9, 1000, cpus));
    cor_json_set(usage, "memory", quantity(now->memory, 1024, bytes));
    return usage;
}

void kl_sample_free(struct kl_sample *sample)
{
    for (size_t i = 0; i < sample->count; i++) {
        cor_free(sample->containers[i].ns);
        cor_free(sample->containers[i].pod);
        cor_free(sample->containers[i].name);
    }
    cor_freep(&sample->containers);
    *sample = (struct kl_sample){0};
}
