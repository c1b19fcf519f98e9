#include "crypto/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/date.h"
#include "crypto/verdict_int.h"
#include "msg/msg.h"
#include "msg/types.h"

const struct name verdict_check_names[] = { VERDICT_CHECKS(NAME_ROW) NAME_END };
const struct name verdict_result_names[] = { VERDICT_RESULTS(NAME_ROW)
    NAME_END };
const struct name verdict_code_names[] = { VERDICT_CODES(NAME_ROW) NAME_END };

void
verdict_fail(struct verdict *v, enum verdict_check check, enum verdict_code code,
    const char *fmt, ...)
{
	va_list ap;

	if (v->checks[check].result == VERDICT_FAIL)
		return;
	v->checks[check].result = VERDICT_FAIL;
	v->checks[check].code = code;
	va_start(ap, fmt);
	vsnprintf(v->checks[check].text, sizeof(v->checks[check].text), fmt,
	    ap);
	va_end(ap);
}

void
verdict_say(struct verdict *v, enum verdict_check check, enum verdict_result result,
    const char *fmt, ...)
{
	va_list ap;

	if (v->checks[check].result == VERDICT_FAIL)
		return;
	v->checks[check].result = result;
	va_start(ap, fmt);
	vsnprintf(v->checks[check].text, sizeof(v->checks[check].text), fmt,
	    ap);
	va_end(ap);
}

const char *
verdict_date(int64_t t, char out[32])
{
	struct tm tm;

	if (t == INT64_MAX || !date_split(t, &tm) ||
	    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(out, 32, "no end");
	return out;
}

static void
say_walk(const struct verdict_ask *ask, struct verdict *v,
    const struct verdict_walk *w)
{
	char a[VERDICT_TEXT], d[32];

	verdict_say(v, VERDICT_CHAIN, VERDICT_PASS, "%zu certificates up to %s",
	    v->path.n, v->path.n == 0 ? "-" :
	    cert_subject(v->path.v[v->path.n - 1], a, sizeof(a)));
	verdict_say(v, VERDICT_TIME, VERDICT_PASS, "valid until %s",
	    verdict_date(cert_not_after(ask->leaf), d));
	if (w->ocsp_good)
		verdict_say(v, VERDICT_REVOCATION, VERDICT_PASS, "OCSP says it is "
		    "good%s", w->crl_missing ? "; no CRL of one of its issuers" :
		    "");
	else if (w->crl_missing || (!ask->need_crl && (ask->crls == NULL ||
	    ask->crls->n == 0)))
		verdict_say(v, VERDICT_REVOCATION, VERDICT_SKIPPED, "no CRL of %s",
		    w->crl_missing ? "one of its issuers" : "any issuer");
	else
		verdict_say(v, VERDICT_REVOCATION, VERDICT_PASS, "not revoked%s",
		    w->crl_old ? " in a CRL that is out of date" : "");
}

/* Which failure speaks for all: whom we do not trust we do not judge. */
static void
settle(struct verdict *v)
{
	static const enum verdict_check order[VERDICT_N] = { VERDICT_CHAIN,
	    VERDICT_TIME, VERDICT_REVOCATION, VERDICT_STRENGTH, VERDICT_USAGE,
	    VERDICT_NAME, VERDICT_BLOCKS };
	int i;

	for (i = 0; i < VERDICT_N && v->code == VERDICT_OK; i++)
		if (v->checks[order[i]].result == VERDICT_FAIL)
			v->code = v->checks[order[i]].code;
}

void
verdict_make(const struct verdict_ask *ask, struct verdict *v)
{
	struct verdict_walk w = { .ask = ask, .v = v };

	memset(v, 0, sizeof(*v));
	verdict_walk_path(&w);
	verdict_check_ocsp(&w);
	verdict_walk_no_crl(&w);
	verdict_check_strength(ask, v);
	verdict_check_usage(ask, v);
	verdict_check_name(ask, v);
	verdict_check_blocks(ask, v);
	say_walk(ask, v, &w);
	settle(v);
	verdict_explain(ask, v);
	if (v->code != VERDICT_OK)	/* nobody may use what is not proved */
		memset(&v->blocks, 0, sizeof(v->blocks));
}

void
verdict_fini(struct verdict *v)
{
	cert_set_fini(&v->path);
}

static const char *
first_text(const struct verdict *v)
{
	int i;

	for (i = 0; i < VERDICT_N; i++)
		if (v->checks[i].result == VERDICT_FAIL &&
		    v->checks[i].code == v->code)
			return v->checks[i].text;
	return "all checks passed";
}

void
verdict_reason(const struct verdict *v, const char *stage, struct reason *r)
{
	struct name_buf nb;

	reason_set(r, stage, name_text(verdict_code_names, v->code, &nb),
	    "certificate: %s", first_text(v));
	snprintf(r->offered, sizeof(r->offered), "%s", v->offered);
	snprintf(r->wanted, sizeof(r->wanted), "%s", v->wanted);
	snprintf(r->fix, sizeof(r->fix), "%s", v->fix);
}
