#include "crypto/ocsp.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include "base/date.h"
#include "crypto/der.h"

const struct name ocsp_state_names[] = { OCSP_STATES(NAME_ROW) NAME_END };
const struct name ocsp_reason_names[] = { OCSP_REASONS(NAME_ROW) NAME_END };

/* OpenSSL's functions want what they do not change without const. */
static X509 *
x509_of(const struct cert *c)
{
	return (X509 *)(uintptr_t)cert_x509(c);
}

/* ------------------------------------------------------------------ to ask */

static int
add_nonce(OCSP_REQUEST *r, struct rbuf nonce)
{
	return rbuf_left(&nonce) == 0 || OCSP_request_add1_nonce(r,
	    (unsigned char *)(uintptr_t)nonce.p, (int)rbuf_left(&nonce)) == 1;
}

int
ocsp_request(const struct cert *leaf, const struct cert *issuer,
    struct rbuf nonce, struct wbuf *out, struct err *e)
{
	OCSP_REQUEST *r = OCSP_REQUEST_new();
	/* SHA-1: what every responder knows (RFC 5019, 2.1.1). */
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), x509_of(leaf),
	    x509_of(issuer));
	unsigned char *der = NULL;
	int len = -1;

	if (r != NULL && id != NULL && OCSP_request_add0_id(r, id) != NULL) {
		id = NULL;		/* the request has it */
		if (add_nonce(r, nonce))
			len = i2d_OCSP_REQUEST(r, &der);
	}
	if (len > 0)
		wbuf_put(out, der, (size_t)len);
	OPENSSL_free(der);
	OCSP_CERTID_free(id);
	OCSP_REQUEST_free(r);
	ERR_clear_error();
	return len > 0 && wbuf_ok(out) ? 0 :
	    err_set(e, ENOMEM, "OCSP: no request can be made");
}

/* ----------------------------------------------------------------- to read */

static int64_t
seconds(const ASN1_GENERALIZEDTIME *t, int64_t none)
{
	struct tm tm;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return none;
	return date_seconds(&tm);
}

static int
responder_error(int status, struct err *e)
{
	static const struct { int status, code; const char *text; } rows[] = {
		{ OCSP_RESPONSE_STATUS_MALFORMEDREQUEST, EACCES,
		  "it can not read the request" },
		{ OCSP_RESPONSE_STATUS_INTERNALERROR, EAGAIN,
		  "it has an internal error" },
		{ OCSP_RESPONSE_STATUS_TRYLATER, EAGAIN, "try later" },
		{ OCSP_RESPONSE_STATUS_SIGREQUIRED, EACCES,
		  "it wants signed requests" },
		{ OCSP_RESPONSE_STATUS_UNAUTHORIZED, EACCES,
		  "it does not answer for this issuer" },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status)
			return err_set(e, rows[i].code, "OCSP responder: %s",
			    rows[i].text);
	return err_set(e, EBADMSG, "OCSP: unknown status %d", status);
}

/* The basic response in it; NULL with e. */
static OCSP_BASICRESP *
parse(struct rbuf der, struct err *e)
{
	const unsigned char *p = der.p;
	OCSP_RESPONSE *r;
	OCSP_BASICRESP *basic = NULL;
	int status;

	if (rbuf_left(&der) > OCSP_MAX)
		return err_null(err_set(e, EBADMSG, "OCSP: %zu octets, %d "
		    "are the most", rbuf_left(&der), OCSP_MAX));
	if (der_check(der, e) < 0)
		return err_null(err_in(e, "OCSP"));
	r = d2i_OCSP_RESPONSE(NULL, &p, (long)rbuf_left(&der));
	if (r == NULL || p != der.end)
		err_set(e, EBADMSG, "OCSP: not a response");
	else if ((status = OCSP_response_status(r)) !=
	    OCSP_RESPONSE_STATUS_SUCCESSFUL)
		responder_error(status, e);
	else if ((basic = OCSP_response_get1_basic(r)) == NULL)
		err_set(e, EBADMSG, "OCSP: not a basic response");
	else if (OCSP_resp_count(basic) < 1 ||
	    OCSP_resp_count(basic) > OCSP_SINGLES_MAX) {
		err_set(e, EBADMSG, "OCSP: %d answers in it",
		    OCSP_resp_count(basic));
		OCSP_BASICRESP_free(basic);
		basic = NULL;
	}
	OCSP_RESPONSE_free(r);
	ERR_clear_error();
	return basic;
}

