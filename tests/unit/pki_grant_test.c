/* What tokens entitle to is kept whole or not at all; names of files, too. */
#include "pki_office.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "dmvpn-pki/pki_ocsp.h"
#include "dmvpn-pki/pki_file.h"
#include "dmvpn-pki/pki_make.h"
#include "dmvpn-pki/pki_sql.h"
#include "dmvpn-pki/pki_web.h"

static struct office o;

static int
open_office(void **state)
{
	(void)state;
	office_open(&o, "p256");
	return 0;
}

static int
close_office(void **state)
{
	(void)state;
	office_close(&o);
	return 0;
}

/* A host name of len octets. */
static const char *
host(char out[256], size_t len, char letter)
{
	size_t i;

	for (i = 0; i < len; i++)
		out[i] = i % 60 == 59 && i + 1 < len ? '.' : letter;
	out[len] = '\0';
	return out;
}

/* Into the store and out again, to what is to be issued. */
static int
round_trip(const struct pki_want *w, struct pki_grant *back,
    struct pki_want *again, struct err *e)
{
	struct pki_grant g = { .id = ID, .days = 30, .made = MAKE_NOW,
		.expires = MAKE_NOW + HOUR };

	if (pki_grant_fill(&g, w, e) < 0 ||
	    pki_grant_add(o.desk.store, &g, secret, e) < 0)
		return -1;
	assert_int_equal(pki_grant_get(o.desk.store, ID, MAKE_NOW, back, e), 0);
	assert_int_equal(pki_grant_want(back, again, MAKE_NOW, e), 0);
	return 0;
}

static void
a_name_of_253_octets_is_kept_whole(void **state)
{
	struct pki_want w = make_want("spoke7.test", "spoke");
	struct pki_want again = { .n_sans = 0 };
	char one[256], two[256];
	struct pki_grant back;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(pki_want_san(&w, GEN_DNS, host(one, 253, 'a'), &e), 0);
	assert_int_equal(pki_want_san(&w, GEN_DNS, host(two, 250, 'b'), &e), 0);
	assert_int_equal(round_trip(&w, &back, &again, &e), 0);
	assert_int_equal(again.n_sans, 3);
	assert_string_equal(again.sans[1].text, one);
	assert_string_equal(again.sans[2].text, two);
}

/* It stands behind the names. */
static void
names_leave_room_for_the_as_number_or_are_refused(void **state)
{
	size_t len, kept = 0, refused = 0;

	(void)state;
	for (len = 200; len < 250; len++) {
		struct pki_want w = make_want("s", "spoke");
		struct pki_want again = { .n_sans = 0 };
		struct pki_grant back;
		struct err e = { 0 };
		char room[8][256];
		int i;

		w.as = 4200000001;
		for (i = 0; i < 8; i++)
			assert_int_equal(pki_want_san(&w, GEN_DNS, host(
			    room[i], i < 7 ? 253 : len, (char)('a' + i)), &e),
			    0);
		assert_int_equal(pki_store_begin(o.desk.store, &e), 0);
		if (round_trip(&w, &back, &again, &e) == 0) {
			assert_int_equal(again.as, 4200000001);
			assert_string_equal(again.sans[8].text, room[7]);
			kept++;
		} else {
			assert_int_equal(e.code, E2BIG);
			refused++;
		}
		pki_store_rollback(o.desk.store);
	}
	assert_true(kept > 0 && refused > 0);
}

