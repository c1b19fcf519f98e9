#ifndef PKI_ENROLL_H
#define PKI_ENROLL_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/err.h"
#include "base/secret.h"
#include "crypto/cert.h"
#include "pki_issue.h"

/*
 * A certificate from somebody else's CA.  The frame (pki_enroll.c) makes key
 * and request, decides whom to trust and judges what comes back; a protocol
 * carries the request there and the certificate here:
 *
 *	hello		what the server says about itself: its CA certificates
 *	(trust)		the frame: fingerprint, given anchors
 *	(request)	the frame: PKCS#10
 *	ask		send it
 *	poll		while it is pending, again
 *	(judge)		the frame: key, path, blocks
 *
 * Nothing secret (challenge, password) is sent before anchors is filled,
 * unless it can not be read by who has no right to.
 */
enum enroll_answer {
	ENROLL_DONE,		/* chain is filled */
	ENROLL_PENDING,		/* retry_after may be */
	ENROLL_FAILED,		/* *e: EPERM refused, for good; else as http */
};

#define ENROLL_PRINT_MAX 32	/* octets of a fingerprint */
#define ENROLL_RAS	4

struct enroll;
struct verdict;

struct enroll_protocol {
	const char	*name;
	const char	*help;
	const char	*key_type;	/* when none is asked for */
	bool		 rsa_only;
	bool		 challenge;	/* goes into the request */
	bool		 proof;		/* so does that of pki_proof.h */
	bool		 late;		/* CA certificates come with the answer */
	/* Fill n->ca (and, if it vouches for them, n->vouched). */
	int (*hello)(struct enroll *n, struct err *e);
	enum enroll_answer (*ask)(struct enroll *n, struct err *e);
	enum enroll_answer (*poll)(struct enroll *n, struct err *e);
	/* Free n->state; n->state may be NULL. */
	void (*end)(struct enroll *n);
	/* One line about what hello learnt, for --dry-run; may be NULL. */
	const char *(*describe)(const struct enroll *n, char *out, size_t len);
	/* After DONE: the CA's revocation list, DER; may be NULL. */
	struct secret *(*crl)(struct enroll *n, struct err *e);
};
extern const struct enroll_protocol enroll_scep, enroll_est, enroll_cmp;
#define ENROLL_PROTOCOLS "scep|est|cmp"
/* Ends in NULL; a protocol that comes adds its row there. */
extern const struct enroll_protocol *const enroll_protocols[];
const struct enroll_protocol *enroll_find(const char *name, struct err *e);

struct enroll {
	const struct enroll_protocol	*protocol;
	/* What is wanted; borrowed. */
	const char		*url;
	const char		*label;		/* which CA of the server; or NULL */
	const char		*user;		/* EST user, CMP reference; or NULL */
	const struct secret	*challenge;	/* challenge, password; or NULL */
	const char		*subject;	/* RFC 4514; NULL: CN=want->name */
	const char		*template;	/* Microsoft's; or NULL */
	const struct pki_want	*want;		/* name, subjectAltName */
	bool			 legacy;	/* 3DES, SHA-1 */
	unsigned		 seconds;	/* of one exchange; 0: default */
	int64_t			 now;		/* wall, of this attempt */

	EVP_PKEY		*key;		/* of the new certificate */
	X509_REQ		*request;	/* made by the frame, owned */

	/* Renewal: what we are now, leaf first; n is 0 for the first time. */
	const struct cert_set	*old;
	EVP_PKEY		*old_key;

	/* Whom to trust: given by the user ... */
	const struct cert_set	*trust;		/* or NULL */
	size_t			 print_len;	/* 0, 20 (SHA-1), 32 (SHA-256) */
	uint8_t			 print[ENROLL_PRINT_MAX];
	bool			 accept;	/* whatever the server says */
	size_t			 n_ras;		/* SHA-256 of RAs of SCEP that do */
	uint8_t			 ras[ENROLL_RAS][ENROLL_PRINT_MAX]; /* not say
						 * what they are */
	/* ... as the server says (protocol), and what of it is trusted. */
	struct cert_set		 ca;
	bool			 vouched;	/* a shared secret vouches for ca */
	struct cert_set		 anchors;

	/* The result, leaf first, and what IKE would say of it. */
	struct cert_set		 chain;
	struct verdict		*verdict;
	uint64_t		 retry_after;	/* seconds; 0: not said */
	void			*state;		/* the protocol's */
};

/* Hexadecimal, with or without colons: SHA-256, or SHA-1. */
int enroll_print_parse(const char *text, struct enroll *n, struct err *e);

/* SHA-256 of an RA; is this one of them? */
int enroll_ra_parse(const char *text, struct enroll *n, struct err *e);
bool enroll_is_ra(const struct enroll *n, const struct cert *c);

/*
 * Fill n->anchors from n->ca: what the fingerprint names (or the root that
 * signed it), what --trust holds, all when accepted or vouched for.  EACCES:
 * none of them is trusted, and the sentence tells their fingerprint.  Nothing
 * to do when n->ca is empty and the protocol is late.
 */
int enroll_trust(struct enroll *n, struct err *e);

/* Is it one of n->anchors, or below one by signatures, through n->ca? */
bool enroll_leads_up(const struct enroll *n, const struct cert *c);

/* PKCS#10 into n->request, signed by n->key. */
int enroll_request(struct enroll *n, struct err *e);

/* Is n->chain for our key, and good up to n->anchors now?  Intermediates of
 * n->ca join the chain.  What is only of no use for IKE (usage, names, blocks)
 * is in n->verdict and no error: the challenge is spent. */
int enroll_judge(struct enroll *n, struct err *e);

/* The first two steps: hello and trust. */
int enroll_hello(struct enroll *n, struct err *e);
/* ask, or poll again and again; what is DONE was judged. */
enum enroll_answer enroll_ask(struct enroll *n, struct err *e);
enum enroll_answer enroll_poll(struct enroll *n, struct err *e);

/* Key (locked by pass, or not), chain, anchors: one PEM text. */
struct secret *enroll_bundle(const struct enroll *n,
    const struct secret *pass, struct err *e);

/* Frees what n owns: request, ca, anchors, chain, state. */
void enroll_fini(struct enroll *n);

/* ------------------------------------------------------------------- times */

/* When a certificate is renewed: at 2/3 of its life, and up to a tenth of it
 * earlier, as random (0..2^32-1) says, so that a fleet does not come at once. */
int64_t enroll_renew_at(int64_t from, int64_t to, uint32_t random);
/* What was planned at `planned` for `next`, looked at now: a clock that was set
 * back since by over a minute was wrong when it planned, so it is renew
 * again. */
int64_t enroll_next(int64_t next, int64_t renew, int64_t planned,
    int64_t now);
/* When it is time to cry: 1/3 of its life is left and it was not renewed. */
bool enroll_alarm(int64_t from, int64_t to, int64_t now);
/* Seconds before try number n (0, 1, ...) after a failure: doubled up to a
 * day, never past half of what is left, at least a minute. */
uint64_t enroll_backoff(unsigned n, int64_t left, uint32_t random);

#endif
