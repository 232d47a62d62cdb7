// SPDX-License-Identifier: Apache-2.0
// What a bounded queue does with a message for which there is no room. Pure.
//
// A rule is a line "FILTER [priority=high|normal|low] [max-bytes=N[k|M|G]] [share=PERCENT]
// [max-age=N[s|m|h|d]] [full=drop-oldest|drop-newest|refuse]"; FILTER is an MQTT filter over names
// of streams ("topic/plant/#", "device/default/+"). The first rule that fits a stream counts.
#ifndef COR_OUTBOX_POLICY_H
#define COR_OUTBOX_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"

enum cor_priority { COR_PRIORITY_HIGH, COR_PRIORITY_NORMAL, COR_PRIORITY_LOW, COR_PRIORITIES };

enum cor_policy_full {
    COR_POLICY_DROP_OLDEST,
    COR_POLICY_DROP_NEWEST,
    COR_POLICY_REFUSE,
    COR_POLICY_FULL_KINDS
};

struct cor_policy_rule {
    char *filter; /* owned; NULL: fits all */
    enum cor_priority priority;
    enum cor_policy_full full;
    uint64_t max_bytes; /* of the bodies of one stream */
    int64_t max_age_s;  /* 0: for ever */
};

struct cor_policy {
    struct cor_policy_rule *rules; /* owned */
    size_t count;
    struct cor_policy_rule otherwise; /* for streams that no rule fits */
    uint64_t queue_bytes;             /* of all streams together */
    uint64_t reserve_bytes;           /* that are to stay free on the disk */
};

/* Reads the rules; queue_bytes: what shares are of. Without rules a stream may have half of the
 * whole, is of normal priority, and loses its oldest. COR_INVALID. Free with cor_policy_free in any
 * case. */
COR_NODISCARD enum cor_code cor_policy_parse(const char *const *lines, size_t count,
                                             uint64_t queue_bytes, struct cor_policy *policy_r,
                                             struct cor_err *err);

/* Frees what it holds. For auto_(). */
void cor_policy_free(struct cor_policy *policy);

/* The rule for a stream. Borrowed from the policy. */
const struct cor_policy_rule *cor_policy_find(const struct cor_policy *policy,
                                              struct cor_view stream);

/* Whether an MQTT filter (3.1.1 section 4.7) fits a name. */
bool cor_policy_fits(struct cor_view filter, struct cor_view name);

/* What is to be done with a message. */
enum cor_admit {
    COR_ADMIT,            /* there is room */
    COR_ADMIT_DROP_OWN,   /* take it; the oldest of its own stream go */
    COR_ADMIT_DROP_OTHER, /* take it; the oldest of the least important stream go */
    COR_ADMIT_DROP_IT,    /* drop it */
    COR_ADMIT_REFUSE,     /* say no to its source */
};

/* Decides: bytes of the message, of its stream, of the whole queue; disk_low: the disk has less
 * than the reserve. */
enum cor_admit cor_policy_admit(const struct cor_policy *policy, const struct cor_policy_rule *rule,
                                uint64_t message, uint64_t stream, uint64_t whole, bool disk_low);

/* Words for people and for the configuration. */
const char *cor_priority_name(enum cor_priority priority);
const char *cor_policy_full_name(enum cor_policy_full full);

#endif
