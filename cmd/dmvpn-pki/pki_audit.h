#ifndef PKI_AUDIT_H
#define PKI_AUDIT_H

#include <stdint.h>

#include "pki_store.h"

/*
 * What the CA was asked for from outside, and what it did: a table of the
 * store.  What was issued has its row in the same transaction; refusals are
 * kept up to PKI_AUDIT_REFUSALS, the oldest go.
 */
#define PKI_AUDIT_REFUSALS	10000

#define PKI_AUDIT_WHATS(X)			\
	X(PKI_AUDIT_ISSUED, 0, "issued")	\
	X(PKI_AUDIT_AGAIN, 1, "again")	/* the same request, the same answer */ \
	X(PKI_AUDIT_PENDING, 2, "pending")	\
	X(PKI_AUDIT_REFUSED, 3, "refused")	\
	X(PKI_AUDIT_GRANTED, 4, "granted")	/* a token was made */ \
	X(PKI_AUDIT_APPROVED, 5, "approved")	\
	X(PKI_AUDIT_WITHDRAWN, 6, "withdrawn")

enum pki_audit_what { PKI_AUDIT_WHATS(NAME_ENUM) };
extern const struct name pki_audit_what_names[];

struct pki_audit_row {
	int64_t			 at;		/* wall */
	enum pki_audit_what	 what;
	const char		*protocol;	/* "est", "scep", "cli" */
	const char		*from;		/* address; or uid */
	const char		*who;		/* token or certificate; "" */
	const char		*name;
	const char		*serial;	/* of what was issued; "" */
	const char		*why;		/* "" */
};

/* In the transaction that is open, or by itself. */
int pki_audit_add(struct pki_store *s, const struct pki_audit_row *row,
    struct err *e);

/* The newest `last` (0: all) since `from`, oldest first; name NULL: of all.
 * fn as with pki_store_each. */
int pki_audit_each(struct pki_store *s, int64_t from, uint64_t last,
    const char *name, int (*fn)(void *arg, const struct pki_audit_row *row),
    void *arg, struct err *e);

#endif
