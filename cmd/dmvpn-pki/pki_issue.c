#include "pki_issue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/addr.h"
#include "crypto/cert.h"
#include "crypto/ident.h"
#include "pki_issue_int.h"
#include "sys/priv.h"

#define DAY		86400
#define BEFORE_PEER	300		/* seconds of grace for slow clocks */
#define BEFORE_CA	3600
#define AS_ALL		"AS:0-4294967295"

int
pki_want_san(struct pki_want *w, int type, const char *text, struct err *e)
{
	uint8_t kind = type == GEN_EMAIL ? IDENT_EMAIL : IDENT_FQDN;
	struct ident id;

	if (w->n_sans == PKI_SANS_MAX)
		return err_set(e, E2BIG, "more than %d names", PKI_SANS_MAX);
	if (ident_parse(text, &id, e) < 0)
		return -1;
	if (type == GEN_IPADD ? id.type != IDENT_IPV4 && id.type != IDENT_IPV6 :
	    id.type != kind)
		return err_set(e, EINVAL, "\"%s\" is not %s", text,
		    type == GEN_IPADD ? "an address" : type == GEN_EMAIL ?
		    "a mail address" : "a host name");
	if (strchr(text, '*') != NULL)
		return err_set(e, EINVAL, "\"%s\": a certificate names one "
		    "peer, so no wildcards", text);
	w->sans[w->n_sans].type = type;
	w->sans[w->n_sans++].text = text;
	return 0;
}

int
pki_want_address(struct pki_want *w, const char *text, struct err *e)
{
	struct prefix p;
	struct addr a;

	if (addr_parse(text, &a, e) < 0)
		return -1;
	p = prefix_host(&a);
	return blocks_add(&w->blocks, &p, e);
}

int
pki_want_subnet(struct pki_want *w, const char *text, struct err *e)
{
	struct prefix p;

	if (prefix_parse(text, &p, e) < 0)
		return -1;
	return blocks_add(&w->blocks, &p, e);
}

int
pki_serial_make(uint8_t serial[PKI_SERIAL_LEN], struct err *e)
{
	if (random_bytes(serial, PKI_SERIAL_LEN, e) < 0)
		return -1;
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	return 0;
}

int
pki_want_days(struct pki_want *w, int64_t now, uint64_t days, struct err *e)
{
	if (now < PKI_TIME_MIN)
		return err_set(e, EINVAL, "the clock is wrong: it is before "
		    "2026");
	w->from = now - (w->profile == NULL ? BEFORE_CA : BEFORE_PEER);
	w->to = now + (int64_t)days * DAY;
	if (w->to > PKI_TIME_MAX)
		return err_set(e, ERANGE, "valid beyond the year 9999");
	return 0;
}

/* ------------------------------------------------------------- extensions */

