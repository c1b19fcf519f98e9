#ifndef CMD_FETCH_H
#define CMD_FETCH_H

#include "cmd.h"
#include "pki_fetch.h"
#include "sys/daemon.h"
#include "sys/link.h"

/*
 * What `fetch` and `watch` share: places are asked, the agent is told.
 */
struct fetch_opts {
	struct opt_list	 trust;
	const char	*cache, *out, *only, *ocsp;
	uint64_t	 every, seconds;
	bool		 install, json;
	struct daemon_opts daemon;
};

/* Ask the place.  1: something new is in f; 0: the same as before; -1: why
 * not.  trust as of pki_fetch_take. */
int cmd_fetch_ask(struct pki_fetch *f, const struct fetch_opts *o,
    const struct cert_set *trust, struct err *e);

/* Hand its lists to the agent, for `only` or ("") for all that know their
 * issuers.  A list that is older than the agent's is no failure. */
int cmd_fetch_tell(struct conn *c, const struct pki_fetch *f,
    const char *only, struct reason *why, struct err *e);

/* The public side of the agent's identities: names, certificates, and all CA
 * certificates of them together. */
struct fetch_id {
	char		 name[64];
	struct cert_set	 chain;		/* leaf first */
	struct cert_set	 anchors;
	bool		 stapled;	/* it has an OCSP response */
};
struct fetch_ids {
	size_t		 n;
	struct fetch_id	 v[64];
	struct cert_set	 trust;
};
/* Of this one, or (NULL) of all. */
int cmd_fetch_ids(struct conn *c, const char *only, struct fetch_ids *out,
    struct err *e);
void cmd_fetch_ids_fini(struct fetch_ids *ids);

/* The issuer of this leaf among them; NULL: it is not there. */
const struct cert *cmd_issuer_of(const struct cert *leaf,
    const struct cert_set *a, const struct cert_set *b);

/* ------------------------------------------------------------------- OCSP */

/* Where to ask about a certificate: url, or ("auto", NULL) what the
 * certificate itself says (RFC 5280, 4.2.2.1).  ENOENT: it says nothing. */
int cmd_ocsp_url(const struct cert *leaf, const char *url, char *out,
    size_t len, struct err *e);

struct ocsp_word;
struct ocsp_job {
	const struct cert	*leaf, *issuer;
	const char		*url;
	uint64_t		 seconds;
	bool			 no_nonce;
	int64_t			 now;
};
/* Ask a responder.  reply (OCSP_MAX octets of room) gets the response, which
 * is verified. */
int cmd_ocsp_ask(const struct ocsp_job *j, struct wbuf *reply,
    struct ocsp_word *out, struct err *e);

/* Responses about the agent's own certificates, kept fresh (watch --ocsp). */
struct ocsp_due {
	char		 name[64];
	uint8_t		 print[32];	/* of the certificate */
	int64_t		 due;		/* wall; 0: at once */
	int64_t		 asked;		/* wall: when that was planned */
	int64_t		 end;		/* nextUpdate of what the agent has */
	unsigned	 fails;
};
struct ocsp_watch {
	size_t		 n;
	struct ocsp_due	 v[64];
};
/* Those that are due, or that the agent has lost, are asked about; the next
 * time is returned. */
int64_t cmd_ocsp_watch(struct ocsp_watch *w, struct conn *c,
    const struct fetch_ids *ids, const struct fetch_opts *o, int64_t now);

#endif
