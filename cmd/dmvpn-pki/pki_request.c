/* Certificate requests; the interface is in pki_issue.h. */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "crypto/cert.h"
#include "crypto/der.h"
#include "pki_issue.h"

#define REQUEST_MAX 16384

static int
check_key(EVP_PKEY *k, struct err *e)
{
	enum cert_key kind = k == NULL ? CERT_KEY_OTHER : cert_pkey_kind(k);

	if (kind == CERT_KEY_OTHER)
		return err_set(e, ENOTSUP, "request: its key is none of RSA, "
		    "P-256, P-384, P-521, Ed25519");
	if (kind == CERT_KEY_RSA && EVP_PKEY_get_bits(k) < RSA_BITS_MIN)
		return err_set(e, EACCES, "request: RSA key of %d bits, %d are "
		    "the least", EVP_PKEY_get_bits(k), RSA_BITS_MIN);
	return 0;
}

static bool
is_wanted(const struct pki_want *w, int type, const ASN1_STRING *s)
{
	size_t i, len = (size_t)ASN1_STRING_length(s);

	for (i = 0; i < w->n_sans; i++)
		if (w->sans[i].type == type &&
		    strlen(w->sans[i].text) == len &&
		    memcmp(w->sans[i].text, ASN1_STRING_get0_data(s),
		    len) == 0)
			return true;
	return false;
}

static bool
is_wanted_address(const struct pki_want *w, const ASN1_STRING *s)
{
	struct addr a = addr_of(ASN1_STRING_get0_data(s),
	    (size_t)ASN1_STRING_length(s)), one;
	size_t i;

	for (i = 0; i < w->n_sans; i++)
		if (w->sans[i].type == GEN_IPADD && a.len > 0 &&
		    addr_parse(w->sans[i].text, &one, NULL) == 0 &&
		    addr_equal(&a, &one))
			return true;
	return false;
}

/* Names come from the command line: a request may only repeat them. */
static int
check_names(X509_EXTENSION *ext, const struct pki_want *w, struct err *e)
{
	GENERAL_NAMES *names = X509V3_EXT_d2i(ext);
	int i, rc = names == NULL ? -1 : 0;

	for (i = 0; rc == 0 && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);

		if (g->type == GEN_IPADD ? !is_wanted_address(w,
		    g->d.iPAddress) : (g->type != GEN_DNS &&
		    g->type != GEN_EMAIL) || !is_wanted(w, g->type, g->d.ia5))
			rc = -1;
	}
	GENERAL_NAMES_free(names);
	return rc == 0 ? 0 : err_set(e, EPERM, "request: it asks for names "
	    "that were not given with --dns, --ip or --email");
}

static int
check_extension(X509_EXTENSION *ext, const struct pki_want *w, struct err *e)
{
	int nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));
	BASIC_CONSTRAINTS *bc;
	bool ca;

	switch (nid) {
	case NID_subject_alt_name:
		return check_names(ext, w, e);
	case NID_basic_constraints:
		bc = X509V3_EXT_d2i(ext);
		ca = bc == NULL || bc->ca;
		BASIC_CONSTRAINTS_free(bc);
		return ca ? err_set(e, EPERM, "request: it asks to be a CA") :
		    0;
	case NID_key_usage:
	case NID_ext_key_usage:
	case NID_subject_key_identifier:
		return 0;		/* the profile decides */
	default:
		if (!X509_EXTENSION_get_critical(ext))
			return 0;
		return err_set(e, EPERM, "request: critical extension %s",
		    nid == NID_undef ? "that is unknown" : OBJ_nid2sn(nid));
	}
}

static int
check_extensions(X509_REQ *r, const struct pki_want *w, struct err *e)
{
	STACK_OF(X509_EXTENSION) *all = X509_REQ_get_extensions(r);
	int i, rc = 0;

	for (i = 0; rc == 0 && i < sk_X509_EXTENSION_num(all); i++)
		rc = check_extension(sk_X509_EXTENSION_value(all, i), w, e);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	return rc;
}

EVP_PKEY *
pki_issue_request(const void *der, size_t len, const struct pki_want *w,
    struct err *e)
{
	const unsigned char *p = der;
	X509_REQ *r = NULL;
	EVP_PKEY *k = NULL;
	int rc = -1;

	if (len > REQUEST_MAX)
		return err_null(err_set(e, EFBIG, "request of %zu octets, %d "
		    "are the most", len, REQUEST_MAX));
	if (der_check_request(rbuf_of(der, len), e) < 0)
		return err_null(err_in(e, "request"));
	r = d2i_X509_REQ(NULL, &p, (long)len);
	if (r == NULL || p != (const unsigned char *)der + len)
		err_set(e, EBADMSG, "request: not PKCS#10");
	else if (check_key(k = X509_REQ_get_pubkey(r), e) < 0)
		rc = -1;
	else if (X509_REQ_verify(r, k) != 1)
		err_set(e, EPERM, "request: its signature does not verify");
	else
		rc = check_extensions(r, w, e);
	X509_REQ_free(r);
	ERR_clear_error();
	if (rc < 0) {
		EVP_PKEY_free(k);
		k = NULL;
	}
	return k;
}
