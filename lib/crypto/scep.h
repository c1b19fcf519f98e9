#ifndef CRYPTO_SCEP_H
#define CRYPTO_SCEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"
#include "base/secret.h"
#include "crypto/cert.h"

/*
 * SCEP messages (RFC 8894), of both sides.  A message is CMS SignedData with
 * attributes; what it carries is in CMS EnvelopedData.  OpenSSL does CMS; here
 * is what may be in it.  Transport is not here.
 */
#define SCEP_MAX	(256u << 10)	/* octets of a message */
#define SCEP_ID_MAX	127		/* of a transactionID */
#define SCEP_NONCE_LEN	16
#define SCEP_NONCE_MAX	64		/* what others take */
#define SCEP_TEXT_MAX	255		/* of failInfoText */

/* RFC 8894, 3.2.1.2 */
#define SCEP_TYPES(X)					\
	X(SCEP_CERT_REP, 3, "CertRep")			\
	X(SCEP_RENEWAL_REQ, 17, "RenewalReq")		\
	X(SCEP_PKCS_REQ, 19, "PKCSReq")			\
	X(SCEP_CERT_POLL, 20, "CertPoll")		\
	X(SCEP_GET_CERT, 21, "GetCert")			\
	X(SCEP_GET_CRL, 22, "GetCRL")
enum scep_type { SCEP_TYPES(NAME_ENUM) };
extern const struct name scep_type_names[];

/* 3.2.1.3 */
#define SCEP_STATUSES(X)				\
	X(SCEP_SUCCESS, 0, "success")			\
	X(SCEP_FAILURE, 2, "failure")			\
	X(SCEP_PENDING, 3, "pending")
enum scep_status { SCEP_STATUSES(NAME_ENUM) };
extern const struct name scep_status_names[];

/* 3.2.1.4 */
#define SCEP_FAILS(X)					\
	X(SCEP_BAD_ALG, 0, "badAlg")			\
	X(SCEP_BAD_CHECK, 1, "badMessageCheck")		\
	X(SCEP_BAD_REQUEST, 2, "badRequest")		\
	X(SCEP_BAD_TIME, 3, "badTime")			\
	X(SCEP_BAD_CERT_ID, 4, "badCertId")
enum scep_fail { SCEP_FAILS(NAME_ENUM) };
extern const struct name scep_fail_names[];

/* The signed attributes.  RFC 8894, 3.2.1 */
struct scep_attrs {
	uint32_t	type;
	uint32_t	status, fail;		/* of a CertRep */
	char		id[SCEP_ID_MAX + 1];	/* transactionID, printable */
	size_t		sender_len, recipient_len;
	uint8_t		sender[SCEP_NONCE_MAX];
	uint8_t		recipient[SCEP_NONCE_MAX];
	char		text[SCEP_TEXT_MAX + 1];	/* failInfoText */
};

/* Weak is 3DES or SHA-1; to be read also DES. */
struct scep_algs {
	bool	legacy;		/* weak ones are taken, not refused */
	bool	des3, sha1;	/* and made: the other side knows no other */
	bool	sha512;		/* make that: it knows no SHA-256 */
};

/* Some send messages under single DES, whatever they say that they can.  To
 * be read only, with `legacy`.  OpenSSL has it in a file that is read when it
 * is first wanted; who will not see files then, calls this before.  false:
 * there is none. */
bool scep_open_legacy(void);

struct evp_pkey_st;

/* To make a message. */
struct scep_make {
	const struct scep_attrs	*attrs;
	struct rbuf		 content;	/* empty: the message has none */
	const struct x509_st	*to;		/* content is for: RSA */
	const struct x509_st	*signer;
	struct evp_pkey_st	*key;
	struct scep_algs	 algs;
};
struct secret *scep_make(const struct scep_make *m, struct err *e);

/* A message whose signature verifies. */
struct scep_in {
	struct scep_attrs	 attrs;
	struct x509_st		*signer;	/* owned */
	struct secret		*envelope;	/* of the content; or NULL */
	bool			 sha1;		/* it was signed with that */
};
/*
 * Open a message.  It must be signed by one of signers; NULL: by the
 * certificate that it brings along.  EPERM: the signature does not verify;
 * EACCES: signed by somebody else; ENOTSUP: weak algorithms; EBADMSG.
 * Free with scep_in_fini in any case.
 */
