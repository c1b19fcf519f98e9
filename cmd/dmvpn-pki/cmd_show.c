#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "cmd_ca.h"
#include "crypto/der.h"
#include "pki_file.h"
#include "pki_look.h"

#define SHOW_MAX (2 * CERT_PEM_MAX)

struct show {
	bool		 json;
	size_t		 n;
	struct err	*e;
};

static void
line(const char *key, const char *value)
{
	if (value[0] != '\0')
		printf("  %-12s %s\n", key, value);
}

/* "key  a, b, c": n texts of `size` octets each. */
static void
list_line(const char *key, const char *texts, size_t size, size_t n)
{
	size_t i;

	if (n == 0)
		return;
	printf("  %-12s ", key);
	for (i = 0; i < n; i++)
		printf("%s%s", i > 0 ? ", " : "", texts + i * size);
	printf("\n");
}

static void
print_blocks(const struct pki_look *m)
{
	struct addr_buf ab;
	size_t i;

	for (i = 0; i < m->n_blocks; i++)
		line(i == 0 ? "blocks" : "", prefix_text(&m->blocks[i], &ab));
}

static void
print_extensions(const struct pki_look *m)
{
	size_t i;

	for (i = 0; i < m->n_extensions; i++)
		printf("  %-12s %s%s %s\n", i == 0 ? "extensions" : "",
		    m->extensions[i].name, m->extensions[i].critical ?
		    " (critical)" : "", m->extensions[i].text);
}

static void
print_text(const struct pki_look *m)
{
	bool crl = strcmp(m->kind, "crl") == 0;
	char count[32];

	printf("%s%s\n", m->kind, m->ca ? " of a CA" : "");
	line("subject", m->subject);
	line("issuer", m->issuer);
	line("serial", m->serial);
	line("number", m->number);
	line(crl ? "made" : "valid from", m->not_before);
	line(crl ? "next" : "valid until", m->not_after);
	line("key", m->key);
	line("signature", m->signature);
	list_line("identities", m->identities[0], sizeof(m->identities[0]),
	    m->n_identities);
	list_line("key usage", m->usage[0], sizeof(m->usage[0]), m->n_usage);
	list_line("extended", m->extended_usage[0],
	    sizeof(m->extended_usage[0]), m->n_extended_usage);
	print_blocks(m);
	print_extensions(m);
	line("SHA-256", m->fingerprint);
	line("key SHA-1", m->key_hash);
	if (!crl)
		return;
	snprintf(count, sizeof(count), "%llu",
	    (unsigned long long)m->revoked_count);
	line("revoked", count);
	list_line("serials", m->revoked[0], sizeof(m->revoked[0]),
	    m->n_revoked);
}

static int
print(struct show *s, const struct pki_look *m)
{
	if (s->n++ > 0 && !s->json)
		printf("\n");
	if (s->json)
		return out_json(stdout, &pki_look_type, m, s->e);
	print_text(m);
	return 0;
}

/* One DER object: what it is, only trying tells. */
static int
show_der(struct show *s, const void *der, size_t len)
{
	const unsigned char *p = der;
	struct pki_look m;
	struct cert *c;
	struct crl *l;
	X509_REQ *r;

	if ((c = cert_parse(rbuf_of(der, len), s->e)) != NULL) {
		pki_look_cert(c, &m);
		cert_free(c);
		return print(s, &m);
	}
	if ((l = crl_parse(rbuf_of(der, len), NULL)) != NULL) {
		pki_look_crl(crl_x509(l), &m);
		crl_free(l);
		return print(s, &m);
	}
	if (der_check_request(rbuf_of(der, len), NULL) < 0 ||
	    (r = d2i_X509_REQ(NULL, &p, (long)len)) == NULL) {
		ERR_clear_error();
		return -1;		/* e: why it is no certificate */
	}
	pki_look_request(r, &m);
	X509_REQ_free(r);
	return print(s, &m);
}

static int
show_pem(struct show *s, const struct secret *text)
{
	BIO *b = BIO_new_mem_buf(text->b, (int)text->len);
	char *name, *header;
	unsigned char *der;
	size_t shown = 0;
	long len;
	int rc = 0;

	while (rc == 0 && b != NULL &&
	    PEM_read_bio(b, &name, &header, &der, &len) == 1) {
		if (strstr(name, "PRIVATE KEY") == NULL) {
			rc = show_der(s, der, (size_t)len);
			shown++;
		}
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)len);
	}
	BIO_free(b);
	ERR_clear_error();
	return rc == 0 && shown == 0 ? err_set(s->e, EBADMSG, "no certificate, "
	    "request or CRL in it") : rc;
}

static int
show_file(struct show *s, const char *path)
{
	struct secret *text = pki_file_read(path, false, SHOW_MAX, s->e);
	int rc;

	if (text == NULL)
		return -1;
	rc = text->len > 0 && text->b[0] == 0x30 ?
	    show_der(s, text->b, text->len) : show_pem(s, text);
	secret_free(text);
	return rc < 0 ? err_in(s->e, "%s", path) : 0;
}

static int
on_row(void *arg, const struct pki_row *row)
{
	struct show *s = arg;

	if (rbuf_left(&row->der) == 0)
		return err_set(s->e, ENOENT, "%s was imported without its "
		    "certificate", row->name);
	return show_der(s, row->der.p, rbuf_left(&row->der)) < 0 ? -1 : 0;
}

/* Without a name: the CA itself. */
static int
show_store(struct show *s, const char *store, const char *name)
{
	struct pki_store *db = pki_store_open(cmd_store_path(store),
	    PKI_STORE_OPEN, s->e);
	struct pki_store_ca ca;
	size_t before = s->n;
	int rc = -1;

	if (db != NULL && name == NULL &&
	    pki_store_ca(db, &ca, s->e) == 0)
		rc = show_der(s, ca.cert.p, rbuf_left(&ca.cert));
	else if (db != NULL && name != NULL) {
		rc = pki_store_each(db, name, on_row, s, s->e);
		if (rc == 0 && s->n == before)
			rc = err_set(s->e, ENOENT, "%s: no such file, and no "
			    "such name or serial number in the store", name);
	}
	pki_store_close(db);
	return rc;
}

/* What both can be is in the store, if it is there. */
static int
show_one(struct show *s, const char *store, const char *what)
{
	int rc;

	if (strcmp(what, "-") == 0 || cmd_is_file(what))
		return show_file(s, what);
	rc = show_store(s, store, what);
	if (rc == 0 || s->e->code != ENOENT || access(what, F_OK) < 0)
		return rc;
	err_clear(s->e);
	return show_file(s, what);	/* a directory: it says so */
}

int
cmd_show(int argc, char **argv)
{
	const char *store = NULL;
	struct err e = { 0 };
	struct show s = { .e = &e };
	const struct opt opts[] = {
		CMD_STORE_OPT(&store), CMD_JSON_OPT(&s.json), OPT_END,
	};
	int i, status, rc = 0;

	if (opt_parse(&argc, &argv, opts, "[-j] [FILE|-|NAME|SERIAL]...", 0,
	    64, &status) < 0)
		return status;
	if (argc == 0)
		rc = show_store(&s, store, NULL);
	for (i = 0; rc == 0 && i < argc; i++)
		rc = show_one(&s, store, argv[i]);
	return rc < 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}
