#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dmvpn-pki/pki_index.h"
#include "dmvpn-pki/pki_name.h"

static int
parse(const char *line, struct pki_index_row *row)
{
	char text[512];

	snprintf(text, sizeof(text), "%s", line);
	return pki_index_parse(text, row, NULL);
}

static void
lines_of_openssl_ca_are_read(void **state)
{
	struct pki_index_row r;

	(void)state;
	assert_int_equal(parse("V\t271123120000Z\t\t0A\tunknown\t/O=x/CN=a b",
	    &r), 0);
	assert_string_equal(r.name, "a_b");
	assert_string_equal(r.serial, "0a");
	assert_string_equal(r.number, "0A");
	assert_int_equal(r.to, 1826971200);
	assert_int_equal(r.revoked, 0);
	assert_int_equal(parse("R\t20510101000000Z\t260101000000Z,keyCompromise"
	    "\t00FF01\tx\t/CN=b/emailAddress=c", &r), 0);
	assert_string_equal(r.name, "b");
	assert_string_equal(r.serial, "ff01");
	assert_string_equal(r.why, "key-compromise");
	assert_int_equal(r.to, INT64_C(2556144000));
	assert_int_equal(r.revoked, 1767225600);
	assert_int_equal(parse("R\t260101000000Z\t260101000000Z\t1\tx\t/O=x",
	    &r), 0);
	assert_string_equal(r.name, "serial-01");
	assert_string_equal(r.why, "unspecified");
	assert_int_equal(parse("E\t991231235959Z\t\t00\tx\t/CN=old", &r), 0);
	assert_string_equal(r.serial, "00");
	assert_true(r.to < 1000000000);		/* 1999 */
	/* RFC 5280, 4.1.2.5.1 */
	assert_int_equal(parse("V\t500101000000Z\t\t01\tx\t/CN=x", &r), 0);
	assert_int_equal(r.to, -631152000);	/* 1950 */
	assert_int_equal(parse("V\t491231000000Z\t\t01\tx\t/CN=x", &r), 0);
	assert_int_equal(r.to, INT64_C(2524521600));
	/* a reason is a whole word */
	assert_int_equal(parse("R\t260101000000Z\t260101000000Z,key\t1\tx\t"
	    "/O=x", &r), 0);
	assert_string_equal(r.why, "unspecified");
}

static void
lines_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "V", "X\t271123120000Z\t\t01\tx\t/CN=x",
		"VV\t271123120000Z\t\t01\tx\t/CN=x",
		"\t271123120000Z\t\t01\tx\t/CN=x",
		"V\t271123120000\t\t01\tx\t/CN=x",
		"V\t2711231200Z\t\t01\tx\t/CN=x",
		"V\t271323120000Z\t\t01\tx\t/CN=x",
		"V\t270230120000Z\t\t01\tx\t/CN=x",
		"V\t271123120060Z\t\t01\tx\t/CN=x",
		"V\t271123240000Z\t\t01\tx\t/CN=x",
		"V\t271123120000Z\t\t\tx\t/CN=x",
		"V\t271123120000Z\t\t-1\tx\t/CN=x",
		"V\t271123120000Z\t\t../../x\tx\t/CN=x",
		"R\t271123120000Z\t\t01\tx\t/CN=x",
		"R\t271123120000Z\tnow\t01\tx\t/CN=x",
		"V\t271123120000Z\t\t01\tx",
		("V\t271123120000Z\t\t"
		"11111111111111111111111111111111111111111\tx\t/CN=x"),
	};
	struct pki_index_row r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], &r), -1);
}

static void
pki_01_any_subject_becomes_a_name_or_the_serial_number(void **state)
{
	static const char *const odd[] = { "../../etc/x", "-rf", "$(x)", "a\nb",
		"sp\xc3\xb6ke", "..", ".", "", "a..b", "  ", "/abs",
		("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") };
	char name[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		pki_index_name(odd[i], "0a", name);
		assert_int_equal(pki_name_check(name, NULL), 0);
	}
	pki_index_name("spoke-1.example.org", "0a", name);
	assert_string_equal(name, "spoke-1.example.org");
	pki_index_name("..", "0a", name);
	assert_string_equal(name, "serial-0a");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_openssl_ca_are_read),
		cmocka_unit_test(lines_that_are_none_are_refused),
		cmocka_unit_test(
		    pki_01_any_subject_becomes_a_name_or_the_serial_number),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("pki_index", tests, NULL, NULL);
}
