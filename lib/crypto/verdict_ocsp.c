/* What an OCSP response adds to the check of revocation. */
#include <errno.h>
#include <stdio.h>

#include "crypto/ocsp.h"
#include "crypto/verdict_int.h"

/* The issuer is judged before who it speaks through. */
static bool
has_issuer(const struct verdict *v)
{
	return v->path.n > 1 &&
	    v->checks[VERDICT_CHAIN].result != VERDICT_FAIL;
}

static void
revoked(struct verdict *v, const struct ocsp_word *w)
{
	struct name_buf nb;
	char when[32];

	verdict_fail(v, VERDICT_REVOCATION, VERDICT_REVOKED, "OCSP says it is "
	    "revoked since %s%s%s", verdict_date(w->revoked, when),
	    w->reason < 0 ? "" : ", ", w->reason < 0 ? "" :
	    name_text(ocsp_reason_names, (uint32_t)w->reason, &nb));
}

void
verdict_check_ocsp(struct verdict_walk *w)
{
	const struct verdict_ask *ask = w->ask;
	struct verdict *v = w->v;
	struct ocsp_ask q = { .leaf = ask->leaf, .crls = ask->crls,
		.at = ask->ocsp_at != 0 ? ask->ocsp_at : ask->at,
		.allow_weak = ask->allow_weak };
	struct ocsp_word word = { .state = OCSP_UNKNOWN };
	struct err e = { 0 };
	bool came = rbuf_left(&ask->ocsp) > 0;

	if ((!came && !ask->need_ocsp) || !has_issuer(v))
		return;
	q.issuer = v->path.v[1];
	if (came && ocsp_read(ask->ocsp, &q, &word, &e) == 0 &&
	    word.state == OCSP_REVOKED)
		revoked(v, &word);
	w->ocsp_good = came && e.code == 0 && word.state == OCSP_GOOD;
	if (!ask->need_ocsp || w->ocsp_good)
		return;
	verdict_fail(v, VERDICT_REVOCATION, VERDICT_NO_CRL, "%s",
	    !came ? "no OCSP response came with it" : e.code != 0 ? e.msg :
	    "the OCSP responder does not know it");
}
