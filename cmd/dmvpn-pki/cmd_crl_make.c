#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "cmd_ca.h"
#include "cmd_crl.h"
#include "pki_file.h"
#include "pki_points.h"
#include "sys/ask.h"
#include "sys/link.h"
#include "sys/loop.h"

#define DAY		86400
#define TRIES		10	/* others make lists at the same time */
#define LISTS_MAX	(2 * (PKI_PARTITIONS_MAX + 1))

/* A list of one key, of a partition or (0) whole. */
struct made {
	X509_CRL	*crl;
	int64_t		 generation;
	unsigned	 partition;
};

struct making {
	struct cmd_ca	*c;
	int64_t		 now, next;
	uint64_t	 days;
	bool		 parts;
	size_t		 n;
	struct made	 v[LISTS_MAX];
	struct err	*e;
};

static int
make_one(struct making *m, const struct pki_ca *ca, int64_t generation,
    unsigned partition)
{
	struct made *to = &m->v[m->n];

	if (m->n == LISTS_MAX)
		return err_set(m->e, E2BIG, "more than %d lists", LISTS_MAX);
	to->generation = generation;
	to->partition = partition;
	to->crl = pki_points_crl(m->c->store, ca, generation, partition,
	    m->now, m->next, m->e);
	if (to->crl == NULL)
		return -1;
	m->n++;
	return 0;
}

static int
make_key(void *arg, const struct pki_ca *ca, int64_t generation)
{
	struct making *m = arg;
	unsigned i, n = 0;

	if (make_one(m, ca, generation, 0) < 0 || (m->parts &&
	    pki_points_count(m->c->store, generation, m->now, &n, m->e) < 0))
		return -1;
	for (i = 1; i <= n; i++)
		if (make_one(m, ca, generation, i) < 0)
			return -1;
	return 0;
}

/* The key in use first. */
static int
make_all(struct making *m)
{
	if (make_key(m, &m->c->ca, m->c->generation) < 0)
		return -1;
	return cmd_ca_each_old(m->c, make_key, m, m->e) == 0 ? 0 : -1;
}

static void
making_fini(struct making *m)
{
	while (m->n > 0)
		X509_CRL_free(m->v[--m->n].crl);
}

/* In the transaction that is open; another one is open afterwards.  Numbers
 * first: a list that is out has one that is not used again.
 * 1: nobody has made a newer list since, nor does while we hold the store. */
static int
make_last(struct making *m)
{
	struct pki_stamp ours, now;
	struct pki_store *s = m->c->store;

	making_fini(m);
	m->now = clock_wall();
	m->next = m->now + (int64_t)m->days * DAY;
	if (make_all(m) < 0 || pki_store_stamp(s, &ours, m->e) < 0 ||
	    pki_store_commit(s, m->e) < 0 || pki_store_begin(s, m->e) < 0 ||
	    pki_store_stamp(s, &now, m->e) < 0)
		return -1;
	return ours.crls == now.crls;
}

/* ---------------------------------------------------------------- to publish */

static int
put(BIO *b, X509_CRL *crl, bool der)
{
	return (der ? i2d_X509_CRL_bio(b, crl) :
	    PEM_write_bio_X509_CRL(b, crl)) == 1;
}

static int
write_bio(BIO *b, const char *path, struct err *e)
{
	char *p;
	long len = BIO_get_mem_data(b, &p);

	return pki_file_write(path, 0644, true, p, (size_t)len, e);
}

/* One list, in a file of its own. */
static int
publish_one(const struct made *one, const char *out, bool der, struct err *e)
{
	char path[PKI_URL_MAX];
	BIO *b = BIO_new(BIO_s_mem());
	int rc;

	if (strcmp(out, "-") == 0)
		snprintf(path, sizeof(path), "%s", out);
	else
		pki_points_name(out, one->generation, one->partition, path);
	rc = b != NULL && put(b, one->crl, der) ? write_bio(b, path, e) :
	    err_set(e, ENOMEM, "CRL");
	BIO_free(b);
	return rc;
}

/* In PEM the whole lists of all keys are in one file. */
static int
publish_whole(const struct making *m, const char *out, struct err *e)
{
	BIO *b = BIO_new(BIO_s_mem());
	bool ok = b != NULL;
	size_t i;
	int rc;

	for (i = 0; ok && i < m->n; i++)
		ok = m->v[i].partition > 0 || put(b, m->v[i].crl, false);
	rc = ok ? write_bio(b, out, e) : err_set(e, ENOMEM, "CRL");
	BIO_free(b);
	return rc;
}