/* Is this answer about our certificate?  Its own hash decides. */
static bool
is_about(const OCSP_SINGLERESP *s, const struct ocsp_ask *ask)
{
	OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(s);
	ASN1_OBJECT *hash = NULL;
	const EVP_MD *md;
	OCSP_CERTID *ours;
	bool same;

	if (OCSP_id_get0_info(NULL, &hash, NULL, NULL, id) != 1 ||
	    (md = EVP_get_digestbyobj(hash)) == NULL)
		return false;
	ours = OCSP_cert_to_id(md, x509_of(ask->leaf), x509_of(ask->issuer));
	same = ours != NULL && OCSP_id_cmp(ours, id) == 0;
	OCSP_CERTID_free(ours);
	return same;
}

static OCSP_SINGLERESP *
find(OCSP_BASICRESP *basic, const struct ocsp_ask *ask)
{
	OCSP_SINGLERESP *s;
	int i;

	for (i = 0; i < OCSP_resp_count(basic); i++) {
		s = OCSP_resp_get0(basic, i);
		if (is_about(s, ask))
			return s;
	}
	return NULL;
}

static bool
same_nonce(OCSP_BASICRESP *basic, struct rbuf want)
{
	int at = OCSP_BASICRESP_get_ext_by_NID(basic, NID_id_pkix_OCSP_Nonce,
	    -1);
	X509_EXTENSION *ext = OCSP_BASICRESP_get_ext(basic, at);
	ASN1_OCTET_STRING *o;
	struct rbuf in, got;

	if (at < 0 || ext == NULL)
		return false;
	o = X509_EXTENSION_get_data(ext);
	in = rbuf_of(ASN1_STRING_get0_data(o), (size_t)ASN1_STRING_length(o));
	return der_want(&in, DER_OCTETS, &got, NULL) == 0 &&
	    rbuf_left(&in) == 0 && rbuf_equal(&got, &want);
}

/* ----------------------------------------------------------- who signed it */

static X509_STORE *
store_of(const struct ocsp_ask *ask)
{
	X509_STORE *s = X509_STORE_new();
	X509_VERIFY_PARAM *p = s == NULL ? NULL : X509_STORE_get0_param(s);

	if (p == NULL || X509_STORE_add_cert(s, x509_of(ask->issuer)) != 1) {
		X509_STORE_free(s);
		return NULL;
	}
	/* The issuer was judged already: the path ends there. */
	X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN);
	X509_VERIFY_PARAM_set_time(p, date_time(ask->at));
	X509_VERIFY_PARAM_set_auth_level(p, ask->allow_weak ? 0 : 2);
	return s;
}

/* A signer that has no id-pkix-ocsp-nocheck may be revoked itself. */
static bool
signer_is_listed(X509 *signer, const struct ocsp_ask *ask)
{
	struct cert *c;
	bool found = false;
	size_t i;

	if (ask->crls == NULL ||
	    X509_get_ext_by_NID(signer, NID_id_pkix_OCSP_noCheck, -1) >= 0)
		return false;
	if ((c = cert_of_x509(signer, NULL)) == NULL)
		return true;
	for (i = 0; i < ask->crls->n; i++)
		found = found || crl_has(ask->crls->v[i], c);
	cert_free(c);
	return found;
}

static bool
is_weak(const OCSP_BASICRESP *basic)
{
	const X509_ALGOR *alg = OCSP_resp_get0_tbs_sigalg(basic);
	const ASN1_OBJECT *oid;
	int nid, md = NID_undef;

	X509_ALGOR_get0(&oid, NULL, NULL, alg);
	nid = OBJ_obj2nid(oid);
	if (OBJ_find_sigid_algs(nid, &md, NULL) != 1)
		return false;		/* RSA-PSS: verified with its own */
	return md == NID_sha1 || md == NID_md5 || md == NID_md4;
}

static int
check_signer(OCSP_BASICRESP *basic, const struct ocsp_ask *ask,
    struct ocsp_word *out, struct err *e)
{
	STACK_OF(X509) *with = sk_X509_new_null();
	X509_STORE *store = store_of(ask);
	X509 *signer = NULL;
	int rc = -1;

