#include "pki_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "dmvpn-pki/pki_sql.h"
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

/* As the first version made it. */
static const char version_1[] =
    "CREATE TABLE ca(id INTEGER PRIMARY KEY CHECK(id = 1),"
    " certificate BLOB NOT NULL, key TEXT NOT NULL,"
    " crl_number INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE certificate(number INTEGER PRIMARY KEY,"
    " serial TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    " profile TEXT NOT NULL, not_before INTEGER NOT NULL,"
    " not_after INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0,"
    " why TEXT NOT NULL DEFAULT '', der BLOB NOT NULL UNIQUE);"
    "CREATE INDEX certificate_name ON certificate(name);"
    "PRAGMA user_version = 1; PRAGMA application_id = 1145919056;"
    "INSERT INTO ca VALUES(1, x'30', 'key', 7);"
    "INSERT INTO certificate VALUES(1, '11aa', 'a', 'hub', 1, 2, 0, '',"
    " x'31'), (5, '22bb', 'b', 'spoke', 1, 2, 9, 'superseded', x'32');";

static void
a_store_of_the_first_version_is_brought_up(void **state)
{
	struct pki_store *s = fresh();
	struct pki_store_ca ca;
	struct pki_stamp stamp;
	uint64_t number;
	sqlite3 *db;

	(void)state;
	pki_store_close(s);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, version_1, NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	s = pki_store_open(path, PKI_STORE_OPEN, NULL);
	assert_non_null(s);
	assert_int_equal(pki_store_ca(s, &ca, NULL), 0);
	assert_int_equal(ca.generation, 1);
	assert_string_equal((const char *)ca.key.p, "key");
	assert_int_equal(rows(s, "a"), 1);
	assert_int_equal(rows(s, "22bb"), 1);
	assert_int_equal(pki_store_stamp(s, &stamp, NULL), 0);
	assert_int_equal(stamp.changes, 1);
	assert_int_equal(pki_store_crl_number(s, &number, NULL), 0);
	assert_int_equal(number, 8);
	pki_store_close(s);
	s = pki_store_open(path, PKI_STORE_OPEN, NULL);
	assert_int_equal(rows(s, NULL), 2);
	done(s);
}

static int
name_state(void *arg, const struct pki_authority *a)
{
	char *text = arg;
	size_t n = strlen(text);

	snprintf(text + n, 64 - n, "%d%s%s ", (int)a->generation,
	    name_find(pki_ca_state_names, a->state),
	    rbuf_left(&a->key) > 0 ? "+" : "");
	return 0;
}

static const char *
states(struct pki_store *s)
{
	static char text[64];

	text[0] = '\0';
	assert_int_equal(pki_store_authorities(s, name_state, text, NULL), 0);
	return text;
}

static void
one_key_is_active_and_a_retired_one_is_gone(void **state)
{
	struct pki_store *s = fresh();
	struct pki_row r = row_of("a", "11aa"), x = row_of("b", "22bb");
	struct pki_living living;
	struct pki_store_ca ca;
	struct err e = { 0 };
	int64_t g = 0;
	uint64_t n;

	(void)state;
	assert_int_equal(pki_store_add(s, &r, NULL), 0);
	assert_int_equal(pki_store_add_authority(s, PKI_CA_ACTIVE,
	    rbuf_of("c2", 2), rbuf_of("k2", 2), &g, &e), -1);
	assert_int_equal(e.code, EEXIST);
	assert_int_equal(pki_store_set_state(s, 1, PKI_CA_OLD, NULL), 0);
	assert_int_equal(pki_store_add_authority(s, PKI_CA_ACTIVE,
	    rbuf_of("c2", 2), rbuf_of("k2", 2), &g, NULL), 0);
	assert_int_equal(g, 2);
	assert_string_equal(states(s), "1old+ 2active+ ");
	assert_int_equal(pki_store_is_active(s, rbuf_of("c2", 2), NULL), 0);
	assert_int_equal(pki_store_is_active(s, rbuf_of("cert", 4), &e), -1);
	assert_int_equal(e.code, EAGAIN);
	assert_int_equal(pki_store_add(s, &x, NULL), 0);
	assert_int_equal(pki_store_living(s, 1, 0, &living, NULL), 0);
	assert_int_equal(living.n, 1);
	assert_int_equal(living.last, 2);
	assert_int_equal(pki_store_living(s, 2, 3, &living, NULL), 0);
	assert_int_equal(living.n, 0);
	assert_int_equal(pki_store_crl_number_of(s, 1, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pki_store_crl_above(s, 40, NULL), 0);
	assert_int_equal(pki_store_crl_number(s, &n, NULL), 0);
	assert_int_equal(n, 41);
	assert_int_equal(pki_store_set_state(s, 1, PKI_CA_RETIRED, NULL), 0);
	assert_string_equal(states(s), "1retired 2active+ ");
	assert_int_equal(pki_store_ca(s, &ca, NULL), 0);
	assert_int_equal(ca.generation, 2);
	done(s);
}

/* Whoever asks for the list makes us look. */
static void
what_is_revoked_is_counted_without_reading_all_certificates(void **state)
{
	struct pki_store *s = fresh();
	sqlite3_stmt *q;
	int64_t n;

	(void)state;
	assert_int_equal(pki_store_changes(s, &n, NULL), 0);
	assert_int_equal(n, 0);
	q = pki_sql_prepare(s, "EXPLAIN QUERY PLAN SELECT count(*) FROM "
	    "certificate WHERE revoked <> 0", NULL);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	assert_non_null(strstr((const char *)sqlite3_column_text(q, 3),
	    "certificate_revoked"));
	sqlite3_finalize(q);
	done(s);
}

static void
settings_are_kept(void **state)
{
	struct pki_store *s = fresh();
	char text[PKI_SETTING_MAX];

	(void)state;
	assert_int_equal(pki_store_setting(s, PKI_CRL_URL, text, NULL), 0);
	assert_string_equal(text, "");
	assert_int_equal(pki_store_set(s, PKI_CRL_URL, "http://a/", NULL), 0);
	assert_int_equal(pki_store_set(s, PKI_CRL_URL, "http://b/", NULL), 0);
	assert_int_equal(pki_store_setting(s, PKI_CRL_URL, text, NULL), 0);
	assert_string_equal(text, "http://b/");
	done(s);
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
		cmocka_unit_test(a_store_of_the_first_version_is_brought_up),
		cmocka_unit_test(one_key_is_active_and_a_retired_one_is_gone),
		cmocka_unit_test(
		    what_is_revoked_is_counted_without_reading_all_certificates),
		cmocka_unit_test(settings_are_kept),
		cmocka_unit_test(pki_03_and_17_odd_files_are_refused),
		cmocka_unit_test(
		    pki_08_a_damaged_store_is_refused_with_a_way_out),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("pki_store", tests, NULL, NULL);
}
