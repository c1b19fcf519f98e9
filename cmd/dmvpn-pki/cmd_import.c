#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/date.h"
#include "base/num.h"
#include "base/text.h"
#include "cmd_ca.h"
#include "cmd_crl.h"
#include "pki_file.h"
#include "pki_index.h"
#include "pki_name.h"

#define INDEX_MAX	(64u << 20)
#define FILE_MAX	(8u << 20)

struct import {
	struct pki_store	*store;
	size_t			 n_keys;
	struct {
		int64_t		 generation;
		struct cert	*cert;
	} keys[16];
	bool			 json;
	size_t			 fresh, known, revoked, refused;
	struct err		*e;
};

/* ------------------------------------------------------------------ to tell */

static int
tell(struct import *m, const char *name, const char *serial,
    const char *result, const char *why)
{
	struct pki_imported r = { .why = "" };

	snprintf(r.name, sizeof(r.name), "%s", name);
	snprintf(r.serial, sizeof(r.serial), "%s", serial);
	snprintf(r.result, sizeof(r.result), "%s", result);
	snprintf(r.why, sizeof(r.why), "%.250s", why);
	if (m->json)
		return out_json(stdout, &pki_imported_type, &r, m->e);
	if (why[0] != '\0')
		fprintf(stderr, "%s %s %s: %s\n", result, name, serial, why);
	return 0;
}

static int
refused(struct import *m, const char *name, const char *why)
{
	m->refused++;
	return tell(m, name, "-", "refused", why);
}

/* ---------------------------------------------------------------- whose it is */

static int
on_key(void *arg, const struct pki_authority *a)
{
	struct import *m = arg;
	struct cert *c;

	if ((a->state != PKI_CA_ACTIVE && a->state != PKI_CA_OLD) ||
	    m->n_keys == sizeof(m->keys) / sizeof(m->keys[0]))
		return 0;
	if ((c = cert_parse(a->cert, m->e)) == NULL)
		return -1;
	m->keys[m->n_keys].generation = a->generation;
	m->keys[m->n_keys++].cert = c;
	return 0;
}

/* The generation of the key that signed it; 0: none of ours. */
static int64_t
signer_of(const struct import *m, const struct cert *c)
{
	X509 *x = (X509 *)(uintptr_t)cert_x509(c);
	size_t i;
	bool yes;

	for (i = 0; i < m->n_keys; i++) {
		yes = X509_NAME_cmp(X509_get_issuer_name(x),
		    X509_get_subject_name(cert_x509(m->keys[i].cert))) == 0 &&
		    X509_verify(x, X509_get0_pubkey(
		    cert_x509(m->keys[i].cert))) == 1;
		ERR_clear_error();
		if (yes)
			return m->keys[i].generation;
	}
	return 0;
}

/* ----------------------------------------------------------------- to take in */

static int
find_row(void *arg, const struct pki_row *row)
{
	*(struct pki_row *)arg = *row;
	return 1;
}

/* The row of this serial number is there already: what it lacks is a
 * revocation at most, or one for good where it is held. */
static int
known(struct import *m, const struct pki_row *row)
{
	struct pki_row have = { .revoked = 0 };
	size_t n = 0;

	if (pki_store_each(m->store, row->serial, find_row, &have, m->e) < 0)
		return -1;
	if (row->revoked == 0 || !pki_row_revokes(&have, row->why)) {
		m->known++;
		return tell(m, have.name, row->serial, "known", "");
	}
	if (pki_store_revoke(m->store, row->serial, row->revoked, row->why,
	    &n, m->e) < 0)
		return -1;
	m->revoked++;
	return tell(m, have.name, row->serial, "revoked", "");
}

static int
take_row(struct import *m, const struct pki_row *row)
{
	if (pki_store_add(m->store, row, m->e) == 0) {
		m->fresh++;
		m->revoked += row->revoked != 0;
		return tell(m, row->name, row->serial, row->revoked != 0 ?
		    "revoked" : "new", "");
	}
	if (m->e->code != EEXIST)
		return -1;
	err_clear(m->e);
	return known(m, row);
}

/* What it is used for tells what a successor should be. */
static const char *
profile_of(const struct cert *c)
{
	return X509_get_extended_key_usage((X509 *)(uintptr_t)cert_x509(c)) &
	    XKU_SSL_SERVER && X509_get_extension_flags((X509 *)(uintptr_t)
	    cert_x509(c)) & EXFLAG_XKUSAGE ? "hub" : "spoke";
}

static void
row_of_cert(const struct cert *c, int64_t generation, struct pki_row *row)
{
	char cn[256] = "";

	memset(row, 0, sizeof(*row));
	(void)X509_NAME_get_text_by_NID(X509_get_subject_name(cert_x509(c)),
	    NID_commonName, cn, sizeof(cn));
	cert_serial(c, row->serial, sizeof(row->serial));
	pki_index_name(cn, row->serial, row->name);
	snprintf(row->profile, sizeof(row->profile), "%s", profile_of(c));
	row->from = cert_not_before(c);
	row->to = cert_not_after(c);
	row->der = cert_der(c);
	row->generation = generation;
}

