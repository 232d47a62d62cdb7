// SPDX-License-Identifier: Apache-2.0
// A container's log as the runtime writes it (CRI: "TIME STREAM TAG TEXT\n", tag P for a part of a
// line, F for its end) made into what kubectl logs shows (k8s.io/cri-client pkg/logs). Pure. One
// thread at a time.
#ifndef EDGED_LOGLINE_H
#define EDGED_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"

/* What is asked for; see Kubernetes' PodLogOptions. */
struct log_options {
    bool follow;
    bool previous;
    bool timestamps;
    bool has_tail;
    int64_t tail;     /* lines */
    int64_t since_ns; /* since 1970; INT64_MIN: all */
    int64_t limit;    /* bytes; < 0: none */
};

/* Reads the options of a query. now_ns: for sinceSeconds. COR_INVALID with the kubelet's words. */
COR_NODISCARD enum cor_code log_options_read(struct cor_view query, int64_t now_ns,
                                             struct log_options *options_r, struct cor_err *err);

/* Appends what of the line (without its newline) is to be shown. A line that is none is left out.
 * What exceeds options->limit, which shrinks, is cut. */
void log_line_show(struct cor_view line, struct log_options *options, struct cor_buf *out);

/* Whether nothing more can be shown: the limit is reached. */
bool log_is_over(const struct log_options *options);

/* Looks for the beginning of the last lines of a file, backwards, in block, which is followed by
 * what was looked at before. *left: lines that are still wanted, at first options->tail. True: they
 * begin at *offset_r of block; false: earlier. */
bool log_tail(struct cor_view block, int64_t *left, size_t *offset_r);

#endif