static void
a_name_that_is_too_long_for_one_more_takes_no_file_away(void **state)
{
	char path[PATH_MAX], file[128];
	struct err e = { 0 };
	struct stat st;
	size_t n = (size_t)snprintf(path, sizeof(path), "%s", o.dir);

	(void)state;
	snprintf(file, sizeof(file), "%s/f", o.dir);
	assert_int_equal(pki_file_write(file, 0600, false, "x", 1, &e), 0);
	while (n + 4 < sizeof(path))
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/.");
	while (n + 3 < sizeof(path))
		n += (size_t)snprintf(path + n, sizeof(path) - n, "/");
	snprintf(path + n, sizeof(path) - n, "/f");
	assert_int_equal(strlen(path), PATH_MAX - 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(pki_file_write(path, 0600, true, "y", 1, &e), -1);
	assert_int_equal(e.code, ENAMETOOLONG);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(unlink(file), 0);
}

static void
what_is_held_counts_as_living_and_may_be_revoked_for_good(void **state)
{
	struct pki_store *s = o.desk.store;
	struct pki_row row = { .name = "x", .serial = "0a", .profile = "spoke",
		.to = MAKE_NOW + HOUR };
	struct pki_living living;
	size_t n;

	(void)state;
	assert_int_equal(pki_store_begin(s, NULL), 0);
	assert_int_equal(pki_store_add(s, &row, NULL), 0);
	assert_int_equal(pki_store_revoke(s, "0A", MAKE_NOW, "hold", &n, NULL),
	    0);
	assert_int_equal(n, 1);
	assert_int_equal(pki_store_living(s, 1, MAKE_NOW, &living, NULL), 0);
	assert_int_equal(living.n, 1);
	assert_int_equal(living.last, MAKE_NOW + HOUR);
	assert_int_equal(pki_store_release(s, "0A", &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pki_store_release(s, "0A", &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(pki_store_revoke(s, "0a", MAKE_NOW, "hold", &n, NULL),
	    0);
	assert_int_equal(pki_store_revoke(s, "x", MAKE_NOW, "superseded", &n,
	    NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pki_store_revoke(s, "x", MAKE_NOW, "hold", &n, NULL),
	    0);
	assert_int_equal(n, 0);
	assert_int_equal(pki_store_living(s, 1, MAKE_NOW, &living, NULL), 0);
	assert_int_equal(living.n, 0);
	pki_store_rollback(s);
}

static int64_t
changes(struct pki_store *s)
{
	struct pki_stamp stamp;

	assert_int_equal(pki_store_stamp(s, &stamp, NULL), 0);
	return stamp.changes;
}

/* Whatever happens to one certificate, each step is one more: so a list that was
 * made before is not served, and a backup from before does not come back. */
static void
each_change_of_what_is_revoked_counts_once(void **state)
{
	static const char *const steps[] = { "hold", "", "hold", "superseded" };
	struct pki_store *s = o.desk.store;
	struct pki_row row = { .name = "x", .serial = "0a", .profile = "spoke",
		.to = MAKE_NOW + HOUR };
	int64_t before;
	size_t i, n;

	(void)state;
	assert_int_equal(pki_store_begin(s, NULL), 0);
	assert_int_equal(pki_store_add(s, &row, NULL), 0);
	before = changes(s);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		assert_int_equal(steps[i][0] == '\0' ?
		    pki_store_release(s, "x", &n, NULL) :
		    pki_store_revoke(s, "x", MAKE_NOW, steps[i], &n, NULL), 0);
		assert_int_equal(n, 1);
		assert_int_equal(changes(s), before + (int64_t)i + 1);
	}
	assert_int_equal(pki_store_revoke(s, "x", MAKE_NOW, "cessation", &n,
	    NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(changes(s), before + 4);
	pki_store_rollback(s);
}

static void
a_name_that_looks_like_a_serial_number_is_none(void **state)
{
	struct pki_store *s = o.desk.store;
	struct pki_row row = { .name = "x", .serial = "0b", .profile = "spoke",
		.to = MAKE_NOW + HOUR };
	struct pki_row named = { .name = "0b", .serial = "0c", .revoked = 1,
		.profile = "spoke", .to = MAKE_NOW + HOUR };
	struct pki_ocsp_row found;

	(void)state;
	assert_int_equal(pki_store_begin(s, NULL), 0);
	assert_int_equal(pki_store_add(s, &row, NULL), 0);
	assert_int_equal(pki_store_add(s, &named, NULL), 0);
	assert_int_equal(pki_ocsp_look_store(s, "0b", &found, NULL), 0);
	assert_true(found.known);
	assert_int_equal(found.revoked, 0);
	pki_store_rollback(s);
}

/* Another program has given the CA its next key meanwhile. */
static void
pki_14_a_key_that_is_not_the_one_in_use_issues_nothing(void **state)
{
	struct pki_want w = make_want("x", "spoke");
	EVP_PKEY *k = pki_key_make("p256", NULL);
	struct make other;
	struct err e = { 0 };
	char serial[48];
	X509 *x;

	(void)state;
	make_ca(&other, "Test", "p256", NULL);
	assert_null(pki_make_cert(o.desk.store, &other.ca, &w, k, serial, &e));
	assert_int_equal(e.code, EAGAIN);
	assert_int_equal(issued(&o), 0);
	x = pki_make_cert(o.desk.store, &o.make.ca, &w, k, serial, &e);
	assert_non_null(x);
	assert_int_equal(issued(&o), 1);
	X509_free(x);
	EVP_PKEY_free(k);
	make_fini(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_office, close_office)
		TEST(a_name_of_253_octets_is_kept_whole),
		TEST(names_leave_room_for_the_as_number_or_are_refused),
		TEST(a_name_that_is_too_long_for_one_more_takes_no_file_away),
		TEST(pki_14_a_key_that_is_not_the_one_in_use_issues_nothing),
		TEST(what_is_held_counts_as_living_and_may_be_revoked_for_good),
		TEST(each_change_of_what_is_revoked_counts_once),
		TEST(a_name_that_looks_like_a_serial_number_is_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