static int
add_conf(X509 *x, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	int ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

X509_EXTENSION *
pki_issue_blocks(const struct blocks *b, bool critical, struct err *e)
{
	unsigned char *der;
	ASN1_OCTET_STRING *o = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext = NULL;
	size_t len;

	if (blocks_der(b, &der, &len, e) < 0) {
		ASN1_OCTET_STRING_free(o);
		return NULL;
	}
	if (o != NULL && ASN1_OCTET_STRING_set(o, der, (int)len) == 1)
		ext = X509_EXTENSION_create_by_NID(NULL, NID_sbgp_ipAddrBlock,
		    critical, o);
	ASN1_OCTET_STRING_free(o);
	blocks_free_der(der);
	return ext;
}

static int
add_blocks(X509 *x, const struct blocks *b, bool critical, struct err *e)
{
	X509_EXTENSION *ext = pki_issue_blocks(b, critical, e);
	int ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

/* RFC 3779, 3 */
static int
add_as(X509 *x, X509V3_CTX *ctx, uint32_t as)
{
	char text[sizeof("AS:4294967295")];

	snprintf(text, sizeof(text), "AS:%u", as);
	return add_conf(x, ctx, NID_sbgp_autonomousSysNum, text);
}

uint32_t
pki_as_of(const X509 *x)
{
	ASIdentifiers *all = X509_get_ext_d2i(x, NID_sbgp_autonomousSysNum,
	    NULL, NULL);
	const ASIdOrRange *one;
	uint64_t as = 0;

	if (all != NULL && all->asnum != NULL &&
	    all->asnum->type == ASIdentifierChoice_asIdsOrRanges &&
	    sk_ASIdOrRange_num(all->asnum->u.asIdsOrRanges) == 1) {
		one = sk_ASIdOrRange_value(all->asnum->u.asIdsOrRanges, 0);
		if (one->type != ASIdOrRange_id ||
		    ASN1_INTEGER_get_uint64(&as, one->u.id) != 1 ||
		    as > UINT32_MAX)
			as = 0;
	}
	ASIdentifiers_free(all);
	return (uint32_t)as;
}

GENERAL_NAME *
pki_issue_name(int type, const char *text)
{
	GENERAL_NAME *g = NULL;
	ASN1_IA5STRING *s;

	if (type == GEN_IPADD)
		return a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_IPADD, text, 0);
	if ((s = ASN1_IA5STRING_new()) == NULL)
		return NULL;
	if (ASN1_STRING_set(s, text, -1) == 1 &&
	    (g = GENERAL_NAME_new()) != NULL)
		GENERAL_NAME_set0_value(g, type, s);
	else
		ASN1_IA5STRING_free(s);
	return g;
}

GENERAL_NAMES *
pki_want_names(const struct pki_want *w)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	int ok = names != NULL;
	size_t i;

	for (i = 0; ok && i < w->n_sans; i++) {
		GENERAL_NAME *g = pki_issue_name(w->sans[i].type,
		    w->sans[i].text);

		ok = g != NULL && sk_GENERAL_NAME_push(names, g) > 0;
		if (!ok)
			GENERAL_NAME_free(g);
	}
	if (!ok) {
		GENERAL_NAMES_free(names);
		names = NULL;
	}
	return names;
}

static int
add_sans(X509 *x, const struct pki_want *w)
{
	GENERAL_NAMES *names = pki_want_names(w);
	int ok = names != NULL && X509_add1_ext_i2d(x, NID_subject_alt_name,
	    names, 0, X509V3_ADD_DEFAULT) == 1;

	GENERAL_NAMES_free(names);
	return ok;
}

DIST_POINT_NAME *
pki_issue_point(const char *url)
{
	DIST_POINT_NAME *n = DIST_POINT_NAME_new();
	GENERAL_NAME *g = pki_issue_name(GEN_URI, url);

	if (n != NULL) {
		n->type = 0;			/* fullName */
		n->name.fullname = GENERAL_NAMES_new();
	}
	if (n != NULL && g != NULL && n->name.fullname != NULL &&
	    sk_GENERAL_NAME_push(n->name.fullname, g) > 0)
		return n;
	GENERAL_NAME_free(g);
	DIST_POINT_NAME_free(n);
	return NULL;
}

/* RFC 5280, 4.2.1.13 */
static int
add_crl_point(X509 *x, const char *url)
{
	CRL_DIST_POINTS *all = CRL_DIST_POINTS_new();
	DIST_POINT *p = DIST_POINT_new();
	int ok = all != NULL && p != NULL &&
	    (p->distpoint = pki_issue_point(url)) != NULL &&
	    sk_DIST_POINT_push(all, p) > 0;

	if (!ok)
		DIST_POINT_free(p);
	ok = ok && X509_add1_ext_i2d(x, NID_crl_distribution_points, all, 0,
	    X509V3_ADD_DEFAULT) == 1;
	CRL_DIST_POINTS_free(all);
	return ok;
}

