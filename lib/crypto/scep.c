#include "crypto/scep.h"

#include <errno.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "base/num.h"
#include "base/text.h"
#include "crypto/scep_int.h"

const struct name scep_type_names[] = { SCEP_TYPES(NAME_ROW) NAME_END };
const struct name scep_status_names[] = { SCEP_STATUSES(NAME_ROW) NAME_END };
const struct name scep_fail_names[] = { SCEP_FAILS(NAME_ROW) NAME_END };

/* RFC 8894, 3.2.1; the arc is VeriSign's. */
#define OID(n)		"2.16.840.1.113733.1.9." #n
#define OID_TYPE	OID(2)
#define OID_STATUS	OID(3)
#define OID_FAIL	OID(4)
#define OID_SENDER	OID(5)
#define OID_RECIPIENT	OID(6)
#define OID_ID		OID(7)
#define OID_TEXT	"1.3.6.1.5.5.7.24.1"	/* RFC 8894, 3.2.1.4 */

static int
broken(struct err *e, const char *what)
{
	ERR_clear_error();
	return err_set(e, EBADMSG, "SCEP message: %s", what);
}

/* ---------------------------------------------------------------- to make */

static int
put_attr(CMS_SignerInfo *si, const char *oid, int type, const void *octets,
    size_t len)
{
	ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	int ok = o != NULL && CMS_signed_add1_attr_by_OBJ(si, o, type, octets,
	    (int)len) == 1;

	ASN1_OBJECT_free(o);
	return ok;
}

static int
put_number(CMS_SignerInfo *si, const char *oid, uint32_t n)
{
	char text[12];

	snprintf(text, sizeof(text), "%u", n);
	return put_attr(si, oid, V_ASN1_PRINTABLESTRING, text, strlen(text));
}

static int
put_attrs(CMS_SignerInfo *si, const struct scep_attrs *a)
{
	bool reply = a->type == SCEP_CERT_REP;
	bool failed = reply && a->status == SCEP_FAILURE;

	return put_number(si, OID_TYPE, a->type) &&
	    put_attr(si, OID_ID, V_ASN1_PRINTABLESTRING, a->id,
	    strlen(a->id)) &&
	    put_attr(si, OID_SENDER, V_ASN1_OCTET_STRING, a->sender,
	    a->sender_len) &&
	    (!reply || put_attr(si, OID_RECIPIENT, V_ASN1_OCTET_STRING,
	    a->recipient, a->recipient_len)) &&
	    (!reply || put_number(si, OID_STATUS, a->status)) &&
	    (!failed || put_number(si, OID_FAIL, a->fail)) &&
	    (!failed || a->text[0] == '\0' || put_attr(si, OID_TEXT,
	    V_ASN1_UTF8STRING, a->text, strlen(a->text)));
}

static struct secret *
envelop(const struct scep_make *m)
{
	STACK_OF(X509) *to = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(m->content.p, (int)rbuf_left(&m->content));
	CMS_ContentInfo *cms = NULL;
	struct secret *out = NULL;

	if (to != NULL && in != NULL &&
	    sk_X509_push(to, (X509 *)(uintptr_t)m->to) > 0)
		cms = CMS_encrypt(to, in, m->algs.des3 ?
		    EVP_des_ede3_cbc() : EVP_aes_128_cbc(), CMS_BINARY);
	if (cms != NULL)
		out = scep_cms_der(cms);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	sk_X509_free(to);
	return out;
}

static const EVP_MD *
hash_of(struct scep_algs a)
{
	return a.sha512 ? EVP_sha512() : a.sha1 ? EVP_sha1() : EVP_sha256();
}

/* SignedData over this, which may be nothing at all; attrs may be NULL. */
static struct secret *
sign(const struct scep_make *m, struct rbuf content)
{
	size_t len = rbuf_left(&content);
	unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP |
	    (len == 0 ? CMS_DETACHED : 0);
	BIO *in = BIO_new_mem_buf(len == 0 ? (const void *)"" : content.p,
	    (int)len);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, in, flags);
	CMS_SignerInfo *si = NULL;
	struct secret *out = NULL;

	if (cms != NULL)
		si = CMS_add1_signer(cms, (X509 *)(uintptr_t)m->signer, m->key,
		    hash_of(m->algs), flags);
	if (si != NULL && (m->attrs == NULL || put_attrs(si, m->attrs)) &&
	    CMS_final(cms, in, NULL, flags) == 1)
		out = scep_cms_der(cms);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	return out;
}

