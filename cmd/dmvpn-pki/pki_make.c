#include "pki_make.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "pki_points.h"

#define SERIAL_TRIES	4
#define DAY		86400

/* Record x; EEXIST when the serial number is taken. */
static int
record(struct pki_store *s, const struct pki_want *w, X509 *x,
    unsigned partition, char serial[48], struct err *e)
{
	struct pki_row row = { .from = w->from, .to = w->to,
	    .partition = partition };
	unsigned char *der = NULL;
	int rc, len = i2d_X509(x, &der);

	if (len <= 0)
		return err_set(e, ENOMEM, "certificate");
	snprintf(row.name, sizeof(row.name), "%s", w->name);
	snprintf(row.profile, sizeof(row.profile), "%s", w->profile->name);
	text_hex(w->serial, PKI_SERIAL_LEN, row.serial, sizeof(row.serial));
	memcpy(serial, row.serial, sizeof(row.serial));
	row.der = rbuf_of(der, (size_t)len);
	rc = pki_store_add(s, &row, e);
	OPENSSL_free(der);
	return rc;
}

/* Else the row would be in the books of another key. */
static int
check_active(struct pki_store *s, X509 *cert, struct err *e)
{
	unsigned char *der = NULL;
	int rc, len = i2d_X509(cert, &der);

	if (len <= 0)
		return err_set(e, ENOMEM, "certificate");
	rc = pki_store_is_active(s, rbuf_of(der, (size_t)len), e);
	OPENSSL_free(der);
	return rc;
}

X509 *
pki_make_cert(struct pki_store *s, const struct pki_ca *ca,
    struct pki_want *w, EVP_PKEY *key, char serial[48], struct err *e)
{
	struct pki_points points;
	X509 *x = NULL;
	int i;

	if (check_active(s, ca->cert, e) < 0)
		return NULL;
	for (i = 0; i < SERIAL_TRIES; i++) {
		if (pki_serial_make(w->serial, e) < 0 ||
		    pki_points_take(s, w, &points, e) < 0 ||
		    (x = pki_issue_peer(ca, w, key, e)) == NULL)
			return NULL;
		w->crl_url = w->ocsp_url = NULL;	/* they were of points */
		if (record(s, w, x, points.partition, serial, e) == 0)
			return x;
		X509_free(x);
		if (e->code != EEXIST)
			return NULL;
	}
	return NULL;
}

/* ---------------------------------------------------------------- once more */

/* Rows come oldest first. */
static int
on_row(void *arg, const struct pki_row *row)
{
	struct pki_again *a = arg;
	struct cert *c;

	a->seen++;
	if (row->revoked != 0)
		return 0;
	if ((c = cert_parse(row->der, NULL)) == NULL) {
		a->bare++;
		return 0;
	}
	cert_free(a->cert);
	a->cert = c;
	a->length = row->to - row->from;
	memcpy(a->name, row->name, sizeof(a->name));
	memcpy(a->profile, row->profile, sizeof(a->profile));
	memcpy(a->serial, row->serial, sizeof(a->serial));
	return 0;
}

void
pki_again_fini(struct pki_again *a)
{
	size_t i;

	for (i = 0; i < PKI_SANS_MAX; i++)
		free(a->sans[i]);
	cert_free(a->cert);
}

static char *
san_text(const GENERAL_NAME *g)
{
	struct addr_buf ab;
	struct addr a;

	if (g->type == GEN_IPADD) {
		a = addr_of(ASN1_STRING_get0_data(g->d.iPAddress),
		    (size_t)ASN1_STRING_length(g->d.iPAddress));
		return strdup(addr_text(&a, &ab));
	}
	return strndup((const char *)ASN1_STRING_get0_data(g->d.ia5),
	    (size_t)ASN1_STRING_length(g->d.ia5));
}

static int
take_names(struct pki_again *a, struct pki_want *w, struct err *e)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert_x509(a->cert),
	    NID_subject_alt_name, NULL, NULL);
	int i, rc = 0;

	for (i = 0; rc == 0 && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (i == PKI_SANS_MAX || (g->type != GEN_DNS && g->type !=
		    GEN_EMAIL && g->type != GEN_IPADD))
			rc = err_set(e, ENOTSUP, "it has names that renew "
			    "does not make: issue it anew");
		else if ((a->sans[i] = san_text(g)) == NULL)
			rc = err_set(e, ENOMEM, "out of memory");
		else
			rc = pki_want_san(w, g->type, a->sans[i], e);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return rc;
}

int
pki_again_find(struct pki_store *s, const char *what, struct pki_again *a,
    struct err *e)
{
	if (pki_store_each(s, what, on_row, a, e) < 0)
		return -1;
	if (a->cert != NULL)
		return 0;
	return err_set(e, ENOENT, a->bare > 0 ? "of %s there is a serial number "
	    "alone, without the certificate: issue a new one" :
	    a->seen > 0 ? "all certificates of %s are "
	    "revoked: issue a new one if it may come back" :
	    "there is no certificate of %s", what);
}

int
pki_again_want(struct pki_again *a, struct pki_want *w, int64_t now,
    uint64_t days, struct err *e)
{
	if (days == 0)
		days = (uint64_t)(a->length / DAY);
	w->name = a->name;
	if ((w->profile = pki_profile_find(a->profile, e)) == NULL ||
	    take_names(a, w, e) < 0 ||
	    blocks_of(a->cert, &w->blocks, e) < 0)
		return err_in(e, "%s", a->name);
	w->as = pki_as_of(cert_x509(a->cert));
	return pki_want_days(w, now, days > 0 ? days : 1, e);
}