/* index NULL: nothing but the certificate tells. */
static int
take_cert(struct import *m, const struct cert *c,
    const struct pki_index_row *index)
{
	int64_t generation = signer_of(m, c);
	struct pki_row row;

	row_of_cert(c, generation, &row);
	if (generation == 0)
		return refused(m, row.name, "this CA did not sign it");
	if (cert_is_ca(c))
		return refused(m, row.name, "it is the certificate of a CA");
	if (index != NULL) {
		row.revoked = index->revoked;
		memcpy(row.why, index->why, sizeof(row.why));
	}
	return take_row(m, &row);
}

/* A line whose certificate is lost: its serial number stays taken, and what is
 * revoked stays revoked. */
static int
take_index(struct import *m, const struct pki_index_row *x)
{
	struct pki_row row = { .to = x->to, .revoked = x->revoked,
		.from = 0, .profile = "spoke" };

	memcpy(row.name, x->name, sizeof(row.name));
	memcpy(row.serial, x->serial, sizeof(row.serial));
	memcpy(row.why, x->why, sizeof(row.why));
	return take_row(m, &row);
}

/* ------------------------------------------------------------------ files */

/* Ours go on from it. */
static int
take_crl_number(struct import *m, const struct crl_info *info)
{
	struct rbuf r = rbuf_of(info->number, sizeof(info->number));
	uint64_t high = 0, low = 0;

	while (rbuf_left(&r) > sizeof(low))
		high |= rbuf_u8(&r);
	while (rbuf_left(&r) > 0)
		low = low << 8 | rbuf_u8(&r);
	return high != 0 || low > INT64_MAX / 2 ? refused(m, "CRL", "its "
	    "number is so high that ours would look older") :
	    pki_store_crl_above(m->store, low, m->e);
}

static int
take_crl(struct import *m, const struct crl *l)
{
	X509_CRL *x = (X509_CRL *)(uintptr_t)crl_x509(l);
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(x);
	struct crl_info info;
	struct tm tm;
	size_t k = 0;
	int i;

	while (k < m->n_keys && crl_issued_by(l, m->keys[k].cert) != 1)
		k++;
	if (k == m->n_keys)
		return refused(m, "CRL", "this CA did not sign it");
	for (i = 0; i < sk_X509_REVOKED_num(all); i++) {
		X509_REVOKED *r = sk_X509_REVOKED_value(all, i);
		const ASN1_INTEGER *s = X509_REVOKED_get0_serialNumber(r);
		struct pki_row row = { .generation = m->keys[k].generation,
			.to = cert_not_after(m->keys[k].cert),
			.profile = "spoke" };

		text_hex(ASN1_STRING_get0_data(s),
		    (size_t)ASN1_STRING_length(s), row.serial,
		    sizeof(row.serial));
		pki_index_name("", row.serial, row.name);
		snprintf(row.why, sizeof(row.why), "%s", pki_reason_of(r));
		if (ASN1_TIME_to_tm(X509_REVOKED_get0_revocationDate(r),
		    &tm) == 1)
			row.revoked = date_seconds(&tm);
		if (row.revoked != 0 && take_row(m, &row) < 0)
			return -1;
	}
	return crl_info(l, &info, NULL) < 0 ? 0 : take_crl_number(m, &info);
}

/* One object in DER. */
static int
take_der(struct import *m, const char *path, struct rbuf der)
{
	struct err e = { 0 };
	struct cert *c = cert_parse(der, &e);
	struct crl *l;
	int rc;

	if (c != NULL) {
		rc = take_cert(m, c, NULL);
		cert_free(c);
		return rc;
	}
	if ((l = crl_parse(der, NULL)) != NULL) {
		rc = take_crl(m, l);
		crl_free(l);
		return rc;
	}
	return refused(m, path, e.msg);
}

static int
take_file(struct import *m, const char *path)
{
	struct secret *text = pki_file_read(path, false, FILE_MAX, m->e);
	char *name, *header;
	unsigned char *der;
	size_t seen = 0;
	int rc = 0;
	long len;
	BIO *b;

	if (text == NULL)
		return -1;
	b = BIO_new_mem_buf(text->b, (int)text->len);
	if (text->len > 0 && text->b[0] == 0x30) {
		rc = take_der(m, path, rbuf_of(text->b, text->len));
		seen++;
	} else while (rc == 0 && b != NULL &&
	    PEM_read_bio(b, &name, &header, &der, &len) == 1) {
		if (strstr(name, "PRIVATE KEY") == NULL) {
			rc = take_der(m, path, rbuf_of(der, (size_t)len));
			seen++;
		}
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)len);
	}
	BIO_free(b);
	ERR_clear_error();
	secret_free(text);
	return rc == 0 && seen == 0 ? refused(m, path, "no certificate or CRL "
	    "in it") : rc;
}

/* ------------------------------------------------------------- directories */

