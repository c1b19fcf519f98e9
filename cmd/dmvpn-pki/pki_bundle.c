#include "pki_bundle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/text.h"
#include "pki_file.h"
#include "pki_key.h"
#include "pki_name.h"

#define BUNDLE_MAX (1u << 20)

static X509 *
x509_of(const struct cert *c)
{
	return (X509 *)(uintptr_t)cert_x509(c);
}

/* Certificates of the CA that issued the leaf, of its old keys too. */
static bool
of_issuer(const struct cert *leaf, const struct cert *c)
{
	return cert_is_ca(c) && X509_NAME_cmp(
	    X509_get_subject_name(cert_x509(c)),
	    X509_get_issuer_name(cert_x509(leaf))) == 0;
}

/* No root: the CA that issued the leaf is trusted; what it did not issue the
 * leaf with is only trusted, not sent. */
static int
sort_below(struct pki_bundle *b, struct cert_set *all, struct err *e)
{
	struct cert *leaf = all->v[0];
	size_t i;

	for (i = 1; i < all->n; i++) {
		struct cert *c = all->v[i];
		bool issuer = of_issuer(leaf, c);

		if (issuer && cert_set_add(&b->anchors, c, e) < 0)
			return -1;
		if ((!issuer || X509_check_issued(x509_of(c),
		    x509_of(leaf)) == X509_V_OK) &&
		    cert_set_add(&b->chain, c, e) < 0)
			return -1;
	}
	return 0;
}

/* Leaf and intermediates stay, roots go to the anchors. */
static int
sort_certs(struct pki_bundle *b, struct cert_set *all, struct err *e)
{
	struct cert_set *to;
	bool root = false;
	size_t i;

	for (i = 1; i < all->n; i++)
		root = root || cert_self_signed(all->v[i]);
	if (cert_set_add(&b->chain, all->v[0], e) < 0)
		return -1;
	if (!root)
		return sort_below(b, all, e);
	for (i = 1; i < all->n; i++) {
		to = cert_self_signed(all->v[i]) ? &b->anchors : &b->chain;
		if (cert_set_add(to, all->v[i], e) < 0)
			return -1;
	}
	return 0;
}

int
pki_bundle_read(struct pki_bundle *b, const char *path,
    const struct secret *pass, struct err *e)
{
	struct secret *text = pki_file_read(path, true, BUNDLE_MAX, e);
	struct cert_set all = { .n = 0 };
	EVP_PKEY *k = NULL;
	int rc = -1;

	if (text == NULL)
		return -1;
	if ((k = pki_key_read((char *)text->b, text->len, pass, e)) != NULL &&
	    (b->key = pki_key_der(k, e)) != NULL &&
	    cert_set_add_pem(&all, (char *)text->b, text->len, e) == 0)
		rc = sort_certs(b, &all, e);
	if (rc < 0)
		err_in(e, "%s", path);
	EVP_PKEY_free(k);
	cert_set_fini(&all);
	secret_free(text);
	return rc;
}

int
pki_bundle_trust(struct pki_bundle *b, const char *path, struct err *e)
{
	struct secret *text = pki_file_read(path, false, BUNDLE_MAX, e);
	int rc;

	if (text == NULL)
		return -1;
	rc = cert_set_add_pem(&b->anchors, (char *)text->b, text->len, e);
	if (rc < 0)
		err_in(e, "%s", path);
	secret_free(text);
	return rc;
}

int
pki_bundle_psk(struct pki_bundle *b, const char *path, struct err *e)
{
	struct secret *text = pki_file_read(path, true, 4096, e);
	uint8_t raw[256];
	struct wbuf w = wbuf_of(raw, sizeof(raw));
	size_t len;
	int rc = 0;

	if (text == NULL)
		return -1;
	len = text->len;
	while (len > 0 && (text->b[len - 1] == '\n' ||
	    text->b[len - 1] == '\r'))
		text->b[--len] = '\0';
	if (len > 2 && memcmp(text->b, "0x", 2) == 0)
		rc = text_unhex((char *)text->b, &w, NULL);
	else
		wbuf_put(&w, text->b, len);
	if (rc < 0)
		err_set(e, EINVAL, "%s: 0x without hexadecimal after it", path);
	else if (!wbuf_ok(&w) || w.len == 0)
		rc = err_set(e, EINVAL, w.len == 0 && wbuf_ok(&w) ?
		    "%s: the PSK is empty" : "%s: a PSK of over 256 octets",
		    path);
	else if ((b->psk = secret_copy(raw, w.len)) == NULL)
		rc = err_set(e, ENOMEM, "%s", path);
	secret_wipe(raw, sizeof(raw));
	secret_free(text);
	return rc;
}

void
pki_bundle_fini(struct pki_bundle *b)
{
	secret_free(b->key);
	secret_free(b->psk);
	cert_set_fini(&b->chain);
	cert_set_fini(&b->anchors);
	memset(b, 0, sizeof(*b));
}

static int
put_set(const struct cert_set *s, struct rbuf *to, size_t max, size_t *n,
    struct err *e)
{
	size_t i;

	if (s->n > max)
		return err_set(e, E2BIG, "%zu certificates, %zu are the most",
		    s->n, max);
	for (i = 0; i < s->n; i++)
		to[i] = cert_der(s->v[i]);
	*n = s->n;
	return 0;
}

int
pki_bundle_load(const struct pki_bundle *b, const char *identity,
    struct pki_load *m, struct err *e)
{
	if (pki_name_check(identity, e) < 0)
		return -1;
	memcpy(m->identity, identity, strlen(identity) + 1);
	if (b->key != NULL)
		m->key = rbuf_of(b->key->b, b->key->len);
	if (b->psk != NULL)
		m->psk = rbuf_of(b->psk->b, b->psk->len);
	if (put_set(&b->chain, m->chain, 8, &m->n_chain, e) < 0 ||
	    put_set(&b->anchors, m->anchors, 16, &m->n_anchors, e) < 0)
		return -1;
	return 0;
}
