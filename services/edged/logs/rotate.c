// SPDX-License-Identifier: Apache-2.0
#include "rotate.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/base/view.h"

bool rotate_is_due(const struct rotate_rules *rules, int64_t size)
{
    return rules->max_size > 0 && size >= rules->max_size;
}

int64_t rotate_next_look(const struct rotate_rules *rules, int64_t size, int64_t grown,
                         int64_t elapsed_us)
{
    int64_t least = rules->look_us < COR_SEC(1) ? rules->look_us : COR_SEC(1);
    if (grown <= 0 || elapsed_us <= 0) {
        return rules->look_us;
    }
    double left = (double)(rules->max_size > size ? rules->max_size - size : 0);
    double wait = left * (double)elapsed_us / (double)grown;
    if (wait >= (double)rules->look_us) {
        return rules->look_us;
    }
    return wait < (double)least ? least : (int64_t)wait;
}

char *rotate_name(const char *log, struct cor_wall now)
{
    char stamp[32] = "";
    time_t seconds = (time_t)(now.us / 1000000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) != NULL) {
        (void)strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
    }
    return cor_sprintf("%s.%s", log, stamp);
}

static bool is_aside(const char *log, const char *name)
{
    size_t len = strlen(log);
    return strncmp(name, log, len) == 0 && name[len] == '.' && name[len + 1] != '\0';
}

static bool ends(const char *name, const char *end)
{
    return cor_view_ends(cor_view_of(name), end);
}

bool rotate_is_plain(const char *log, const char *name)
{
    return is_aside(log, name) && !ends(name, ".gz") && !ends(name, ".tmp");
}

/* N of "N.log" and "N.log.*"; < 0: another name. */
static int64_t life_of(const char *name)
{
    int64_t life = -1;
    const char *dot = strchr(name, '.');
    if (dot == NULL || strncmp(dot, ".log", 4) != 0 || (dot[4] != '\0' && dot[4] != '.') ||
        !cor_view_i64((struct cor_view){name, (size_t)(dot - name)}, &life)) {
        return -1;
    }
    return life;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of a compression that was done: the plain file before its ".gz" in the order. */
static bool is_done(char **names, size_t count, size_t index)
{
    size_t len = strlen(names[index]);
    return index + 1 < count && strncmp(names[index + 1], names[index], len) == 0 &&
           strcmp(names[index + 1] + len, ".gz") == 0;
}

void rotate_fates(const struct rotate_rules *rules, const char *log, char **names, size_t count,
                  enum rotate_fate *fates)
{
    int64_t kept = 0;
    int64_t now = life_of(log);
    qsort(names, count, sizeof(*names), by_name);
    for (size_t i = count; i-- > 0;) {
        int64_t life = life_of(names[i]);
        fates[i] = life >= 0 && life < now - 1 ? ROTATE_REMOVE : ROTATE_KEEP;
        if (!is_aside(log, names[i])) {
            continue;
        }
        if (ends(names[i], ".tmp") || is_done(names, count, i) || kept >= rules->max_files - 1) {
            fates[i] = ROTATE_REMOVE;
            continue;
        }
        if (kept > 0 && !ends(names[i], ".gz")) {
            fates[i] = ROTATE_COMPRESS;
        }
        kept++;
    }
}
