/* Enrolment over Secure Transport (RFC 7030), the server's side. */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pkcs7.h>

#include "base/addr.h"
#include "pki_desk.h"

#define RETRY_AFTER	60	/* seconds, while nobody has approved it */

/* Certificates alone (RFC 5272, 4.1: a PKCS#7 signed by nobody). */
static void
say_certs(struct desk_reply *r, STACK_OF(X509) *certs)
{
	PKCS7 *p7 = PKCS7_new();
	unsigned char *der = NULL;
	int ok = p7 != NULL && PKCS7_set_type(p7, NID_pkcs7_signed) == 1 &&
	    PKCS7_content_new(p7, NID_pkcs7_data) == 1 &&
	    PKCS7_set_detached(p7, 1) >= 0;
	int i, len = -1;

	for (i = 0; ok && i < sk_X509_num(certs); i++)
		ok = PKCS7_add_certificate(p7, sk_X509_value(certs, i)) == 1;
	if (ok)
		len = i2d_PKCS7(p7, &der);
	if (len > 0)
		desk_say_base64(r, "application/pkcs7-mime; "
		    "smime-type=certs-only", der, (size_t)len);
	else {
		err_set(&r->why, ENOMEM, "PKCS#7");
		desk_refuse(r, 500, &r->why);
	}
	OPENSSL_free(der);
	PKCS7_free(p7);
	ERR_clear_error();
}

/* RFC 7030, 4.1: the anchors, what is between them and us, and what links a
 * next key of the CA to this one (4.1.3), so that clients trust it. */
void
est_cacerts(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	struct cert_set all = { .n = 0 };
	STACK_OF(X509) *certs = sk_X509_new_null();
	size_t i;

	(void)a;
	(void)body;
	(void)now;
	if (certs == NULL ||
	    pki_store_trust(d->store, &all, &all, &r->why) < 0 ||
	    pki_store_links(d->store, &all, &r->why) < 0) {
		desk_refuse(r, 500, &r->why);
	} else {
		for (i = 0; i < all.n; i++)
			(void)sk_X509_push(certs, (X509 *)(uintptr_t)
			    cert_x509(all.v[i]));
		say_certs(r, certs);
	}
	sk_X509_free(certs);
	cert_set_fini(&all);
}

static void
answer(enum desk_says says, X509 *x, struct desk_reply *r)
{
	STACK_OF(X509) *certs = NULL;

	switch (says) {
	case DESK_ISSUED:
		certs = sk_X509_new_null();
		if (certs != NULL)
			(void)sk_X509_push(certs, x);
		say_certs(r, certs);
		sk_X509_free(certs);
		break;
	case DESK_WAIT:
		r->head.status = 202;
		r->head.retry_after = RETRY_AFTER;
		break;
	case DESK_REFUSED:
		desk_refuse(r, r->why.code == EACCES ? 401 :
		    r->why.code == EPERM ? 403 : 400, &r->why);
		break;
	case DESK_FAILED:
		desk_refuse(r, 503, &r->why);
		break;
	}
}

static void
enrol(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    bool again, int64_t now, struct desk_reply *r)
{
	struct addr_buf ab;
	const struct desk_enrol q = { .protocol = "est",
		.from = addr_text(&a->from, &ab),
		.user = !again && a->user[0] != '\0' ? a->user : NULL,
		.password = a->secret, .certificate = a->certificate,
		.identical = again, .request = body };
	enum desk_says says;
	X509 *x = NULL;

	says = desk_enrol(d, &q, now, &x, &r->why);
	answer(says, x, r);
	X509_free(x);
}

/* RFC 7030, 4.2.1 */
void
est_enroll(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	enrol(d, a, body, false, now, r);
}

/* RFC 7030, 4.2.2 */
void
est_reenroll(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	enrol(d, a, body, true, now, r);
}

/* RFC 7030, 4.5.2: a key on P-256, a signature with SHA-256.  They are wishes:
 * other keys of ours are taken too. */
void
est_csrattrs(struct desk *d, const struct pki_web_ask *a, struct rbuf body,
    int64_t now, struct desk_reply *r)
{
	static const uint8_t der[] = {
		0x30, 0x21, 0x30, 0x15,		/* id-ecPublicKey, */
		0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
		0x31, 0x0a,			/* a set of prime256v1 */
		0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
						/* ecdsa-with-SHA256 */
		0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
	};

	(void)d;
	(void)a;
	(void)body;
	(void)now;
	desk_say_base64(r, "application/csrattrs", der, sizeof(der));
}
