#ifndef PKI_GRANT_H
#define PKI_GRANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/name.h"
#include "pki_issue.h"
#include "pki_store.h"
#include "pki_token.h"

/*
 * What tokens entitle to: rows of the store.  A grant is for one certificate;
 * taking it and issuing are one transaction.  Of the secret only a hash is
 * kept.  Who asks again with the same key gets the same certificate, so an
 * answer that was lost on its way is no loss.
 */
#define PKI_GRANT_STATES(X)			\
	X(PKI_GRANT_NEW, 0, "new")		\
	X(PKI_GRANT_PENDING, 1, "pending")	/* asked for, not approved */ \
	X(PKI_GRANT_APPROVED, 2, "approved")	\
	X(PKI_GRANT_USED, 3, "used")		\
	X(PKI_GRANT_WITHDRAWN, 4, "withdrawn")

enum pki_grant_state { PKI_GRANT_STATES(NAME_ENUM) };
extern const struct name pki_grant_state_names[];

#define PKI_GRANT_ID		(2 * PKI_TOKEN_ID)	/* letters */
#define PKI_GRANT_PASSWORD	(2 * PKI_TOKEN_SECRET)
#define PKI_GRANT_NAMES		2048	/* with the AS number */
#define PKI_GRANT_BLOCKS	1600

struct pki_grant {
	char			id[PKI_GRANT_ID + 1];	/* hexadecimal */
	char			name[64], profile[16];
	char			names[PKI_GRANT_NAMES];	/* "dns:a ip:b" */
	char			blocks[PKI_GRANT_BLOCKS];	/* prefixes */
	uint32_t		as;	/* number; 0: none */
	uint64_t		days;
	int64_t			made, expires;		/* wall */
	bool			hold;			/* wants an approval */
	enum pki_grant_state	state;
	int64_t			used;
	char			serial[48];
	uint8_t			key[32];		/* who took it; SHA-256 */
};

/* names and blocks of g, from what a certificate is to have. */
int pki_grant_fill(struct pki_grant *g, const struct pki_want *w,
    struct err *e);
/* What is to be issued; it borrows from g, whose names it splits. */
int pki_grant_want(struct pki_grant *g, struct pki_want *w, int64_t now,
    struct err *e);

/* g->id and the rest must be filled; state is new. */
int pki_grant_add(struct pki_store *s, const struct pki_grant *g,
    const uint8_t secret[PKI_TOKEN_SECRET], struct err *e);

/* All, or one; as pki_store_each. */
int pki_grant_each(struct pki_store *s, const char *id_or_name,
    int (*fn)(void *arg, const struct pki_grant *g), void *arg,
    struct err *e);

/* The state that a person is told: "expired" too. */
const char *pki_grant_state_text(const struct pki_grant *g, int64_t now);

/*
 * Whose are id and password (hexadecimal)?  EACCES: nobody's; EPERM: it has
 * expired or was withdrawn.  A used one is found too.
 */
int pki_grant_find(struct pki_store *s, const char *id, const char *password,
    int64_t now, struct pki_grant *g, struct err *e);

/* By its id alone: who asks was judged before.  ENOENT: there is none; EPERM
 * as above. */
int pki_grant_get(struct pki_store *s, const char *id, int64_t now,
    struct pki_grant *g, struct err *e);

enum pki_grant_says {
	PKI_GRANT_ISSUE,	/* then call pki_grant_used */
	PKI_GRANT_AGAIN,	/* g->serial was issued for this key */
	PKI_GRANT_WAIT,		/* it is written down; commit */
	PKI_GRANT_REFUSE,	/* *e: it was used for another key */
	PKI_GRANT_FAILED,
};
/* key: SHA-256 of the SubjectPublicKeyInfo that the certificate is for.  In a
 * transaction, after pki_grant_find in the same. */
enum pki_grant_says pki_grant_take(struct pki_store *s,
    const struct pki_grant *g, const uint8_t key[32], int64_t now,
    struct err *e);
int pki_grant_used(struct pki_store *s, const struct pki_grant *g,
    const uint8_t key[32], const char *serial, int64_t now, struct err *e);

/* ENOENT: there is no such token in a state in which that makes sense. */
int pki_grant_approve(struct pki_store *s, const char *id, struct err *e);
int pki_grant_withdraw(struct pki_store *s, const char *id, struct err *e);

#endif