static int
publish(const struct making *m, const char *out, bool der, struct err *e)
{
	size_t i;

	if (strlen(out) + 32 > PKI_URL_MAX)
		return err_set(e, EINVAL, "name of FILE is too long");
	if (der && strcmp(out, "-") == 0 && m->n > 1)
		return err_set(e, EINVAL, "%zu lists in DER want --out FILE: "
		    "each goes to a file of its own", m->n);
	if (der && strcmp(out, "-") == 0)
		return publish_one(&m->v[0], out, true, e);
	if (!der && publish_whole(m, out, e) < 0)
		return -1;
	for (i = 0; i < m->n; i++)
		if ((der || m->v[i].partition > 0) &&
		    publish_one(&m->v[i], out, der, e) < 0)
			return -1;
	return 0;
}

/* Who made an older list does not put it in the place of a newer one. */
static int
make_and_publish(struct making *m, const char *out, bool der, struct err *e)
{
	int i, rc = 0;

	for (i = 0; rc == 0 && i < TRIES; i++)
		rc = make_last(m);
	if (rc == 0)
		return err_set(e, EAGAIN, "others make lists all the time");
	/* Whoever reads slowly holds nobody up. */
	if (rc > 0 && out != NULL && strcmp(out, "-") == 0)
		pki_store_rollback(m->c->store);
	return rc < 0 ? -1 : out == NULL ? 0 : publish(m, out, der, e);
}

/* 1: the agent has it; 0: it has a newer one, or nobody there knows the key. */
static int
install_one(struct conn *to, X509_CRL *x, struct reason *why, struct err *e)
{
	unsigned char *der = NULL;
	int len = i2d_X509_CRL(x, &der), rc = -1;
	struct crl *c = len > 0 ? crl_parse(rbuf_of(der, (size_t)len), e) :
	    NULL;

	if (c != NULL && (rc = cmd_crl_send(to, c, "", why, e)) == 0)
		rc = 1;
	else if (strcmp(why->code, "older") == 0 ||
	    strcmp(why->code, "not-found") == 0)
		rc = 0;
	crl_free(c);
	OPENSSL_free(der);
	return rc;
}

/* To the agent of this machine: dmvpn-ike asks it.  While keys change, an agent
 * may know only one of them. */
static int
install(const struct making *m)
{
	struct reason why = { .code = "" }, last = { .code = "" };
	struct err e = { 0 };
	struct conn *to = ask_open("pki.sock", &e);
	bool taken = false;
	size_t i;
	int rc = 0;

	if (to == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	for (i = 0; rc >= 0 && i < m->n; i++) {
		if (m->v[i].partition > 0)
			continue;
		memset(&why, 0, sizeof(why));
		rc = install_one(to, m->v[i].crl, &why, &e);
		if (rc == 0) {
			last = why;
			fprintf(stderr, "%s: list of key %lld: %s\n",
			    command_program(), (long long)m->v[i].generation,
			    why.text);
		}
		taken = taken || rc == 1 || strcmp(why.code, "older") == 0;
	}
	conn_close(to);
	if (rc >= 0 && !taken)
		return command_refused(&last, &e);
	return rc < 0 ? command_refused(&why, &e) : EXIT_OK;
}

int
cmd_crl(int argc, char **argv)
{
	const char *store = NULL, *pass_file = NULL, *out = NULL;
	bool der = false, hand_over = false;
	static struct making m = { .days = 7 };
	const struct opt opts[] = {
		CMD_STORE_OPT(&store), CMD_PASS_OPT(&pass_file),
		{ 'd', "days", "DAYS", "until the next one", OPT_NUM, &m.days,
		    1, 3650 },
		{ 0, "der", NULL, "DER, not PEM", OPT_FLAG, &der, 0, 0 },
		{ 'o', "out", "FILE", "where it goes; \"-\" is standard output",
		    OPT_TEXT, &out, 0, 0 },
		{ 'i', "install", NULL, "hand it to the running agent; no "
		    "output without --out", OPT_FLAG, &hand_over, 0, 0 },
		OPT_END,
	};
	struct cmd_ca c = { .store = NULL };
	struct err e = { 0 };
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[-d DAYS] [-i] [-o FILE]", 0,
	    0, &status) < 0)
		return status;
	out = out != NULL || hand_over ? out : "-";
	m.c = &c;
	m.e = &e;
	m.parts = out != NULL && strcmp(out, "-") != 0;
	if (cmd_ca_open(&c, store, &e) == 0 &&
	    cmd_ca_unlock(&c, pass_file, &e) == 0)
		rc = make_and_publish(&m, out, der, &e);
	cmd_ca_close(&c);
	status = rc < 0 ? command_fail(cmd_status_of(&e), &e) : hand_over ?
	    install(&m) : EXIT_OK;
	making_fini(&m);
	ERR_clear_error();
	return status;
}
