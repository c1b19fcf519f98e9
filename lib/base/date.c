#include "base/date.h"

#include <string.h>

#define DAY 86400
#define ERA 146097		/* days of 400 years */
#define TO_1970 719468		/* days from the 1st of March of year 0 */

/*
 * Years begin in March here, so that a leap day is the last of its year:
 * then month m (0: March) begins at day (153 m + 2) / 5.
 */
static int64_t
days(int64_t year, int month, int day)
{
	int64_t era, y;
	int m = (month + 10) % 12;

	year -= month < 2;
	era = (year >= 0 ? year : year - 399) / 400;
	y = year - era * 400;
	return era * ERA + y * 365 + y / 4 - y / 100 + (153 * m + 2) / 5 +
	    day - 1 - TO_1970;
}

int64_t
date_seconds(const struct tm *tm)
{
	int month = (tm->tm_mon % 12 + 12) % 12;
	int64_t year = (int64_t)tm->tm_year + 1900 +
	    ((int64_t)tm->tm_mon - month) / 12;
	int64_t n = days(year, month, tm->tm_mday);

	return ((n * 24 + tm->tm_hour) * 60 + tm->tm_min) * 60 + tm->tm_sec;
}

static void
split_day(int64_t n, struct tm *tm)
{
	int64_t era, year;
	int d, y, m;

	tm->tm_wday = (int)((n % 7 + 11) % 7);	/* 1970 began on a Thursday */
	n += TO_1970;
	era = (n >= 0 ? n : n - (ERA - 1)) / ERA;
	d = (int)(n - era * ERA);
	y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	d -= 365 * y + y / 4 - y / 100;
	m = (5 * d + 2) / 153;
	tm->tm_mday = d - (153 * m + 2) / 5 + 1;
	tm->tm_mon = (m + 2) % 12;
	year = era * 400 + y + (m >= 10);
	tm->tm_year = (int)(year - 1900);
	tm->tm_yday = (int)(n - TO_1970 - days(year, 0, 1));
}

bool
date_split(int64_t t, struct tm *tm)
{
	const struct tm first = { .tm_year = -1900, .tm_mday = 1 };
	const struct tm end = { .tm_year = 8100, .tm_mday = 1 };
	int s;

	memset(tm, 0, sizeof(*tm));
	if (t < date_seconds(&first) || t >= date_seconds(&end))
		return false;
	s = (int)((t % DAY + DAY) % DAY);
	split_day((t - s) / DAY, tm);
	tm->tm_hour = s / 3600;
	tm->tm_min = s / 60 % 60;
	tm->tm_sec = s % 60;
	return true;
}

time_t
date_time(int64_t t)
{
	if (sizeof(time_t) < sizeof(t) && t > INT32_MAX)
		return INT32_MAX;
	if (sizeof(time_t) < sizeof(t) && t < INT32_MIN)
		return INT32_MIN;
	return (time_t)t;
}
