// SPDX-License-Identifier: Apache-2.0
// Which rule a request at the REST entrance means, and which topic (KubeEdge cloud/pkg/router
// listener/http.go, provider/rest, utils/path.go). Pure.
//
// As in KubeEdge: a rule's pattern is "/<namespace>/<path>", "{name}" in it stands for one or more
// characters of [-A-Za-z0-9+&@#%?=~_|!:,.;], and it matches anywhere in the request target, which
// is
// "/<node>/<namespace>/<path>..." with its query, not decoded. Unlike there all else is literal,
// and of several rules that match the most particular is taken, not the one that comes by.
#ifndef EC_MATCH_H
#define EC_MATCH_H

#include <stdbool.h>

#include "common/base/view.h"

/* Longest pattern and request target that are looked at. */
enum { EC_PATTERN_MAX = 1024, EC_TARGET_MAX = 4096 };

/* Whether pattern matches somewhere in target. */
bool ec_match(const char *pattern, struct cor_view target);

/* Order of patterns that both match: > 0 when a is more particular (more parts, then more literal
 * characters, then the greater text). */
int ec_match_order(const char *a, const char *b);

/* Topic of a publication: the rule's, and behind it what the request target has more than
 * "/<node>/<namespace>/<path>"; everything behind the namespace when that does not begin with path.
 * Returns owned; NULL when the target has no three parts. */
char *ec_match_topic(const char *topic, const char *path, struct cor_view target);

#endif
