#include "pki_ocsp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "base/name.h"
#include "base/text.h"
#include "crypto/der.h"
#include "pki_issue_int.h"

#define DAY		86400
#define NONCE_MAX	128	/* RFC 9654, 2.1; and 3 of DER before it */

/* One request while it is answered. */
struct work {
	const struct pki_ocsp	*o;
	struct pki_ocsp_said	*said;
	OCSP_REQUEST		*request;
	OCSP_BASICRESP		*basic;
	const struct pki_ca	*ca;	/* of the first that is ours */
	int			 status;
};

/* ------------------------------------------------------------- the request */

static OCSP_REQUEST *
parse(struct rbuf der)
{
	const unsigned char *p = der.p;
	OCSP_REQUEST *r = NULL;
	int n;

	if (rbuf_left(&der) > OCSP_REQUEST_MAX || der_check(der, NULL) < 0)
		return NULL;
	r = d2i_OCSP_REQUEST(NULL, &p, (long)rbuf_left(&der));
	n = r == NULL ? 0 : OCSP_request_onereq_count(r);
	if (r != NULL && (p != der.end || n < 1 || n > PKI_OCSP_LIST_MAX)) {
		OCSP_REQUEST_free(r);
		r = NULL;
	}
	ERR_clear_error();
	return r;
}

/* Its nonce has a length that makes sense, and nothing critical is in it that
 * we do not know (RFC 6960, 4.4). */
static bool
extensions_fit(OCSP_REQUEST *r)
{
	X509_EXTENSION *ext;
	int i, nid;

	for (i = 0; i < OCSP_REQUEST_get_ext_count(r); i++) {
		ext = OCSP_REQUEST_get_ext(r, i);
		nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));
		if (nid == NID_id_pkix_OCSP_Nonce) {
			const ASN1_OCTET_STRING *o =
			    X509_EXTENSION_get_data(ext);

			if (ASN1_STRING_length(o) < 1 ||
			    ASN1_STRING_length(o) > NONCE_MAX + 3)
				return false;
		} else if (X509_EXTENSION_get_critical(ext))
			return false;
	}
	return true;
}

/* ------------------------------------------------------- one of its answers */

/* Whose certificate is it?  By the hash that the client chose. */
static const struct pki_ca *
ca_of(const struct pki_ocsp *o, OCSP_CERTID *id)
{
	ASN1_OBJECT *hash = NULL;
	OCSP_CERTID *ours;
	const EVP_MD *md;
	bool same = false;
	size_t i;
	int nid;

	if (OCSP_id_get0_info(NULL, &hash, NULL, NULL, id) != 1)
		return NULL;
	nid = OBJ_obj2nid(hash);
	if (nid != NID_sha1 && nid != NID_sha256 && nid != NID_sha384 &&
	    nid != NID_sha512)
		return NULL;
	md = EVP_get_digestbynid(nid);
	for (i = 0; i < o->n_cas && !same; i++) {
		ours = OCSP_cert_to_id(md, NULL, o->cas[i].cert);
		same = ours != NULL && OCSP_id_issuer_cmp(ours, id) == 0;
		OCSP_CERTID_free(ours);
	}
	return same ? &o->cas[i - 1] : NULL;
}

static bool
serial_of(OCSP_CERTID *id, char out[48])
{
	ASN1_INTEGER *s = NULL;

	out[0] = '\0';
	if (OCSP_id_get0_info(NULL, NULL, NULL, &s, id) != 1 || s == NULL ||
	    ASN1_STRING_type(s) != V_ASN1_INTEGER ||
	    ASN1_STRING_length(s) > 20)
		return false;
	text_hex(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s), out,
	    48);
	return true;
}

static ASN1_TIME *
time_of(int64_t t)
{
	return ASN1_TIME_adj(NULL, 0, (int)(t / DAY), (long)(t % DAY));
}

static int
put(struct work *w, OCSP_CERTID *id, const struct pki_ocsp_row *row)
{
	int64_t now = w->o->now;
	ASN1_TIME *made = time_of(now), *next = time_of(now + w->o->valid);
	ASN1_TIME *when = row->revoked != 0 ? time_of(row->revoked) : NULL;
	uint32_t why = 0;
	int ok, reason = OCSP_REVOKED_STATUS_NOSTATUS, state;

	state = !row->known ? V_OCSP_CERTSTATUS_UNKNOWN : row->revoked != 0 ?
	    V_OCSP_CERTSTATUS_REVOKED : V_OCSP_CERTSTATUS_GOOD;
	if (row->revoked != 0 && name_value(ocsp_reason_names, row->why,
	    &why) == 0 && why != OCSP_UNSPECIFIED)
		reason = (int)why;
	ok = made != NULL && next != NULL &&
	    (row->revoked == 0 || when != NULL) &&
	    OCSP_basic_add1_status(w->basic, id, state, reason, when, made,
	    next) != NULL;
	ASN1_TIME_free(made);
	ASN1_TIME_free(next);
	ASN1_TIME_free(when);
	return ok ? 0 : -1;
}