/* RFC 5280, 4.2.2.1 */
static int
add_ocsp(X509 *x, const char *url)
{
	AUTHORITY_INFO_ACCESS *all = AUTHORITY_INFO_ACCESS_new();
	ACCESS_DESCRIPTION *one = ACCESS_DESCRIPTION_new();
	GENERAL_NAME *g = pki_issue_name(GEN_URI, url);
	int ok = all != NULL && one != NULL && g != NULL;

	if (ok) {
		GENERAL_NAME_free(one->location);
		one->location = g;
		ASN1_OBJECT_free(one->method);
		one->method = OBJ_nid2obj(NID_ad_OCSP);
		ok = sk_ACCESS_DESCRIPTION_push(all, one) > 0;
	} else
		GENERAL_NAME_free(g);
	if (!ok)
		ACCESS_DESCRIPTION_free(one);
	ok = ok && X509_add1_ext_i2d(x, NID_info_access, all, 0,
	    X509V3_ADD_DEFAULT) == 1;
	AUTHORITY_INFO_ACCESS_free(all);
	return ok;
}

/* ---------------------------------------------------------------- to make */

const EVP_MD *
pki_issue_md(const EVP_PKEY *k)
{
	switch (cert_pkey_kind(k)) {
	case CERT_KEY_P384:
		return EVP_sha384();
	case CERT_KEY_P521:
		return EVP_sha512();
	case CERT_KEY_ED25519:
		return NULL;
	case CERT_KEY_OTHER:
	case CERT_KEY_RSA:
	case CERT_KEY_P256:
		break;
	}
	return EVP_sha256();
}

static int
set_time(ASN1_TIME *to, int64_t t)
{
	return ASN1_TIME_adj(to, 0, (int)(t / DAY), (long)(t % DAY)) != NULL;
}

int
pki_issue_subject(X509_NAME *n, const struct pki_want *w)
{
	/* O before CN: most significant first (X.501). */
	return (w->organisation == NULL || X509_NAME_add_entry_by_NID(n,
	    NID_organizationName, MBSTRING_UTF8,
	    (const unsigned char *)w->organisation, -1, -1, 0) == 1) &&
	    X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)w->name, -1, -1, 0) == 1;
}

X509 *
pki_issue_begin(const struct pki_want *w, EVP_PKEY *key)
{
	X509 *x = X509_new();
	BIGNUM *bn = BN_bin2bn(w->serial, PKI_SERIAL_LEN, NULL);
	int ok = x != NULL && bn != NULL &&
	    X509_set_version(x, X509_VERSION_3) == 1 &&
	    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL &&
	    set_time(X509_getm_notBefore(x), w->from) &&
	    set_time(X509_getm_notAfter(x), w->to) &&
	    pki_issue_subject(X509_get_subject_name(x), w) &&
	    X509_set_pubkey(x, key) == 1;

	BN_free(bn);
	if (!ok) {
		X509_free(x);
		x = NULL;
	}
	return x;
}

X509 *
pki_issue_done(X509 *x, int ok, struct err *e)
{
	if (!ok) {
		X509_free(x);
		x = NULL;
		if (e != NULL && e->code == 0)
			err_set(e, EIO, "OpenSSL makes no certificate: %s",
			    ERR_reason_error_string(ERR_peek_last_error()));
	}
	ERR_clear_error();
	return x;
}

