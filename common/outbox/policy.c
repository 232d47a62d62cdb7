// SPDX-License-Identifier: Apache-2.0
#include "common/outbox/policy.h"

#include <string.h>

#include "common/base/mem.h"

static const char *const PRIORITIES[COR_PRIORITIES] = {"high", "normal", "low"};
static const char *const FULL[COR_POLICY_FULL_KINDS] = {"drop-oldest", "drop-newest", "refuse"};

/* A stream's part of the whole unless a rule says otherwise. */
enum { SHARE = 50 };

const char *cor_priority_name(enum cor_priority priority)
{
    return PRIORITIES[priority];
}

const char *cor_policy_full_name(enum cor_policy_full full)
{
    return FULL[full];
}

static bool word_of(const char *const *words, size_t count, struct cor_view text, int *number_r)
{
    for (size_t i = 0; i < count; i++) {
        if (cor_view_is(text, words[i])) {
            *number_r = (int)i;
            return true;
        }
    }
    return false;
}

/* A number with one letter of units behind it; factors[i] belongs to units[i]. */
static bool amount(struct cor_view text, const char *units, const uint64_t *factors,
                   uint64_t *out_r)
{
    uint64_t factor = 1;
    const char *unit = text.len == 0 ? NULL : strchr(units, text.ptr[text.len - 1]);
    if (unit != NULL && *unit != '\0') {
        factor = factors[unit - units];
        text.len--;
    }
    uint64_t number = 0;
    if (!cor_view_u64(text, &number) || number == 0 || number > ((uint64_t)1 << 50) / factor) {
        return false;
    }
    *out_r = number * factor;
    return true;
}

static bool read_bytes(struct cor_view text, uint64_t *out_r)
{
    static const uint64_t FACTORS[] = {1u << 10, 1u << 20, 1u << 30};
    return amount(text, "kMG", FACTORS, out_r);
}

static bool read_age(struct cor_view text, int64_t *out_r)
{
    static const uint64_t FACTORS[] = {1, 60, 3600, 86400};
    uint64_t seconds = 0;
    bool ok = amount(text, "smhd", FACTORS, &seconds);
    *out_r = (int64_t)seconds;
    return ok;
}

static bool read_word(struct cor_view key, struct cor_view value, uint64_t whole,
                      struct cor_policy_rule *rule)
{
    int number = 0;
    uint64_t percent = 0;
    if (cor_view_is(key, "priority") && word_of(PRIORITIES, COR_PRIORITIES, value, &number)) {
        rule->priority = (enum cor_priority)number;
        return true;
    }
    if (cor_view_is(key, "full") && word_of(FULL, COR_POLICY_FULL_KINDS, value, &number)) {
        rule->full = (enum cor_policy_full)number;
        return true;
    }
    if (cor_view_is(key, "share") && cor_view_u64(value, &percent) && percent >= 1 &&
        percent <= 100) {
        rule->max_bytes = whole / 100 * percent;
        return true;
    }
    if (cor_view_is(key, "max-bytes")) {
        return read_bytes(value, &rule->max_bytes);
    }
    return cor_view_is(key, "max-age") && read_age(value, &rule->max_age_s);
}

static enum cor_code read_rule(const char *line, uint64_t whole, struct cor_policy_rule *rule,
                               struct cor_err *err)
{
    struct cor_view rest = cor_view_trim(cor_view_of(line));
    struct cor_view word = {0};
    if (rest.len == 0 || !cor_view_split(&rest, ' ', &word)) {
        return cor_err_set(err, COR_INVALID, "an empty rule");
    }
    rule->filter = cor_view_dup(word);
    while (cor_view_split(&rest, ' ', &word)) {
        struct cor_view value = word;
        struct cor_view key = {0};
        if (word.len == 0) {
            continue;
        }
        if (!cor_view_split(&value, '=', &key) || value.ptr == NULL ||
            !read_word(key, value, whole, rule)) {
            return cor_err_set(err, COR_INVALID, "rule for %s: what is \"%.*s\"?", rule->filter,
                               COR_VIEW_ARG(word));
        }
    }
    return COR_OK;
}

enum cor_code cor_policy_parse(const char *const *lines, size_t count, uint64_t queue_bytes,
                               struct cor_policy *policy_r, struct cor_err *err)
{
    struct cor_policy_rule otherwise = {.priority = COR_PRIORITY_NORMAL,
                                        .full = COR_POLICY_DROP_OLDEST,
                                        .max_bytes = queue_bytes / 100 * SHARE};
    *policy_r = (struct cor_policy){.queue_bytes = queue_bytes, .otherwise = otherwise};
    policy_r->rules = cor_calloc(count, sizeof(*policy_r->rules));
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < count && code == COR_OK; i++) {
        policy_r->rules[i] = otherwise;
        policy_r->count++;
        code = read_rule(lines[i], queue_bytes, &policy_r->rules[i], err);
    }
    return code;
}

void cor_policy_free(struct cor_policy *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        cor_free(policy->rules[i].filter);
    }
    cor_freep(&policy->rules);
    policy->count = 0;
}

bool cor_policy_fits(struct cor_view filter, struct cor_view name)
{
    struct cor_view part = {0};
    struct cor_view level = {0};
    while (cor_view_split(&filter, '/', &part)) {
        if (cor_view_is(part, "#")) {
            return true;
        }
        if (!cor_view_split(&name, '/', &level) ||
            (!cor_view_is(part, "+") && !cor_view_eq(part, level))) {
            return false;
        }
    }
    return name.ptr == NULL;
}

const struct cor_policy_rule *cor_policy_find(const struct cor_policy *policy,
                                              struct cor_view stream)
{
    for (size_t i = 0; i < policy->count; i++) {
        if (cor_policy_fits(cor_view_of(policy->rules[i].filter), stream)) {
            return &policy->rules[i];
        }
    }
    return &policy->otherwise;
}

enum cor_admit cor_policy_admit(const struct cor_policy *policy, const struct cor_policy_rule *rule,
                                uint64_t message, uint64_t stream, uint64_t whole, bool disk_low)
{
    static const enum cor_admit WHEN_FULL[COR_POLICY_FULL_KINDS] = {
        [COR_POLICY_DROP_OLDEST] = COR_ADMIT_DROP_OWN,
        [COR_POLICY_DROP_NEWEST] = COR_ADMIT_DROP_IT,
        [COR_POLICY_REFUSE] = COR_ADMIT_REFUSE,
    };
    if (stream + message > rule->max_bytes) {
        return WHEN_FULL[rule->full];
    }
    if (whole + message > policy->queue_bytes || disk_low) {
        return COR_ADMIT_DROP_OTHER;
    }
    return COR_ADMIT;
}
