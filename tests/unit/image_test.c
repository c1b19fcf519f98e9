#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sys/image.h"

static char written[3 * 4096] = "as it was made";
static const char constant[] = "a constant";

/* Pages of files that are mapped here now; 0: nobody tells. */
static unsigned long
file_pages(void)
{
	unsigned long size, resident, file = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu %lu %lu", &size, &resident, &file) != 3)
		file = 0;
	fclose(f);
	return file;
}

static void
test_pages_go_and_nothing_is_lost(void **state)
{
	unsigned long before = file_pages(), after;

	(void)state;
	memcpy(&written[8192], "as it was written", 18);
	image_rest();
	after = file_pages();
	assert_string_equal(written, "as it was made");
	assert_string_equal(&written[8192], "as it was written");
	assert_string_equal(constant, "a constant");
	if (before == 0)
		skip();
	assert_true(after < before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_go_and_nothing_is_lost),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
