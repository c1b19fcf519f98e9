/* What was offered, what was wanted, what is likely to help. */
#include <stdio.h>

#include "crypto/verdict_int.h"

struct names {
	char	*out;
	size_t	 len, n;
};

static int
add_name(void *arg, const struct ident *id)
{
	struct names *s = arg;
	char one[VERDICT_TEXT];

	ident_text(id, one, sizeof(one));
	if (s->n < s->len)
		s->n += (size_t)snprintf(s->out + s->n, s->len - s->n, "%s%s",
		    s->n > 0 ? ", " : "", one);
	return 0;
}

static void
explain_untrusted(const struct verdict_ask *ask, struct verdict *v)
{
	const struct cert *top = v->path.n > 0 ? v->path.v[v->path.n - 1] :
	    ask->leaf;
	char name[VERDICT_TEXT];
	size_t i, n = 0;

	snprintf(v->offered, sizeof(v->offered), "issuer %s",
	    cert_issuer(top, name, sizeof(name)));
	if (ask->anchors->n == 0)
		snprintf(v->wanted, sizeof(v->wanted), "an anchor; none is "
		    "loaded");
	for (i = 0; i < ask->anchors->n && n < sizeof(v->wanted); i++) {
		(void)cert_subject(ask->anchors->v[i], name, sizeof(name));
		if (n == 0 || strstr(v->wanted, name) == NULL)
			n += (size_t)snprintf(v->wanted + n,
			    sizeof(v->wanted) - n, "%s%s", n > 0 ? " or " :
			    "", name);
	}
	snprintf(v->fix, sizeof(v->fix), "have it issued by that CA, or add "
	    "its CA to the anchors, or send the intermediate certificate");
}

static void
explain_time(const struct verdict_ask *ask, struct verdict *v)
{
	char a[32], b[32];
	int64_t from = cert_not_before(ask->leaf);
	int64_t to = cert_not_after(ask->leaf);
	size_t i;

	for (i = 1; i < v->path.n; i++) {
		int64_t t = cert_not_before(v->path.v[i]);

		from = t > from ? t : from;
		t = cert_not_after(v->path.v[i]);
		to = t < to ? t : to;
	}
	snprintf(v->offered, sizeof(v->offered), "valid from %s to %s",
	    verdict_date(from, a), verdict_date(to, b));
	snprintf(v->wanted, sizeof(v->wanted), "valid at %s",
	    verdict_date(ask->at, a));
	snprintf(v->fix, sizeof(v->fix), v->code == VERDICT_EXPIRED ?
	    "issue a new certificate" : "check both clocks");
}

static void
explain_name(const struct verdict_ask *ask, struct verdict *v)
{
	struct names s = { v->offered, sizeof(v->offered), 0 };
	size_t i, n = 0;

	(void)cert_each_ident(ask->leaf, add_name, &s);
	if (!cert_has_ident(ask->leaf, ask->id)) {
		ident_text(ask->id, v->wanted, sizeof(v->wanted));
		snprintf(v->fix, sizeof(v->fix), "issue it with that name as "
		    "subjectAltName, or let the peer send a name it has");
		return;
	}
	for (i = 0; ask->patterns[i] != NULL && n < sizeof(v->wanted); i++)
		n += (size_t)snprintf(v->wanted + n, sizeof(v->wanted) - n,
		    "%s%s", i > 0 ? " or " : "", ask->patterns[i]);
	snprintf(v->fix, sizeof(v->fix), "add it to the peers of the tunnel "
	    "if it may come in");
}

static void
explain_no_crl(const struct verdict_ask *ask, struct verdict *v)
{
	bool ocsp = ask->need_ocsp && !ask->need_crl;

	snprintf(v->wanted, sizeof(v->wanted), "%s", ocsp ? "an OCSP response "
	    "that says good" : "a current CRL of each issuer");
	snprintf(v->fix, sizeof(v->fix), "%s", ocsp ? "let the peer's agent "
	    "have one (dmvpn-pki watch --ocsp)" : "load a new one "
	    "(dmvpn-pki crl)");
}

void
verdict_explain(const struct verdict_ask *ask, struct verdict *v)
{
	switch (v->code) {
	case VERDICT_UNTRUSTED:
		explain_untrusted(ask, v);
		break;
	case VERDICT_EXPIRED:
	case VERDICT_NOT_YET:
		explain_time(ask, v);
		break;
	case VERDICT_WRONG_NAME:
		explain_name(ask, v);
		break;
	case VERDICT_WRONG_USAGE:
		snprintf(v->wanted, sizeof(v->wanted), "digitalSignature; "
		    "ipsecIKE, iKEIntermediate, any or no extended usage");
		snprintf(v->fix, sizeof(v->fix), "issue it with another "
		    "profile, or allow any usage");
		break;
	case VERDICT_WEAK:
		snprintf(v->wanted, sizeof(v->wanted), "RSA of %d to %d bits, "
		    "P-256, P-384, P-521 or Ed25519, with SHA-2",
		    RSA_BITS_MIN, RSA_BITS_MAX);
		snprintf(v->fix, sizeof(v->fix), "issue it anew with a "
		    "stronger key");
		break;
	case VERDICT_EXCEEDS:
		blocks_text(&v->blocks, v->offered, sizeof(v->offered));
		snprintf(v->wanted, sizeof(v->wanted), "blocks inside its "
		    "issuer's");
		snprintf(v->fix, sizeof(v->fix), "issue it with fewer blocks, "
		    "or the CA with more");
		break;
	case VERDICT_NOT_ITS_OWN:	/* who asks knows what */
		break;
	case VERDICT_NO_BLOCKS:
		snprintf(v->wanted, sizeof(v->wanted), "address blocks "
		    "(RFC 3779)");
		snprintf(v->fix, sizeof(v->fix), "issue it with "
		    "--tunnel-address and --subnet");
		break;
	case VERDICT_REVOKED:
		snprintf(v->fix, sizeof(v->fix), "issue a new certificate if "
		    "the peer may come back");
		break;
	case VERDICT_NO_CRL:
		explain_no_crl(ask, v);
		break;
	case VERDICT_OK:
	case VERDICT_BAD_SIGNATURE:
	case VERDICT_BAD_CHAIN:
	case VERDICT_BROKEN:
	case VERDICT_FAILED:
		break;
	}
}
