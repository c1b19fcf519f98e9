#include "pki_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dmvpn-pki/pki_store.h"

static char dir[64], path[96];

static struct pki_store *
fresh(void)
{
	struct pki_store *s;
	struct err e = { 0 };

	snprintf(dir, sizeof(dir), "/tmp/pki-store-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ca.db", dir);
	s = pki_store_open(path, PKI_STORE_CREATE, &e);
	assert_non_null(s);
	assert_int_equal(pki_store_begin(s, &e), 0);
	assert_int_equal(pki_store_set_ca(s, rbuf_of("cert", 4),
	    rbuf_of("key", 3), &e), 0);
	assert_int_equal(pki_store_commit(s, &e), 0);
	return s;
}

static void
done(struct pki_store *s)
{
	pki_store_close(s);
	(void)unlink(path);
	(void)rmdir(dir);
}

static struct pki_row
row_of(const char *name, const char *serial)
{
	struct pki_row r = { .from = 1, .to = 2,
		.der = rbuf_of(serial, strlen(serial)) };

	snprintf(r.name, sizeof(r.name), "%s", name);
	snprintf(r.serial, sizeof(r.serial), "%s", serial);
	return r;
}

static int
count(void *arg, const struct pki_row *row)
{
	(void)row;
	++*(int *)arg;
	return 0;
}

static int
rows(struct pki_store *s, const char *name)
{
	int n = 0;

	assert_int_equal(pki_store_each(s, name, count, &n, NULL), 0);
	return n;
}

static void
pki_04_a_serial_number_is_taken_once(void **state)
{
	struct pki_store *s = fresh();
	struct pki_row a = row_of("a", "11aa"), b = row_of("b", "11aa");
	struct err e = { 0 };

	(void)state;
	assert_int_equal(pki_store_add(s, &a, &e), 0);
	b.der = rbuf_of("other", 5);
	assert_int_equal(pki_store_add(s, &b, &e), -1);
	assert_int_equal(e.code, EEXIST);
	assert_int_equal(rows(s, NULL), 1);
	done(s);
}

static void
rows_are_found_by_name_and_by_serial(void **state)
{
	struct pki_store *s = fresh();
	struct pki_row a = row_of("a", "11aa"), b = row_of("a", "22bb"),
	    c = row_of("c", "33cc");
	size_t n;

	(void)state;
	pki_store_add(s, &a, NULL);
	pki_store_add(s, &b, NULL);
	pki_store_add(s, &c, NULL);
	assert_int_equal(rows(s, NULL), 3);
	assert_int_equal(rows(s, "a"), 2);
	assert_int_equal(rows(s, "33CC"), 1);
	assert_int_equal(rows(s, "nobody"), 0);
	assert_int_equal(pki_store_revoke(s, "a", 5, "superseded", &n, NULL),
	    0);
	assert_int_equal(n, 2);
	assert_int_equal(pki_store_revoke(s, "a", 5, "superseded", &n, NULL),
	    0);
	assert_int_equal(n, 0);
	assert_int_equal(pki_store_remove(s, "33cc", NULL), 0);
	assert_int_equal(rows(s, NULL), 2);
	done(s);
}

static void
crl_numbers_only_grow(void **state)
{
	struct pki_store *s = fresh();
	uint64_t a, b;

	(void)state;
	assert_int_equal(pki_store_crl_number(s, &a, NULL), 0);
	assert_int_equal(pki_store_crl_number(s, &b, NULL), 0);
	assert_true(b > a);
	done(s);
}

static void
closing_in_the_middle_changes_nothing(void **state)
{
	struct pki_store *s = fresh();
	struct pki_row a = row_of("a", "11aa");

	(void)state;
	assert_int_equal(pki_store_begin(s, NULL), 0);
	assert_int_equal(pki_store_add(s, &a, NULL), 0);
	pki_store_close(s);
	s = pki_store_open(path, PKI_STORE_OPEN, NULL);
	assert_non_null(s);
	assert_int_equal(rows(s, NULL), 0);
	done(s);
}

static void
a_second_ca_is_refused(void **state)
{
	struct pki_store *s = fresh();
	struct err e = { 0 };

	(void)state;
	assert_int_equal(pki_store_set_ca(s, rbuf_of("x", 1), rbuf_of("y", 1),
	    &e), -1);
	assert_int_equal(e.code, EEXIST);
	done(s);
}

static int
open_refused(const char *p, const char *words)
{
	struct err e = { 0 };
	struct pki_store *s = pki_store_open(p, PKI_STORE_OPEN, &e);

	if (s != NULL || strstr(e.msg, words) == NULL)
		print_message("# %s\n", e.msg);
	pki_store_close(s);
	return s == NULL && strstr(e.msg, words) != NULL;
}

static void
pki_03_and_17_odd_files_are_refused(void **state)
{
	struct pki_store *s = fresh();
	char other[128];
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	pki_store_close(s);
	snprintf(other, sizeof(other), "%s/other", dir);
	assert_int_equal(symlink(path, other), 0);
	assert_true(open_refused(other, "symbolic link"));
	unlink(other);
	assert_int_equal(link(path, other), 0);
	assert_true(open_refused(path, "hard links"));
	unlink(other);
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_true(open_refused(other, "not a regular file"));
	unlink(other);
	assert_int_equal(chmod(path, 0640), 0);
	assert_true(open_refused(path, "lets others at"));
	assert_true(open_refused(other, "there is no CA here"));
	done(NULL);
}

static void
pki_08_a_damaged_store_is_refused_with_a_way_out(void **state)
{
	struct pki_store *s = fresh();
	struct stat st;
	int fd;

	(void)state;
	pki_store_close(s);
	assert_int_equal(stat(path, &st), 0);
	/* the header */
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "damaged", 7, 0), 7);
	assert_true(open_refused(path, "backup"));
	/* cut */
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_null(pki_store_open(path, PKI_STORE_OPEN, NULL));
	close(fd);
	done(NULL);
	/* a page in the middle */
	s = fresh();
	pki_store_close(s);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8,
	    4096), 8);
	close(fd);
	assert_true(open_refused(path, "backup"));
	done(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pki_04_a_serial_number_is_taken_once),
		cmocka_unit_test(rows_are_found_by_name_and_by_serial),
		cmocka_unit_test(crl_numbers_only_grow),
		cmocka_unit_test(closing_in_the_middle_changes_nothing),
		cmocka_unit_test(a_second_ca_is_refused),
		cmocka_unit_test(pki_03_and_17_odd_files_are_refused),
		cmocka_unit_test(
		    pki_08_a_damaged_store_is_refused_with_a_way_out),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("pki_store", tests, NULL, NULL);
}