/* Where openssl ca and easy-rsa keep what they issued. */
static const char *const places[] = { "%s/newcerts/%s.pem",
    "%s/certs_by_serial/%s.pem", "%s/revoked/certs_by_serial/%s.crt",
    "%s/renewed/certs_by_serial/%s.crt", "%s/certs/%s.pem", "%s/%s.pem" };

static struct cert *
cert_of_line(const char *dir, const struct pki_index_row *x)
{
	struct cert_set s = { .n = 0 };
	struct cert *found = NULL;
	char path[4096], serial[48];
	struct secret *text;
	size_t i;

	for (i = 0; found == NULL &&
	    i < sizeof(places) / sizeof(places[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		if (snprintf(path, sizeof(path), places[i], dir, x->number) >=
		    (int)sizeof(path) || access(path, F_OK) < 0)
			continue;
#pragma GCC diagnostic pop
		text = pki_file_read(path, false, FILE_MAX, NULL);
		if (text != NULL && cert_set_add_pem(&s, (char *)text->b,
		    text->len, NULL) == 0 && strcmp(cert_serial(s.v[0],
		    serial, sizeof(serial)), x->serial) == 0)
			found = cert_ref(s.v[0]);
		cert_set_fini(&s);
		secret_free(text);
	}
	return found;
}

static int
take_line(struct import *m, const char *dir, char *line, size_t number)
{
	struct pki_index_row x;
	struct err e = { 0 };
	char where[48];
	struct cert *c;
	int rc;

	if (line[0] == '\0')
		return 0;
	snprintf(where, sizeof(where), "index.txt-%zu", number);
	if (pki_index_parse(line, &x, &e) < 0)
		return refused(m, where, e.msg);
	c = cert_of_line(dir, &x);
	rc = c != NULL ? take_cert(m, c, &x) : take_index(m, &x);
	cert_free(c);
	return rc;
}

/* The number of the next list (hexadecimal), so that ours go on from it. */
static int
take_number(struct import *m, const char *dir)
{
	char path[4096], text[32];
	struct secret *s;
	uint64_t n;

	snprintf(path, sizeof(path), "%s/crlnumber", dir);
	if (access(path, F_OK) < 0 ||
	    (s = pki_file_read(path, false, 64, NULL)) == NULL)
		return 0;
	snprintf(text, sizeof(text), "0x%.*s", (int)strcspn((char *)s->b,
	    "\r\n"), (char *)s->b);
	secret_free(s);
	if (num_parse(text, 0, INT64_MAX / 2, &n, NULL) < 0)
		return 0;
	return pki_store_crl_above(m->store, n, m->e);
}

static int
take_dir(struct import *m, const char *dir)
{
	char path[4096], *line, *next;
	struct secret *text;
	size_t number = 0;
	int rc = 0;

	if (snprintf(path, sizeof(path), "%s/index.txt", dir) >=
	    (int)sizeof(path))
		return err_set(m->e, ENAMETOOLONG, "%s", dir);
	if ((text = pki_file_read(path, false, INDEX_MAX, m->e)) == NULL)
		return -1;
	for (line = (char *)text->b; rc == 0 && line != NULL; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		rc = take_line(m, dir, line, ++number);
	}
	secret_free(text);
	return rc < 0 ? rc : take_number(m, dir);
}

static int
take_all(struct import *m, int argc, char **argv)
{
	struct stat st;
	int i, rc = 0;

	for (i = 0; rc == 0 && i < argc; i++)
		rc = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ?
		    take_dir(m, argv[i]) : take_file(m, argv[i]);
	return rc;
}

static int
note(const struct import *m)
{
	char why[80];
	const struct pki_audit_row about = { .why = why };

	snprintf(why, sizeof(why), "%zu new, %zu revoked", m->fresh,
	    m->revoked);
	return m->fresh + m->revoked == 0 ? 0 : cmd_note(m->store,
	    PKI_AUDIT_CHANGED, "import", &about, m->e);
}

int
cmd_import(int argc, char **argv)
{
	const char *store = NULL;
	struct err e = { 0 };
	struct import m = { .e = &e };
	const struct opt opts[] = {
		CMD_STORE_OPT(&store), CMD_JSON_OPT(&m.json), OPT_END,
	};
	struct pki_store_ca ca;
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[-j] FILE|DIRECTORY...", 1, 64,
	    &status) < 0)
		return status;
	m.store = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, &e);
	if (m.store != NULL && pki_store_ca(m.store, &ca, &e) == 0 &&
	    pki_store_begin(m.store, &e) == 0 &&
	    pki_store_authorities(m.store, on_key, &m, &e) == 0 &&
	    take_all(&m, argc, argv) == 0 && note(&m) == 0)
		rc = pki_store_commit(m.store, &e);
	pki_store_close(m.store);
	while (m.n_keys > 0)
		cert_free(m.keys[--m.n_keys].cert);
	if (rc < 0)
		return command_fail(cmd_status_of(&e), &e);
	fprintf(stderr, "%zu new, %zu known, %zu revoked, %zu refused\n",
	    m.fresh, m.known, m.revoked, m.refused);
	return m.refused > 0 ? EXIT_NO : EXIT_OK;
}
