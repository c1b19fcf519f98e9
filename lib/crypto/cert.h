#ifndef CRYPTO_CERT_H
#define CRYPTO_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/ident.h"

/*
 * X.509 certificates (RFC 5280) and CRLs.  OpenSSL parses; what it would let
 * through and we do not want is refused here, before any key is used:
 * octets after the certificate, more than CERT_MAX, encodings that are not
 * DER, serial numbers that are negative or over 20 octets, RSA moduli over
 * 8,192 bits, RSA exponents that are even or below 65,537, explicit curve
 * parameters.  (RSA below 2,048 bits is parsed, and refused by the verdict.)
 */
#define CERT_MAX	8192	/* octets of one certificate */
#define CERT_SET_MAX	32	/* certificates of a chain or of the anchors */
#define CERT_PEM_MAX	(CERT_SET_MAX * 2 * CERT_MAX)
#define CRL_MAX		(64 << 20)	/* octets of one CRL */
#define CRL_SET_MAX	64
#define RSA_BITS_MAX	8192
#define RSA_BITS_MIN	2048

struct cert;
struct crl;
struct x509_st;			/* OpenSSL's X509, for lib/crypto and pki */
struct X509_crl_st;
struct evp_pkey_st;

struct cert_set {
	size_t		 n;
	struct cert	*v[CERT_SET_MAX];	/* owned */
};

struct crl_set {
	size_t		 n;
	struct crl	*v[CRL_SET_MAX];	/* owned */
};

/* One certificate and nothing else. */
struct cert *cert_parse(struct rbuf der, struct err *e);
/* The same, in less time after quick_begin, for a certificate whose key
 * verifies once: it is of no kind that OpenSSL's providers keep ready. */
struct cert *cert_parse_leaf(struct rbuf der, struct err *e);
struct cert *cert_of_x509(struct x509_st *x, struct err *e); /* takes no ref */
void cert_free(struct cert *c);
struct cert *cert_ref(struct cert *c);		/* free each */
struct rbuf cert_der(const struct cert *c);	/* borrowed from c */
const struct x509_st *cert_x509(const struct cert *c);
bool cert_equal(const struct cert *a, const struct cert *b);

/* Add to a set; -1 leaves the set as it was.  A zeroed set is empty. */
int cert_set_add_der(struct cert_set *s, struct rbuf der, struct err *e);
int cert_set_add(struct cert_set *s, struct cert *c, struct err *e); /* refs */
/* All CERTIFICATE blocks of a PEM text; other blocks are stepped over; none
 * at all is an error. */
int cert_set_add_pem(struct cert_set *s, const char *pem, size_t len,
    struct err *e);
void cert_set_fini(struct cert_set *s);

/* Whole lists: one that tells only changes (RFC 5280, 5.2.4) is refused. */
struct crl *crl_parse(struct rbuf der, struct err *e);
void crl_free(struct crl *c);
const struct X509_crl_st *crl_x509(const struct crl *c);

/* What tells lists apart: whose it is (its issuer's name and key id, and the
 * partition that it speaks of), and which one (its number, 0 when it has none;
 * as it is issued). */
struct crl_info {
	uint8_t		 issuer[32];	/* SHA-256 */
	uint8_t		 number[20];	/* big-endian */
	int64_t		 made, next;	/* seconds; next INT64_MAX: never */
};
int crl_info(const struct crl *c, struct crl_info *out, struct err *e);
/* 1: this CA signed it; 0: it is another's; -1: it says so, but did not. */
int crl_issued_by(const struct crl *c, const struct cert *ca);
/* Is this certificate on it? */
bool crl_has(const struct crl *c, const struct cert *x);
int crl_set_add_der(struct crl_set *s, struct rbuf der, struct err *e);
int crl_set_add_pem(struct crl_set *s, const char *pem, size_t len,
    struct err *e);
void crl_set_fini(struct crl_set *s);

/* ------------------------------------------------------------- to look at */

#define CERT_KEYS(X)				\
	X(CERT_KEY_OTHER, 0, "other")		\
	X(CERT_KEY_RSA, 1, "rsa")		\
	X(CERT_KEY_P256, 2, "p256")		\
	X(CERT_KEY_P384, 3, "p384")		\
	X(CERT_KEY_P521, 4, "p521")		\
	X(CERT_KEY_ED25519, 5, "ed25519")

enum cert_key { CERT_KEYS(NAME_ENUM) };
extern const struct name cert_key_names[];

enum cert_key cert_key_kind(const struct cert *c);
enum cert_key cert_pkey_kind(const struct evp_pkey_st *k);
int cert_key_bits(const struct cert *c);

/* RFC 4514 text, escaped.  Returns out. */
const char *cert_subject(const struct cert *c, char *out, size_t out_len);
const char *cert_issuer(const struct cert *c, char *out, size_t out_len);
const char *cert_serial(const struct cert *c, char *out, size_t out_len);
bool cert_self_issued(const struct cert *c);	/* issuer = subject */
/* Signed by its own key: a root.  A certificate that links a CA's new key to
 * its old one (RFC 4210, 4.4) is self-issued, but no root. */
bool cert_self_signed(const struct cert *c);
bool cert_is_ca(const struct cert *c);		/* basicConstraints */

/* Seconds since 1970; INT64_MAX when it never ends (99991231235959Z). */
int64_t cert_not_before(const struct cert *c);
int64_t cert_not_after(const struct cert *c);

/* SHA-256 of the certificate. */
void cert_fingerprint(const struct cert *c, uint8_t out[32]);
/* SHA-1 of the SubjectPublicKeyInfo: what a CERTREQ lists (RFC 7296, 3.7). */
void cert_key_hash(const struct cert *c, uint8_t out[20]);

/*
 * Identities of the certificate, in the order subjectAltName entries (DNS,
 * email, IP), then the subject DN if it is not empty.  Calls fn for each until
 * it returns non-zero, and returns that, else 0.
 */
int cert_each_ident(const struct cert *c,
    int (*fn)(void *arg, const struct ident *id), void *arg);

/* The first of them: what this certificate's owner sends as its IKE ID. */
int cert_ident(const struct cert *c, struct ident *id, struct err *e);

/* May the owner call itself id (RFC 4945, 3.1 and 5.1.3)?  Exact match with a
 * SAN entry of the same type, or of the whole subject DN. */
bool cert_has_ident(const struct cert *c, const struct ident *id);

#endif
