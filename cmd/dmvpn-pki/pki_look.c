#include "pki_look.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/date.h"
#include "base/text.h"
#include "crypto/blocks.h"
#include "pki_key.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

void
pki_look_time(int64_t t, char out[32])
{
	struct tm tm;

	if (t == INT64_MAX || !date_split(t, &tm) ||
	    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, 32, "never");
}

static void
asn1_time(const ASN1_TIME *t, char out[32])
{
	struct tm tm;

	if (t != NULL && ASN1_TIME_to_tm(t, &tm) == 1)
		pki_look_time(date_seconds(&tm), out);
}

static void
name_text_of(const X509_NAME *n, char *out, size_t len)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long k;

	if (b != NULL && X509_NAME_print_ex(b, n, 0, XN_FLAG_RFC2253) >= 0) {
		k = BIO_get_mem_data(b, &p);
		snprintf(out, len, "%.*s", (int)k, p);
	}
	BIO_free(b);
}

static void
serial_text(const ASN1_INTEGER *s, char *out, size_t len)
{
	if (s != NULL)
		text_hex(ASN1_STRING_get0_data(s),
		    (size_t)ASN1_STRING_length(s), out, len);
}

static int
add_ident(void *arg, const struct ident *id)
{
	struct pki_look *out = arg;

	if (out->n_identities == N(out->identities))
		return 1;
	ident_text(id, out->identities[out->n_identities++],
	    sizeof(out->identities[0]));
	return 0;
}

/* RFC 5280, 4.2.1.3; from its bit 0 on */
static void
look_usage(const ASN1_BIT_STRING *bits, struct pki_look *out)
{
	static const char *const names[] = { "digitalSignature",
		"nonRepudiation", "keyEncipherment", "dataEncipherment",
		"keyAgreement", "keyCertSign", "cRLSign", "encipherOnly",
		"decipherOnly" };
	size_t i;

	for (i = 0; bits != NULL && i < N(names); i++)
		if (ASN1_BIT_STRING_get_bit(bits, (int)i))
			snprintf(out->usage[out->n_usage++],
			    sizeof(out->usage[0]), "%s", names[i]);
}

/* Names that OpenSSL lacks or has only in its own words. */
static void
usage_name(const ASN1_OBJECT *o, char *out, size_t len)
{
	static const char *const known[][2] = {
		{ "1.3.6.1.5.5.8.2.2", "iKEIntermediate" },
		{ "1.3.6.1.5.5.7.3.17", "ipsecIKE" },
	};
	char oid[80] = "";
	int nid = OBJ_obj2nid(o);
	size_t i;

	(void)OBJ_obj2txt(oid, sizeof(oid), o, 1);
	for (i = 0; i < N(known); i++)
		if (strcmp(known[i][0], oid) == 0) {
			snprintf(out, len, "%s", known[i][1]);
			return;
		}
	snprintf(out, len, "%s", nid == NID_undef ? oid : OBJ_nid2sn(nid));
}

static void
look_extended(EXTENDED_KEY_USAGE *eku, struct pki_look *out)
{
	int i;

	for (i = 0; i < sk_ASN1_OBJECT_num(eku) &&
	    out->n_extended_usage < N(out->extended_usage); i++)
		usage_name(sk_ASN1_OBJECT_value(eku, i),
		    out->extended_usage[out->n_extended_usage++],
		    sizeof(out->extended_usage[0]));
}

/* Lines and indents become single blanks; the new length. */
static long
one_line(char *p, long n)
{
	long i, k = 0;

	for (i = 0; i < n; i++) {
		char c = p[i] == '\n' ? ' ' : p[i];

		if (c != ' ' || (k > 0 && p[k - 1] != ' '))
			p[k++] = c;
	}
	return k;
}

static void
extension_text(X509_EXTENSION *ext, char *out, size_t len)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long k;

	if (b != NULL && X509V3_EXT_print(b, ext, X509V3_EXT_DUMP_UNKNOWN,
	    0) == 1) {
		k = BIO_get_mem_data(b, &p);
		while (k > 0 && (p[k - 1] == '\n' || p[k - 1] == ' '))
			k--;
		text_escape(p, (size_t)one_line(p, k), out, len);
	}
	BIO_free(b);
}

static void
add_extension(X509_EXTENSION *ext, struct pki_look *out)
{
	struct pki_extension *to = &out->extensions[out->n_extensions];
	ASN1_OBJECT *o = X509_EXTENSION_get_object(ext);
	int nid = OBJ_obj2nid(o);

	if (out->n_extensions == N(out->extensions))
		return;
	out->n_extensions++;
	if (nid == NID_undef)
		(void)OBJ_obj2txt(to->name, sizeof(to->name), o, 1);
	else
		snprintf(to->name, sizeof(to->name), "%s", OBJ_nid2sn(nid));
	to->critical = X509_EXTENSION_get_critical(ext) == 1;
	extension_text(ext, to->text, sizeof(to->text));
}

