#ifndef PKI_AUDIT_H
#define PKI_AUDIT_H

#include <stdint.h>

#include "pki_store.h"

/*
 * What the CA was asked for, from outside or by its operator, and what it did:
 * a table of the store.  What was issued, revoked or changed has its row in
 * the same transaction.  Of refusals and repeated answers, which anybody can
 * make us write, those among the newest PKI_AUDIT_REFUSALS rows are kept.
 */
#define PKI_AUDIT_REFUSALS	10000

#define PKI_AUDIT_WHATS(X)			\
	X(PKI_AUDIT_ISSUED, 0, "issued")	\
	X(PKI_AUDIT_AGAIN, 1, "again")	/* the same request, the same answer */ \
	X(PKI_AUDIT_PENDING, 2, "pending")	\
	X(PKI_AUDIT_REFUSED, 3, "refused")	\
	X(PKI_AUDIT_GRANTED, 4, "granted")	/* a token was made */ \
	X(PKI_AUDIT_APPROVED, 5, "approved")	\
	X(PKI_AUDIT_WITHDRAWN, 6, "withdrawn")	\
	X(PKI_AUDIT_REVOKED, 7, "revoked")	\
	X(PKI_AUDIT_CHANGED, 8, "changed")	/* the CA itself */ \
	X(PKI_AUDIT_RELEASED, 9, "released")
#define PKI_AUDIT_WORDS "issued|again|pending|refused|granted|approved|" \
    "withdrawn|revoked|changed|released"

enum pki_audit_what { PKI_AUDIT_WHATS(NAME_ENUM) };
extern const struct name pki_audit_what_names[];

struct pki_audit_row {
	int64_t			 at;		/* wall */
	enum pki_audit_what	 what;
	const char		*protocol;	/* "est", "scep", "cli", "serve" */
	const char		*from;		/* address; or uid */
	const char		*who;		/* token, certificate, command; "" */
	const char		*name;
	const char		*serial;	/* of what was issued; "" */
	const char		*why;		/* "" */
};

/* In the transaction that is open, or by itself. */
int pki_audit_add(struct pki_store *s, const struct pki_audit_row *row,
    struct err *e);

struct pki_audit_filter {
	int64_t		 since;		/* wall; 0: ever */
	uint64_t	 last;		/* the newest so many; 0: all */
	const char	*name;		/* or serial number, or token; NULL: all */
	const char	*what;		/* of pki_audit_what_names; or NULL */
	const char	*protocol;	/* or NULL */
	const char	*from;		/* its beginning; or NULL */
};

/* Oldest first.  fn as with pki_store_each. */
int pki_audit_each(struct pki_store *s, const struct pki_audit_filter *f,
    int (*fn)(void *arg, const struct pki_audit_row *row), void *arg,
    struct err *e);

#endif