int scep_open(struct rbuf der, const struct cert_set *signers,
    struct scep_algs algs, struct scep_in *m, struct err *e);
void scep_in_fini(struct scep_in *m);

/* SignedData without those attributes: the reply to GetNextCACert.  Its
 * content, signed by one of signers. */
struct secret *scep_signed(struct rbuf der, const struct cert_set *signers,
    struct scep_algs algs, struct err *e);
struct secret *scep_signed_make(struct rbuf content,
    const struct x509_st *signer, struct evp_pkey_st *key,
    struct scep_algs algs, struct err *e);

/* What is in the envelope.  ENOENT: it is for another certificate.  Whether
 * the key or the padding was wrong, can not be told apart. */
struct secret *scep_decrypt(const struct secret *envelope,
    const struct x509_st *cert, struct evp_pkey_st *key,
    struct scep_algs algs, struct err *e);

/* ------------------------------------------------------- what is in them */

/* Certificates of a "degenerate" SignedData, or one certificate in DER. */
int scep_certs(struct rbuf der, struct cert_set *out, struct err *e);
/* Its first revocation list, DER. */
struct secret *scep_crl(struct rbuf der, struct err *e);
struct X509_crl_st;
/* certs ends in NULL; crl may be NULL. */
struct secret *scep_degenerate(struct x509_st *const *certs,
    struct X509_crl_st *crl, struct err *e);

/* IssuerAndSubject (CertPoll), IssuerAndSerialNumber (GetCert, GetCRL). */
struct X509_name_st;
struct secret *scep_subject_make(const struct X509_name_st *issuer,
    const struct X509_name_st *subject, struct err *e);
struct secret *scep_serial_make(const struct x509_st *cert, struct err *e);
struct scep_which {
	struct X509_name_st	*issuer, *subject;	/* owned */
	char			 serial[48];	/* lower-case hexadecimal */
};
int scep_subject_parse(struct rbuf der, struct scep_which *w, struct err *e);
int scep_serial_parse(struct rbuf der, struct scep_which *w, struct err *e);
void scep_which_fini(struct scep_which *w);

/* --------------------------------------------- what a server can, its RAs */

/* RFC 8894, 3.5.2 */
#define SCEP_CAPS(X)					\
	X(SCEP_CAP_AES, 0x01, "AES")			\
	X(SCEP_CAP_DES3, 0x02, "DES3")			\
	X(SCEP_CAP_NEXT, 0x04, "GetNextCACert")		\
	X(SCEP_CAP_POST, 0x08, "POSTPKIOperation")	\
	X(SCEP_CAP_RENEWAL, 0x10, "Renewal")		\
	X(SCEP_CAP_SHA1, 0x20, "SHA-1")			\
	X(SCEP_CAP_SHA256, 0x40, "SHA-256")		\
	X(SCEP_CAP_SHA512, 0x80, "SHA-512")		\
	X(SCEP_CAP_STANDARD, 0x100, "SCEPStandard")
enum scep_cap { SCEP_CAPS(NAME_ENUM) };
extern const struct name scep_cap_names[];

/* Lines of text; what is unknown is stepped over. */
uint32_t scep_caps_parse(struct rbuf text);
/* "AES Renewal ..." */
const char *scep_caps_text(uint32_t caps, char *out, size_t out_len);
/* The best of both; ENOTSUP: only weak ones, and legacy is not allowed. */
int scep_caps_pick(uint32_t caps, bool legacy, struct scep_algs *algs,
    struct err *e);

/* Of certificates of a server (all trusted): the one to encrypt to; NULL:
 * none has an RSA key that may.  An RA's encryption certificate goes before
 * its signing certificate, and those before the CA.  Who is no CA must say by
 * its extended key usage that it is an RA, or be in ras (which may be NULL):
 * what a server shows is protected by nothing, and others of the same CA, such
 * as routers that have no extended key usage either, are peers.  They are
 * neither encrypted to nor believed. */
const struct cert *scep_encrypter(const struct cert_set *s,
    const struct cert_set *ras);
/* May it sign a reply? */
bool scep_may_sign(const struct cert *c, const struct cert_set *ras);
/* Would it be an RA, if it said so?  To tell people whom they might name. */
bool scep_may_be_ra(const struct cert *c);

#endif