/* Those that have members of their own are told there. */
static void
look_extensions(const STACK_OF(X509_EXTENSION) *all, struct pki_look *out)
{
	int i;

	for (i = 0; i < sk_X509_EXTENSION_num(all); i++) {
		X509_EXTENSION *ext = sk_X509_EXTENSION_value(all, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));

		if (nid == NID_subject_alt_name || nid == NID_key_usage ||
		    nid == NID_ext_key_usage || nid == NID_sbgp_ipAddrBlock ||
		    nid == NID_basic_constraints)
			continue;
		add_extension(ext, out);
	}
}

static void
look_blocks(const struct cert *c, struct pki_look *out)
{
	struct blocks b;
	size_t i;

	if (blocks_of(c, &b, NULL) < 0)
		return;
	for (i = 0; i < b.n && i < N(out->blocks); i++)
		out->blocks[out->n_blocks++] = b.v[i];
}

void
pki_look_cert(const struct cert *c, struct pki_look *out)
{
	X509 *x = (X509 *)(uintptr_t)cert_x509(c);
	ASN1_BIT_STRING *usage = X509_get_ext_d2i(x, NID_key_usage, NULL,
	    NULL);
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(x, NID_ext_key_usage, NULL,
	    NULL);
	EVP_PKEY *k = X509_get0_pubkey(x);
	uint8_t hash[32];

	memset(out, 0, sizeof(*out));
	snprintf(out->kind, sizeof(out->kind), "certificate");
	name_text_of(X509_get_subject_name(x), out->subject,
	    sizeof(out->subject));
	name_text_of(X509_get_issuer_name(x), out->issuer,
	    sizeof(out->issuer));
	cert_serial(c, out->serial, sizeof(out->serial));
	pki_look_time(cert_not_before(c), out->not_before);
	pki_look_time(cert_not_after(c), out->not_after);
	if (k != NULL)
		pki_key_text(k, out->key, sizeof(out->key));
	snprintf(out->signature, sizeof(out->signature), "%s",
	    OBJ_nid2ln(X509_get_signature_nid(x)));
	out->ca = cert_is_ca(c);
	(void)cert_each_ident(c, add_ident, out);
	look_usage(usage, out);
	look_extended(eku, out);
	look_blocks(c, out);
	look_extensions(X509_get0_extensions(x), out);
	cert_fingerprint(c, hash);
	text_hex(hash, 32, out->fingerprint, sizeof(out->fingerprint));
	cert_key_hash(c, hash);
	text_hex(hash, 20, out->key_hash, sizeof(out->key_hash));
	ASN1_BIT_STRING_free(usage);
	EXTENDED_KEY_USAGE_free(eku);
	ERR_clear_error();
}

void
pki_look_request(X509_REQ *r, struct pki_look *out)
{
	STACK_OF(X509_EXTENSION) *all = X509_REQ_get_extensions(r);
	EVP_PKEY *k = X509_REQ_get0_pubkey(r);
	int i;

	memset(out, 0, sizeof(*out));
	snprintf(out->kind, sizeof(out->kind), "request");
	name_text_of(X509_REQ_get_subject_name(r), out->subject,
	    sizeof(out->subject));
	if (k != NULL)
		pki_key_text(k, out->key, sizeof(out->key));
	snprintf(out->signature, sizeof(out->signature), "%s (%s)",
	    OBJ_nid2ln(X509_REQ_get_signature_nid(r)),
	    k != NULL && X509_REQ_verify(r, k) == 1 ? "verifies" :
	    "does NOT verify");
	for (i = 0; i < sk_X509_EXTENSION_num(all); i++)
		add_extension(sk_X509_EXTENSION_value(all, i), out);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
	ERR_clear_error();
}

void
pki_look_crl(const X509_CRL *crl, struct pki_look *out)
{
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED((X509_CRL *)
	    (uintptr_t)crl);
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL,
	    NULL);
	int i, n = sk_X509_REVOKED_num(all);

	memset(out, 0, sizeof(*out));
	snprintf(out->kind, sizeof(out->kind), "crl");
	name_text_of(X509_CRL_get_issuer(crl), out->issuer,
	    sizeof(out->issuer));
	asn1_time(X509_CRL_get0_lastUpdate(crl), out->not_before);
	asn1_time(X509_CRL_get0_nextUpdate(crl), out->not_after);
	snprintf(out->signature, sizeof(out->signature), "%s",
	    OBJ_nid2ln(X509_CRL_get_signature_nid(crl)));
	serial_text(number, out->number, sizeof(out->number));
	out->revoked_count = n > 0 ? (uint64_t)n : 0;
	for (i = 0; i < n && out->n_revoked < N(out->revoked); i++)
		serial_text(X509_REVOKED_get0_serialNumber(
		    sk_X509_REVOKED_value(all, i)),
		    out->revoked[out->n_revoked++], sizeof(out->revoked[0]));
	ASN1_INTEGER_free(number);
	ERR_clear_error();
}