static int
answer_one(struct work *w, OCSP_CERTID *id, struct err *e)
{
	const struct pki_ca *ca = ca_of(w->o, id);
	struct pki_ocsp_row row = { .known = false };
	char serial[48];

	if (ca != NULL && w->ca == NULL)
		w->ca = ca;
	/* Who signs can speak for one CA only: of others it knows nothing. */
	if (ca != NULL && ca == w->ca && serial_of(id, serial)) {
		if (w->said->serial[0] == '\0')
			memcpy(w->said->serial, serial, sizeof(serial));
		if (w->o->look(w->o->arg, serial, &row, e) < 0) {
			w->status = OCSP_RESPONSE_STATUS_TRYLATER;
			return -1;
		}
	}
	w->said->n++;
	if (put(w, id, &row) == 0)
		return 0;
	w->status = OCSP_RESPONSE_STATUS_INTERNALERROR;
	return err_set(e, ENOMEM, "OCSP: out of memory");
}

struct looking {
	const char		*serial;
	struct pki_ocsp_row	*out;
};

/* A name may look like a serial number. */
static int
on_row(void *arg, const struct pki_row *row)
{
	struct looking *l = arg;

	if (strcmp(row->serial, l->serial) != 0)
		return 0;
	l->out->known = true;
	l->out->revoked = row->revoked;
	snprintf(l->out->why, sizeof(l->out->why), "%s", row->why);
	return 0;
}

int
pki_ocsp_look_store(void *arg, const char *serial, struct pki_ocsp_row *out,
    struct err *e)
{
	struct looking l = { .serial = serial, .out = out };

	memset(out, 0, sizeof(*out));
	return pki_store_each(arg, serial, on_row, &l, e);
}

/* ------------------------------------------------------------ the response */

static int
sign(struct work *w, struct err *e)
{
	const struct pki_ocsp *o = w->o;
	bool own = o->signer == NULL || w->ca != &o->cas[0];
	X509 *x = own ? w->ca->cert : o->signer;
	EVP_PKEY *key = own ? w->ca->key : o->signer_key;

	w->status = OCSP_RESPONSE_STATUS_UNAUTHORIZED;
	if (key == NULL)
		return err_set(e, EACCES, "OCSP: no key to sign with for "
		    "this CA");
	w->status = OCSP_RESPONSE_STATUS_INTERNALERROR;
	/* The CA's own certificate is known to who asks. */
	if (OCSP_copy_nonce(w->basic, w->request) == 0 ||
	    OCSP_basic_sign(w->basic, x, key, pki_issue_md(key), NULL,
	    OCSP_RESPID_KEY | (own ? OCSP_NOCERTS : 0)) != 1)
		return err_set(e, EIO, "OCSP: OpenSSL does not sign: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
	w->status = OCSP_RESPONSE_STATUS_SUCCESSFUL;
	return 0;
}

static int
fill(struct work *w, struct err *e)
{
	int i, n = OCSP_request_onereq_count(w->request);

	w->status = OCSP_RESPONSE_STATUS_INTERNALERROR;
	if ((w->basic = OCSP_BASICRESP_new()) == NULL)
		return err_set(e, ENOMEM, "OCSP: out of memory");
	for (i = 0; i < n; i++)
		if (answer_one(w, OCSP_onereq_get0_id(
		    OCSP_request_onereq_get0(w->request, i)), e) < 0)
			return -1;
	if (w->ca == NULL) {
		w->status = OCSP_RESPONSE_STATUS_UNAUTHORIZED;
		return err_set(e, ENOENT, "OCSP: asked for certificates of "
		    "another issuer");
	}
	return sign(w, e);
}

static int
write_reply(const struct work *w, struct wbuf *reply, struct err *e)
{
	OCSP_RESPONSE *r = OCSP_response_create(w->status, w->status ==
	    OCSP_RESPONSE_STATUS_SUCCESSFUL ? w->basic : NULL);
	unsigned char *der = NULL;
	int len = r == NULL ? -1 : i2d_OCSP_RESPONSE(r, &der);

	if (len > 0)
		wbuf_put(reply, der, (size_t)len);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(r);
	return len > 0 && wbuf_ok(reply) ? 0 :
	    err_set(e, ENOMEM, "OCSP: no response can be made");
}

int
pki_ocsp_answer(const struct pki_ocsp *o, struct rbuf request,
    struct wbuf *reply, struct pki_ocsp_said *said, struct err *e)
{
	struct pki_ocsp_said own;
	struct work w = { .o = o, .said = said == NULL ? &own : said };
	int rc;

	memset(w.said, 0, sizeof(*w.said));
	w.status = OCSP_RESPONSE_STATUS_MALFORMEDREQUEST;
	w.request = parse(request);
	if (w.request != NULL && extensions_fit(w.request))
		(void)fill(&w, e);	/* its status tells the client */
	rc = write_reply(&w, reply, e);
	w.said->status = w.status;
	w.said->made = o->now;
	w.said->next = o->now + o->valid;
	w.said->cacheable = w.status == OCSP_RESPONSE_STATUS_SUCCESSFUL &&
	    OCSP_REQUEST_get_ext_by_NID(w.request, NID_id_pkix_OCSP_Nonce,
	    -1) < 0;
	OCSP_BASICRESP_free(w.basic);
	OCSP_REQUEST_free(w.request);
	ERR_clear_error();
	return rc;
}
