#ifndef BASE_DATE_H
#define BASE_DATE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/*
 * Days of the calendar and seconds since 1970, UTC, as timegm and gmtime_r
 * have them, but in 64 bits everywhere: a certificate ends after 2038, which
 * a time_t of 32 bits can't say.
 */

/* A month, day, hour, minute or second too many is carried over. */
int64_t date_seconds(const struct tm *tm);

/* False, and *tm all zero: not in the years 0 to 9999. */
bool date_split(int64_t t, struct tm *tm);

/* For those who take a time_t: the nearest there is. */
time_t date_time(int64_t t);

#endif