	if (with == NULL || store == NULL ||
	    sk_X509_push(with, x509_of(ask->issuer)) <= 0)
		err_set(e, ENOMEM, "OCSP: out of memory");
	else if (is_weak(basic) && !ask->allow_weak)
		err_set(e, EPERM, "OCSP: signed with a weak hash");
	else if (OCSP_basic_verify(basic, with, store, 0) != 1 ||
	    OCSP_resp_get0_signer(basic, &signer, with) != 1)
		err_set(e, EPERM, "OCSP: not signed by the issuer, nor by who "
		    "may sign for it (%s)",
		    ERR_reason_error_string(ERR_peek_last_error()));
	else if (signer_is_listed(signer, ask))
		err_set(e, EPERM, "OCSP: its signer is revoked");
	else
		rc = 0;
	out->delegated = signer != NULL &&
	    X509_cmp(signer, x509_of(ask->issuer)) != 0;
	sk_X509_free(with);
	X509_STORE_free(store);
	ERR_clear_error();
	return rc;
}

/* ---------------------------------------------------------- what it says */

static int
take(OCSP_SINGLERESP *s, struct ocsp_word *out, struct err *e)
{
	ASN1_GENERALIZEDTIME *when = NULL, *from = NULL, *to = NULL;
	int reason = -1;

	switch (OCSP_single_get0_status(s, &reason, &when, &from, &to)) {
	case V_OCSP_CERTSTATUS_GOOD:
		out->state = OCSP_GOOD;
		break;
	case V_OCSP_CERTSTATUS_REVOKED:
		out->state = OCSP_REVOKED;
		break;
	case V_OCSP_CERTSTATUS_UNKNOWN:
		out->state = OCSP_UNKNOWN;
		break;
	default:
		return err_set(e, EBADMSG, "OCSP: no status");
	}
	out->reason = out->state == OCSP_REVOKED ? reason : -1;
	out->revoked = out->state == OCSP_REVOKED ? seconds(when, 1) : 0;
	out->made = seconds(from, INT64_MAX);
	out->next = seconds(to, INT64_MAX);
	if (out->made == INT64_MAX || out->next < out->made)
		return err_set(e, EBADMSG, "OCSP: its times make no sense");
	return 0;
}

static int
check_times(const struct ocsp_word *w, int64_t at, struct err *e)
{
	int64_t end = w->next == INT64_MAX ? w->made + OCSP_OLD : w->next;

	if (w->made > at + OCSP_CLOCK_SLACK)
		return err_set(e, ESTALE, "OCSP: the response is not valid "
		    "yet");
	if (end < at - OCSP_CLOCK_SLACK)
		return err_set(e, ESTALE, "OCSP: the response is out of date");
	return 0;
}

static int
read_basic(OCSP_BASICRESP *basic, const struct ocsp_ask *ask,
    struct ocsp_word *out, struct err *e)
{
	OCSP_SINGLERESP *s = find(basic, ask);

	if (s == NULL)
		return err_set(e, ENOENT, "OCSP: the response is about another "
		    "certificate");
	if (rbuf_left(&ask->nonce) > 0 && !same_nonce(basic, ask->nonce))
		return err_set(e, EPROTO, "OCSP: the response does not carry "
		    "our nonce");
	if (take(s, out, e) < 0 || check_signer(basic, ask, out, e) < 0)
		return -1;
	return check_times(out, ask->at, e);
}

int
ocsp_read(struct rbuf der, const struct ocsp_ask *ask, struct ocsp_word *out,
    struct err *e)
{
	OCSP_BASICRESP *basic = parse(der, e);
	int rc;

	memset(out, 0, sizeof(*out));
	out->state = OCSP_UNKNOWN;
	if (basic == NULL)
		return -1;
	rc = read_basic(basic, ask, out, e);
	if (rc < 0)
		out->state = OCSP_UNKNOWN;
	OCSP_BASICRESP_free(basic);
	ERR_clear_error();
	return rc;
}

int
ocsp_peek(struct rbuf der, struct ocsp_word *out, struct err *e)
{
	OCSP_BASICRESP *basic = parse(der, e);
	int rc;

	memset(out, 0, sizeof(*out));
	if (basic == NULL)
		return -1;
	rc = take(OCSP_resp_get0(basic, 0), out, e);
	OCSP_BASICRESP_free(basic);
	ERR_clear_error();
	return rc;
}