static struct secret *
signed_or(struct secret *out, struct err *e)
{
	if (out == NULL)
		err_set(e, EIO, "SCEP: signing failed: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
	ERR_clear_error();
	return out;
}

struct secret *
scep_signed_make(struct rbuf content, const X509 *signer, EVP_PKEY *key,
    struct scep_algs algs, struct err *e)
{
	struct scep_make m = { .signer = signer, .key = key, .algs = algs };

	return signed_or(sign(&m, content), e);
}

struct secret *
scep_make(const struct scep_make *m, struct err *e)
{
	struct secret *envelope = NULL, *out;

	if (rbuf_left(&m->content) > 0 && (envelope = envelop(m)) == NULL) {
		ERR_clear_error();
		return err_null(err_set(e, EIO, "SCEP: encryption failed; is "
		    "the recipient's key RSA?"));
	}
	out = sign(m, envelope == NULL ? rbuf_of(NULL, 0) :
	    rbuf_of(envelope->b, envelope->len));
	secret_free(envelope);
	return signed_or(out, e);
}

/* ---------------------------------------------------------------- to open */

/* The one value of an attribute, of one of these types; NULL: it is absent or
 * otherwise. */
static const ASN1_STRING *
get_attr(CMS_SignerInfo *si, const char *oid, const int *types)
{
	ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	const ASN1_STRING *s = NULL;

	for (; o != NULL && s == NULL && *types != 0; types++)
		s = CMS_signed_get0_data_by_OBJ(si, o, -3, *types);
	ASN1_OBJECT_free(o);
	return s;
}

static int
get_text(CMS_SignerInfo *si, const char *oid, char *out, size_t out_len)
{
	static const int types[] = { V_ASN1_PRINTABLESTRING,
	    V_ASN1_UTF8STRING, V_ASN1_IA5STRING, 0 };
	const ASN1_STRING *s = get_attr(si, oid, types);
	struct rbuf r;
	size_t i, len;

	out[0] = '\0';
	if (s == NULL)
		return 0;
	r = rbuf_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
	len = rbuf_left(&r);
	if (len == 0 || len >= out_len)
		return -1;
	rbuf_copy(&r, out, len);
	out[len] = '\0';
	for (i = 0; i < len; i++)
		if (out[i] < ' ' || out[i] > '~')
			return -1;
	return 1;
}

/* Text of a person's language: what is not ASCII is escaped. */
static void
get_words(CMS_SignerInfo *si, char *out, size_t out_len)
{
	static const int types[] = { V_ASN1_UTF8STRING,
	    V_ASN1_PRINTABLESTRING, 0 };
	const ASN1_STRING *s = get_attr(si, OID_TEXT, types);

	if (s != NULL)
		text_escape(ASN1_STRING_get0_data(s),
		    (size_t)ASN1_STRING_length(s), out, out_len);
}

/* 1: there, 0: absent, -1: it is no number. */
static int
get_number(CMS_SignerInfo *si, const char *oid, uint32_t *n)
{
	char text[12];
	uint64_t v;
	int rc = get_text(si, oid, text, sizeof(text));

	if (rc == 1 && num_parse(text, 0, UINT32_MAX, &v, NULL) < 0)
		rc = -1;
	if (rc == 1)
		*n = (uint32_t)v;
	return rc;
}

static int
get_nonce(CMS_SignerInfo *si, const char *oid, uint8_t *to, size_t *len)
{
	static const int types[] = { V_ASN1_OCTET_STRING, 0 };
	const ASN1_STRING *s = get_attr(si, oid, types);
	struct rbuf r;

	*len = 0;
	if (s == NULL)
		return 0;
	r = rbuf_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
	if (rbuf_left(&r) == 0 || rbuf_left(&r) > SCEP_NONCE_MAX)
		return -1;
	*len = rbuf_left(&r);
	rbuf_copy(&r, to, *len);
	return 1;
}

static int
get_attrs(CMS_SignerInfo *si, struct scep_attrs *a, struct err *e)
{
	if (get_number(si, OID_TYPE, &a->type) != 1)
		return broken(e, "it has no messageType");
	if (get_text(si, OID_ID, a->id, sizeof(a->id)) != 1)
		return broken(e, "it has no transactionID that we take");
	if (get_nonce(si, OID_SENDER, a->sender, &a->sender_len) < 0 ||
	    get_nonce(si, OID_RECIPIENT, a->recipient,
	    &a->recipient_len) < 0)
		return broken(e, "a nonce of no sensible length");
	get_words(si, a->text, sizeof(a->text));
	if (a->type != SCEP_CERT_REP)
		return a->sender_len > 0 ? 0 :
		    broken(e, "it has no senderNonce");
	if (get_number(si, OID_STATUS, &a->status) != 1)
		return broken(e, "it has no pkiStatus");
	a->fail = UINT32_MAX;
	return get_number(si, OID_FAIL, &a->fail) < 0 ?
	    broken(e, "a failInfo that is none") : 0;
}

static int
hash_nid(CMS_SignerInfo *si)
{
	X509_ALGOR *digest = NULL;

	CMS_SignerInfo_get0_algs(si, NULL, NULL, &digest, NULL);
	return digest == NULL ? NID_undef : OBJ_obj2nid(digest->algorithm);
}

static int
check_hash(CMS_SignerInfo *si, struct scep_algs algs, struct err *e)
{
	int nid = hash_nid(si);

	if (nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512 ||
	    (algs.legacy && nid == NID_sha1))
		return 0;
	ERR_clear_error();
	return err_set(e, ENOTSUP, "SCEP message: signed with hash %s, which "
	    "%s", nid == NID_undef ? "that is unknown" : OBJ_nid2sn(nid),
	    nid == NID_sha1 ? "is weak: --legacy allows it" :
	    "we do not take");
}

static STACK_OF(X509) *
stack_of(const struct cert_set *s)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	size_t i;

	for (i = 0; all != NULL && s != NULL && i < s->n; i++)
		if (sk_X509_push(all, (X509 *)(uintptr_t)
		    cert_x509(s->v[i])) <= 0) {
			sk_X509_free(all);
			all = NULL;
		}
	return all;
}

