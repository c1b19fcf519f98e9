#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "cmd_ca.h"
#include "cmd_crl.h"
#include "pki_file.h"
#include "pki_name.h"
#include "sys/loop.h"

#define DAY		86400
#define CRL_ROWS_MAX	1000000

int
cmd_revoke(int argc, char **argv)
{
	const char *store = NULL, *why = "unspecified";
	const struct opt opts[] = {
		CMD_STORE_OPT(&store),
		{ 0, "reason", "WORD", PKI_REASONS, OPT_TEXT, &why, 0, 0 },
		OPT_END,
	};
	struct pki_store *s;
	struct err e = { 0 };
	size_t n = 0;
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[--reason WORD] NAME|SERIAL", 1, 1,
	    &status) < 0)
		return status;
	if (pki_name_check(argv[0], &e) < 0 || pki_reason_check(why, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	s = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, &e);
	if (s != NULL && pki_store_begin(s, &e) == 0 &&
	    pki_store_revoke(s, argv[0], clock_wall(), why, &n, &e) == 0)
		rc = n > 0 ? pki_store_commit(s, &e) : err_set(&e, ENOENT,
		    "no certificate of %s that is not revoked", argv[0]);
	pki_store_close(s);
	if (rc < 0)
		return command_fail(cmd_status_of(&e), &e);
	fprintf(stderr, "%zu certificate%s revoked; now publish a new CRL\n",
	    n, n == 1 ? "" : "s");
	return EXIT_OK;
}

/* ------------------------------------------------------------------- crl */

struct rows {
	struct pki_revoked	*v;
	size_t			 n, room;
	int64_t			 now;
	bool			 short_of_memory;
};

static int
add_row(void *arg, const struct pki_row *row)
{
	struct rows *r = arg;
	struct pki_revoked *more;
	char *text;

	if (row->revoked == 0 || row->to < r->now)
		return 0;
	if (r->n == r->room) {
		r->room = r->room == 0 ? 64 : 2 * r->room;
		more = r->n >= CRL_ROWS_MAX ? NULL :
		    reallocarray(r->v, r->room, sizeof(*more));
		if (more == NULL)
			return r->short_of_memory = true;
		r->v = more;
	}
	if (asprintf(&text, "%s%c%s", row->serial, '\0', row->why) < 0)
		return r->short_of_memory = true;
	r->v[r->n].serial = text;
	r->v[r->n].why = text + strlen(text) + 1;
	r->v[r->n++].at = row->revoked;
	return 0;
}

static void
rows_fini(struct rows *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		free((void *)(uintptr_t)r->v[i].serial);
	free(r->v);
}

static X509_CRL *
make(struct cmd_ca *c, uint64_t days, struct err *e)
{
	struct rows rows = { .now = clock_wall() };
	X509_CRL *crl = NULL;
	uint64_t number;

	if (rows.now < PKI_TIME_MIN) {
		err_set(e, EINVAL, "the clock is wrong: it is before 2026");
		return NULL;
	}
	if (pki_store_each(c->store, NULL, add_row, &rows, e) == 0 &&
	    pki_store_crl_number(c->store, &number, e) == 0)
		crl = pki_issue_crl(&c->ca, number, rows.now,
		    rows.now + (int64_t)days * DAY, rows.v, rows.n, e);
	else if (rows.short_of_memory)
		err_set(e, ENOMEM, "too many revocations");
	rows_fini(&rows);
	return crl;
}

static int
publish(struct cmd_ca *c, X509_CRL *crl, const char *out, bool der,
    struct err *e)
{
	BIO *b = BIO_new(BIO_s_mem());
	int ok = b != NULL && (der ? i2d_X509_CRL_bio(b, crl) :
	    PEM_write_bio_X509_CRL(b, crl)) == 1;
	char *p;
	long len = ok ? BIO_get_mem_data(b, &p) : 0;
	int rc;

	if (!ok)
		rc = err_set(e, ENOMEM, "CRL");
	else if ((rc = pki_store_commit(c->store, e)) == 0 && out != NULL)
		rc = pki_file_write(out, 0644, true, p, (size_t)len, e);
	BIO_free(b);
	ERR_clear_error();
	return rc;
}

/* To the agent of this machine: dmvpn-ike asks it. */
static int
install(X509_CRL *crl)
{
	struct crl_set s = { .n = 0 };
	unsigned char *der = NULL;
	int status, len = i2d_X509_CRL(crl, &der);
	struct err e = { 0 };

	if (len <= 0)
		err_set(&e, ENOMEM, "CRL");
	status = len > 0 && crl_set_add_der(&s, rbuf_of(der, (size_t)len),
	    &e) == 0 ? cmd_crls_send(&s, "") : command_fail(EXIT_SYSTEM, &e);
	OPENSSL_free(der);
	crl_set_fini(&s);
	return status;
}

int
cmd_crl(int argc, char **argv)
{
	const char *store = NULL, *pass_file = NULL, *out = NULL;
	uint64_t days = 7;
	bool der = false, hand_over = false;
	const struct opt opts[] = {
		CMD_STORE_OPT(&store), CMD_PASS_OPT(&pass_file),
		{ 'd', "days", "DAYS", "until the next one", OPT_NUM, &days,
		    1, 3650 },
		{ 0, "der", NULL, "DER, not PEM", OPT_FLAG, &der, 0, 0 },
		{ 'o', "out", "FILE", "where it goes; \"-\" is standard output",
		    OPT_TEXT, &out, 0, 0 },
		{ 'i', "install", NULL, "hand it to the running agent; no "
		    "output without --out", OPT_FLAG, &hand_over, 0, 0 },
		OPT_END,
	};
	struct cmd_ca c = { .store = NULL };
	X509_CRL *crl = NULL;
	struct err e = { 0 };
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[-d DAYS] [-i] [-o FILE]", 0,
	    0, &status) < 0)
		return status;
	if (cmd_ca_open(&c, store, &e) == 0 &&
	    cmd_ca_unlock(&c, pass_file, &e) == 0 &&
	    (crl = make(&c, days, &e)) != NULL)
		rc = publish(&c, crl, out != NULL || hand_over ? out : "-",
		    der, &e);
	cmd_ca_close(&c);
	status = rc < 0 ? command_fail(cmd_status_of(&e), &e) : hand_over ?
	    install(crl) : EXIT_OK;
	X509_CRL_free(crl);
	return status;
}
