#ifndef PKI_DESK_H
#define PKI_DESK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"
#include "msg/types.h"
#include "pki_audit.h"
#include "pki_issue.h"
#include "pki_store.h"

/*
 * What the CA answers to those who come from outside: the half of `serve` that
 * has the CA's key and no socket.  One question in, one answer out; the time
 * is given.
 */
#define DESK_KEYS	4

struct desk {
	struct pki_store	*store;
	/* Keys of the CA, borrowed: the one that issues, then those that only
	 * sign lists now; and their generations. */
	struct pki_ca		 cas[DESK_KEYS];
	int64_t			 generations[DESK_KEYS];
	size_t			 n_cas;
	/* Asked before each question: has the CA another key?  May be NULL. */
	int			(*refresh)(void *arg, struct err *e);
	void			*arg;
	const struct secret	*pass;		/* that locks keys; or NULL */
	/* Of its certificate for TLS, between blanks: the half that asks for
	 * it, and may have been taken over, has no say in that. */
	const char		*names;
	uint64_t		 crl_days;
	bool			 scep_legacy;	/* 3DES and SHA-1 */
	bool			 need_proof;	/* of the old key, to renew */
	/* SCEP's own certificate, when the CA's key is not RSA; owned. */
	X509			*ra;
	EVP_PKEY		*ra_key;
	int64_t			 now;		/* of the question at hand */
	bool			 noted;		/* its refusal is written down */
	struct desk_crl		*crls;		/* the newest of each, owned */
	int64_t			 noted_at;	/* this minute's rows of what */
	unsigned		 notes;		/* anybody can make us write */
	struct secret		*tls;		/* what desk_tls gave */
	int64_t			 tls_made, tls_until; /* and gives again between */
};
void desk_fini(struct desk *d);
/* The CA has another key: SCEP's certificate and that for TLS are made anew. */
void desk_forget_keys(struct desk *d);

struct desk_reply {
	struct pki_web_reply	 head;	/* id and size are filled by others */
	struct secret		*body;	/* or NULL; the caller's to free */
	struct err		 why;	/* of a refusal, for the log */
};

/* Fills *r whatever comes; r->head.status tells. */
typedef void desk_fn(struct desk *d, const struct pki_web_ask *a,
    struct rbuf body, int64_t now, struct desk_reply *r);
void desk_answer(struct desk *d, const struct pki_web_ask *a,
    struct rbuf body, int64_t now, struct desk_reply *r);
void desk_reply_fini(struct desk_reply *r);

/* For the handlers: a body of this type; a refusal in plain words. */
void desk_say(struct desk_reply *r, const char *type, const void *octets,
    size_t len);
void desk_say_base64(struct desk_reply *r, const char *type,
    const void *octets, size_t len);
void desk_refuse(struct desk_reply *r, unsigned status, const struct err *e);

desk_fn desk_index, desk_ca_der, desk_ca_pem, desk_crl, desk_crl_first;
desk_fn desk_ocsp, desk_scep;
desk_fn est_cacerts, est_enroll, est_reenroll, est_csrattrs;

/* The newest list of this key, 0: of the one that issues; the caller frees it.
 * ENOENT: that key signs no more. */
X509_CRL *desk_crl_x509(struct desk *d, int64_t generation, int64_t now,
    struct err *e);

/* A key and a certificate of this server for TLS and those above it, in PEM;
 * head.next: when a new one is wanted; before that the same one is given, so
 * that nobody has us issue without end.  No path leads here. */
#define PKI_DESK_TLS	255		/* as route */
desk_fn desk_tls;

/* ------------------------------------------------------------ enrolment */

enum desk_says {
	DESK_ISSUED,		/* *out */
	DESK_WAIT,
	DESK_REFUSED,		/* *e: EACCES who; EPERM may not; else what */
	DESK_FAILED,		/* *e: ours; try again */
};
struct desk_enrol {
	const char	*protocol, *from;
	/* By a token (password NULL: it was judged before), */
	const char	*user, *password;
	/* or by a certificate that the client has proved to have. */
	struct rbuf	 certificate;
	bool		 proven;	/* here, not only to TLS */
	bool		 identical;	/* the request must repeat its names */
	struct rbuf	 request;	/* PKCS#10 DER */
};
/* Judges, issues and writes down, all in one transaction. */
enum desk_says desk_enrol(struct desk *d, const struct desk_enrol *q,
    int64_t now, X509 **out, struct err *e);

/* For what was refused before it came to that; q: protocol and from. */
void desk_note_refusal(struct desk *d, const struct desk_enrol *q,
    int64_t now, struct err *why);

#endif