/* The content stays in cms. */
static int
verify(CMS_ContentInfo *cms, const struct cert_set *signers, struct err *e)
{
	STACK_OF(X509) *all = stack_of(signers);
	ASN1_OCTET_STRING **content = CMS_get0_content(cms);
	BIO *none = BIO_new_mem_buf("", 0), *out = BIO_new(BIO_s_null());
	int ok = all != NULL && none != NULL && out != NULL && CMS_verify(cms,
	    all, NULL, content == NULL || *content == NULL ? none : NULL, out,
	    CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY |
	    (signers != NULL ? CMS_NOINTERN : 0)) == 1;
	int why = ERR_GET_REASON(ERR_peek_error());

	BIO_free(none);
	BIO_free(out);
	sk_X509_free(all);
	ERR_clear_error();
	if (ok)
		return 0;
	if (why == CMS_R_SIGNER_CERTIFICATE_NOT_FOUND)
		return err_set(e, EACCES, signers == NULL ?
		    "SCEP message: it does not bring its signer's certificate" :
		    "SCEP message: it is signed by none of the server's "
		    "certificates");
	return err_set(e, EPERM, "SCEP message: its signature does not "
	    "verify");
}

static int
take_signer(CMS_ContentInfo *cms, struct scep_in *m, struct err *e)
{
	STACK_OF(X509) *s = CMS_get0_signers(cms);

	if (sk_X509_num(s) == 1 && X509_up_ref(sk_X509_value(s, 0)) == 1)
		m->signer = sk_X509_value(s, 0);
	sk_X509_free(s);
	return m->signer != NULL ? 0 : broken(e, "it has no signer");
}

static int
take_content(CMS_ContentInfo *cms, struct scep_in *m, struct err *e)
{
	ASN1_OCTET_STRING **content = CMS_get0_content(cms);

	if (content == NULL || *content == NULL ||
	    ASN1_STRING_length(*content) == 0)
		return 0;
	m->envelope = secret_copy(ASN1_STRING_get0_data(*content),
	    (size_t)ASN1_STRING_length(*content));
	return m->envelope != NULL ? 0 : err_set(e, ENOMEM, "SCEP message");
}

/* SignedData with one good signature; the caller frees. */
static CMS_ContentInfo *
open_signed(struct rbuf der, const struct cert_set *signers,
    struct scep_algs algs, CMS_SignerInfo **si, struct err *e)
{
	CMS_ContentInfo *cms = scep_cms_parse(der, NID_pkcs7_signed, e);
	STACK_OF(CMS_SignerInfo) *infos;
	int rc = -1;

	if (cms == NULL)
		return NULL;
	infos = CMS_get0_SignerInfos(cms);
	if (sk_CMS_SignerInfo_num(infos) != 1)
		rc = broken(e, "it is not signed by exactly one");
	else if (check_hash(*si = sk_CMS_SignerInfo_value(infos, 0), algs,
	    e) == 0)
		rc = verify(cms, signers, e);
	if (rc == 0)
		return cms;
	CMS_ContentInfo_free(cms);
	return NULL;
}

int
scep_open(struct rbuf der, const struct cert_set *signers,
    struct scep_algs algs, struct scep_in *m, struct err *e)
{
	CMS_SignerInfo *si = NULL;
	CMS_ContentInfo *cms;
	int rc = -1;

	memset(m, 0, sizeof(*m));
	if ((cms = open_signed(der, signers, algs, &si, e)) == NULL)
		return -1;
	m->sha1 = hash_nid(si) == NID_sha1;
	if (get_attrs(si, &m->attrs, e) == 0 && take_signer(cms, m, e) == 0)
		rc = take_content(cms, m, e);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return rc;
}

void
scep_in_fini(struct scep_in *m)
{
	X509_free(m->signer);
	secret_free(m->envelope);
	memset(m, 0, sizeof(*m));
}

struct secret *
scep_signed(struct rbuf der, const struct cert_set *signers,
    struct scep_algs algs, struct err *e)
{
	struct scep_in m = { .signer = NULL };
	CMS_SignerInfo *si = NULL;
	CMS_ContentInfo *cms;

	if ((cms = open_signed(der, signers, algs, &si, e)) == NULL)
		return NULL;
	if (take_content(cms, &m, e) == 0 && m.envelope == NULL)
		broken(e, "it is empty");
	CMS_ContentInfo_free(cms);
	return m.envelope;
}
