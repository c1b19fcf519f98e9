/* Days and seconds as timegm and gmtime_r have them, and past 2038. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/date.h"

#define DAY 86400

static const struct {
	const char	*text;
	int64_t		 t;
	int		 wday, yday;
} dates[] = {
	{ "0000-01-01T00:00:00Z", -62167219200, 6, 0 },
	{ "1899-12-31T23:59:59Z", -2208988801, 0, 364 },
	{ "1969-12-31T23:59:59Z", -1, 3, 364 },
	{ "1970-01-01T00:00:00Z", 0, 4, 0 },
	{ "2000-02-29T12:00:00Z", 951825600, 2, 59 },
	{ "2026-11-24T00:00:00Z", 1795478400, 2, 327 },
	{ "2038-01-19T03:14:07Z", 2147483647, 2, 18 },
	{ "2038-01-19T03:14:08Z", 2147483648, 2, 18 },
	{ "2100-02-28T23:59:59Z", 4107542399, 0, 58 },
	{ "2100-03-01T00:00:00Z", 4107542400, 1, 59 },
	{ "2106-02-07T06:28:16Z", 4294967296, 0, 37 },
	{ "9999-12-31T23:59:59Z", 253402300799, 5, 364 },
};

static void
dates_before_and_after_2038_are_counted(void **state)
{
	char text[32];
	struct tm tm;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		assert_true(date_split(dates[i].t, &tm));
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		/* years before 1000 are written without zeros by some */
		if (dates[i].t > -30610224000)
			assert_string_equal(text, dates[i].text);
		assert_int_equal(tm.tm_wday, dates[i].wday);
		assert_int_equal(tm.tm_yday, dates[i].yday);
		assert_int_equal(date_seconds(&tm), dates[i].t);
	}
}

static void
each_day_is_that_of_the_c_library(void **state)
{
	struct tm ours, theirs;
	int64_t day;

	(void)state;
	for (day = -20000; day < 24000; day++) {
		int64_t t = day * DAY + (day & 0xffff) % DAY;
		time_t at = (time_t)t;

		assert_non_null(gmtime_r(&at, &theirs));
		assert_true(date_split(t, &ours));
		assert_int_equal(ours.tm_year, theirs.tm_year);
		assert_int_equal(ours.tm_yday, theirs.tm_yday);
		assert_int_equal(ours.tm_mon, theirs.tm_mon);
		assert_int_equal(ours.tm_mday, theirs.tm_mday);
		assert_int_equal(ours.tm_wday, theirs.tm_wday);
		assert_int_equal(ours.tm_sec, theirs.tm_sec);
		assert_int_equal(date_seconds(&theirs), t);
	}
}

static void
what_is_no_date_is_said_to_be_none(void **state)
{
	struct tm tm, feb = { .tm_year = 126, .tm_mon = 1, .tm_mday = 31 };

	(void)state;
	assert_false(date_split(253402300800, &tm));
	assert_false(date_split(INT64_MAX, &tm));
	assert_false(date_split(INT64_MIN, &tm));
	assert_int_equal(tm.tm_year, 0);
	/* the 31st of February is the 3rd of March */
	assert_true(date_split(date_seconds(&feb), &tm));
	assert_int_equal(tm.tm_mon, 2);
	assert_int_equal(tm.tm_mday, 3);
	/* and month 0 of a year, as month -1 here, is December before it */
	feb.tm_mon = -1;
	assert_true(date_split(date_seconds(&feb), &tm));
	assert_int_equal(tm.tm_year, 125);
	assert_int_equal(tm.tm_mon, 11);
}

static void
a_time_t_is_the_nearest_there_is(void **state)
{
	(void)state;
	assert_int_equal(date_time(1795478400), 1795478400);
	assert_true(date_time(INT64_MAX) > 2000000000);
	assert_true(date_time(INT64_MIN) < -2000000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_before_and_after_2038_are_counted),
		cmocka_unit_test(each_day_is_that_of_the_c_library),
		cmocka_unit_test(what_is_no_date_is_said_to_be_none),
		cmocka_unit_test(a_time_t_is_the_nearest_there_is),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