X509 *
pki_issue_ca(const struct pki_want *w, EVP_PKEY *key, struct err *e)
{
	X509 *x = pki_issue_begin(w, key);
	X509V3_CTX ctx;
	int ok = x != NULL;

	err_clear(e);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	ok = ok && X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
	    add_conf(x, &ctx, NID_basic_constraints,
	    "critical,CA:TRUE,pathlen:0") &&
	    add_conf(x, &ctx, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	    add_conf(x, &ctx, NID_subject_key_identifier, "hash") &&
	    add_blocks(x, &w->blocks, false, e) &&
	    add_conf(x, &ctx, NID_sbgp_autonomousSysNum, AS_ALL) &&
	    X509_sign(x, key, pki_issue_md(key)) > 0;
	return pki_issue_done(x, ok, e);
}

static int
check_end(const struct pki_want *w, int64_t end, struct err *e)
{
	int64_t over = (w->to - end + DAY - 1) / DAY;
	int64_t most = (w->to - w->from) / DAY - over;

	if (end <= w->from + BEFORE_PEER)
		return err_set(e, ERANGE, "the CA's certificate has ended: "
		    "dmvpn-pki rollover");
	return err_set(e, ERANGE, "it would outlive its CA by %lld day%s: "
	    "%lld are the most", (long long)over, over == 1 ? "" : "s",
	    (long long)most);
}

/* What the verdict would refuse later is refused now. */
int
pki_issue_check(X509 *ca, const struct pki_want *w, struct err *e)
{
	struct cert *c = cert_of_x509(ca, e);
	struct blocks have;
	struct addr_buf ab;
	int64_t end;
	size_t i;
	int rc;

	if (c == NULL)
		return -1;
	end = cert_not_after(c);
	rc = blocks_of(c, &have, e);
	cert_free(c);
	if (rc < 0)
		return -1;
	if (w->to > end)
		return check_end(w, end, e);
	for (i = 0; i < w->blocks.n; i++)
		if (!blocks_covers(&have, &w->blocks.v[i]))
			return err_set(e, EPERM, "%s is not within the "
			    "address blocks of the CA%s",
			    prefix_text(&w->blocks.v[i], &ab), have.present ?
			    "" : ", whose certificate has none");
	if (w->as != 0 && X509_get_ext_by_NID(ca,
	    NID_sbgp_autonomousSysNum, -1) < 0)
		return err_set(e, EPERM, "AS %u: the CA has no AS numbers, it "
		    "was made without", w->as);
	if (w->profile->need_blocks && !w->blocks.present)
		return err_set(e, EINVAL, "profile %s wants --tunnel-address "
		    "or --subnet", w->profile->name);
	return 0;
}

/* Who answers OCSP for the CA is not asked about itself (RFC 6960,
 * 4.2.2.2.1). */
static int
add_no_check(X509 *x, X509V3_CTX *ctx, const struct pki_profile *p)
{
	return p->extended == NULL ||
	    strcmp(p->extended, PKI_OCSP_USAGE) != 0 ||
	    add_conf(x, ctx, NID_id_pkix_OCSP_noCheck, "ignored");
}

X509 *
pki_issue_peer(const struct pki_ca *ca, const struct pki_want *w,
    EVP_PKEY *key, struct err *e)
{
	const struct pki_profile *p = w->profile;
	X509V3_CTX ctx;
	X509 *x;
	int ok;

	err_clear(e);
	if (pki_issue_check(ca->cert, w, e) < 0)
		return NULL;
	ok = (x = pki_issue_begin(w, key)) != NULL;
	X509V3_set_ctx(&ctx, ca->cert, x, NULL, NULL, 0);
	ok = ok && X509_set_issuer_name(x,
	    X509_get_subject_name(ca->cert)) == 1 &&
	    add_conf(x, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
	    add_conf(x, &ctx, NID_key_usage, p->key_usage) &&
	    (p->extended == NULL ||
	    add_conf(x, &ctx, NID_ext_key_usage, p->extended)) &&
	    add_no_check(x, &ctx, p) &&
	    add_conf(x, &ctx, NID_subject_key_identifier, "hash") &&
	    add_conf(x, &ctx, NID_authority_key_identifier, "keyid:always") &&
	    (w->n_sans == 0 || add_sans(x, w)) &&
	    (w->crl_url == NULL || add_crl_point(x, w->crl_url)) &&
	    (w->ocsp_url == NULL || add_ocsp(x, w->ocsp_url)) &&
	    (!w->blocks.present ||
	    add_blocks(x, &w->blocks, p->critical_blocks, e)) &&
	    (w->as == 0 || add_as(x, &ctx, w->as)) &&
	    X509_sign(x, ca->key, pki_issue_md(ca->key)) > 0;
	return pki_issue_done(x, ok, e);
}
