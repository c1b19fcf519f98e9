/* Whom enrolment trusts, and what it takes; the interface is in pki_enroll.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "crypto/verdict.h"
#include "pki_enroll.h"

#define SHA1_LEN	20
#define SHA256_LEN	32
#define CLOCKS_DIFFER	60	/* seconds */

/* Its length in octets; -1 with e. */
static int
parse_print(const char *text, uint8_t out[ENROLL_PRINT_MAX], struct err *e)
{
	char digits[2 * ENROLL_PRINT_MAX + 1];
	struct wbuf w = wbuf_of(out, ENROLL_PRINT_MAX);
	size_t len = 0;

	for (; *text != '\0'; text++) {
		if (*text == ':' || *text == ' ')
			continue;
		if (!isxdigit((unsigned char)*text) ||
		    len + 1 == sizeof(digits))
			len = sizeof(digits);
		if (len == sizeof(digits))
			break;
		digits[len++] = *text;
	}
	if (len == 32)
		return err_set(e, EINVAL, "fingerprint: MD5 proves nothing; "
		    "ask for SHA-256 (certutil -hashfile FILE SHA256)");
	if (len != 2 * SHA1_LEN && len != 2 * SHA256_LEN)
		return err_set(e, EINVAL, "fingerprint: 64 hexadecimal digits "
		    "(SHA-256) are wanted, or 40 (SHA-1)");
	digits[len] = '\0';
	if (text_unhex(digits, &w, e) < 0)
		return err_in(e, "fingerprint");
	return (int)w.len;
}

int
enroll_print_parse(const char *text, struct enroll *n, struct err *e)
{
	int len = parse_print(text, n->print, e);

	if (len < 0)
		return -1;
	n->print_len = (size_t)len;
	return 0;
}

int
enroll_ra_parse(const char *text, struct enroll *n, struct err *e)
{
	int len;

	if (n->n_ras == ENROLL_RAS)
		return err_set(e, EINVAL, "at most %d RAs", ENROLL_RAS);
	if ((len = parse_print(text, n->ras[n->n_ras], e)) < 0)
		return -1;
	if (len != SHA256_LEN)
		return err_set(e, EINVAL, "fingerprint: SHA-256 is wanted");
	n->n_ras++;
	return 0;
}

bool
enroll_is_ra(const struct enroll *n, const struct cert *c)
{
	uint8_t print[SHA256_LEN];
	size_t i;

	cert_fingerprint(c, print);
	for (i = 0; i < n->n_ras; i++)
		if (memcmp(print, n->ras[i], sizeof(print)) == 0)
			return true;
	return false;
}

static bool
print_matches(const struct enroll *n, const struct cert *c)
{
	const EVP_MD *md = n->print_len == SHA1_LEN ? EVP_sha1() :
	    EVP_sha256();
	unsigned char got[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return X509_digest(cert_x509(c), md, got, &len) == 1 &&
	    len == n->print_len && memcmp(got, n->print, len) == 0;
}

static bool
signed_by(const struct cert *c, const struct cert *by)
{
	X509 *x = (X509 *)(uintptr_t)cert_x509(c);
	X509 *up = (X509 *)(uintptr_t)cert_x509(by);
	bool ok = X509_check_issued(up, x) == X509_V_OK &&
	    X509_verify(x, X509_get0_pubkey(up)) == 1;

	ERR_clear_error();
	return ok;
}

static struct cert *
issuer_of(const struct cert_set *s, const struct cert *c)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (cert_is_ca(s->v[i]) && signed_by(c, s->v[i]))
			return s->v[i];
	return NULL;
}

/*
 * The root just above a certificate that is trusted: who holds the key that
 * signed it, and signed itself with that, is that CA.  Not further up: anybody
 * can certify a key of others, and be the root above that.  Without one, the
 * certificate itself.
 */
static struct cert *
top_of(const struct cert_set *s, struct cert *c)
{
	size_t i;

	if (cert_self_issued(c))
		return c;
	for (i = 0; i < s->n; i++)
		if (cert_is_ca(s->v[i]) && cert_self_issued(s->v[i]) &&
		    signed_by(s->v[i], s->v[i]) && signed_by(c, s->v[i]))
			return s->v[i];
	return c;
}

static bool
is_anchor(const struct enroll *n, const struct cert *c)
{
	size_t i;

	for (i = 0; i < n->anchors.n; i++)
		if (cert_equal(n->anchors.v[i], c))
			return true;
	return false;
}

/* A root that has ended is left behind. */
static int
anchor(struct enroll *n, struct cert *c, struct err *e)
{
	return is_anchor(n, c) || cert_not_after(c) < n->now ? 0 :
	    cert_set_add(&n->anchors, c, e);
}

static int
anchor_all(struct enroll *n, const struct cert_set *s, bool roots,
    struct err *e)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if ((!roots || (cert_is_ca(s->v[i]) &&
		    cert_self_issued(s->v[i]))) && anchor(n, s->v[i], e) < 0)
			return -1;
	return 0;
}

static int
anchor_print(struct enroll *n, struct err *e)
{
	size_t i;

	for (i = 0; i < n->ca.n; i++)
		if (print_matches(n, n->ca.v[i]))
			return anchor(n, top_of(&n->ca, n->ca.v[i]), e);
	return 0;
}

/* What the server says, whatever it is: its roots, else its CAs. */
static int
anchor_accepted(struct enroll *n, struct err *e)
{
	size_t i;

	if (anchor_all(n, &n->ca, true, e) < 0)
		return -1;
	for (i = 0; n->anchors.n == 0 && i < n->ca.n; i++)
		if (cert_is_ca(n->ca.v[i]) && anchor(n, n->ca.v[i], e) < 0)
			return -1;
	return 0;
}

/* The certificate whose fingerprint a person would compare. */
static const struct cert *
shown(const struct enroll *n)
{
	size_t i;

	for (i = 0; i < n->ca.n; i++)
		if (cert_is_ca(n->ca.v[i]))
			return top_of(&n->ca, n->ca.v[i]);
	return n->ca.n > 0 ? n->ca.v[0] : NULL;
}

static int
untrusted(const struct enroll *n, struct err *e)
{
	const struct cert *c = shown(n);
	uint8_t print[SHA256_LEN];
	char hex[2 * SHA256_LEN + 1], subject[96];

	if (c == NULL)
		return err_set(e, EBADMSG, "the server shows no certificate "
		    "of a CA");
	cert_fingerprint(c, print);
	text_hex(print, sizeof(print), hex, sizeof(hex));
	cert_subject(c, subject, sizeof(subject));
	return n->print_len > 0 ?
	    err_set(e, EACCES, "the server's CA is not the one of "
	    "--fingerprint: it shows %s with SHA-256 %s", subject, hex) :
	    err_set(e, EACCES, "is the CA the right one?  The server shows %s "
	    "with SHA-256 %s: if its operator says the same, give it as "
	    "--fingerprint", subject, hex);
}

/* Which of n->ca are anchors, or signed by one, or by one of these that is a
 * CA.  Until nothing changes, so that no order and no circle matters. */
static void
mark(const struct enroll *n, bool led[CERT_SET_MAX])
{
	const struct cert_set *s = &n->ca;
	bool changed = true;
	size_t i, j;

	for (i = 0; i < s->n; i++)
		led[i] = is_anchor(n, s->v[i]) ||
		    issuer_of(&n->anchors, s->v[i]) != NULL;
	while (changed) {
		changed = false;
		for (i = 0; i < s->n; i++)
			for (j = 0; !led[i] && j < s->n; j++)
				if (led[j] && cert_is_ca(s->v[j]) &&
				    signed_by(s->v[i], s->v[j]))
					led[i] = changed = true;
	}
}

bool
enroll_leads_up(const struct enroll *n, const struct cert *c)
{
	bool led[CERT_SET_MAX] = { false };
	size_t i;

	if (is_anchor(n, c) || issuer_of(&n->anchors, c) != NULL)
		return true;
	mark(n, led);
	for (i = 0; i < n->ca.n; i++)
		if (led[i] && (cert_equal(n->ca.v[i], c) ||
		    (cert_is_ca(n->ca.v[i]) && signed_by(c, n->ca.v[i]))))
			return true;
	return false;
}

/* Is there a certificate for the key of `root` that one of the first `given`
 * anchors itself has signed?  What is below an anchor may be anybody's CA, and
 * has no say in whom else to trust. */
static bool
is_linked(const struct enroll *n, const struct cert *root, size_t given)
{
	EVP_PKEY *key = X509_get0_pubkey(cert_x509(root));
	bool found = false;
	size_t i, j;

	for (i = 0; !found && i < n->ca.n; i++) {
		const struct cert *c = n->ca.v[i];

		if (!cert_is_ca(c) || !cert_self_issued(c) ||
		    cert_not_after(c) < n->now || X509_NAME_cmp(
		    X509_get_subject_name(cert_x509(c)),
		    X509_get_subject_name(cert_x509(root))) != 0 ||
		    EVP_PKEY_eq(X509_get0_pubkey(cert_x509(c)), key) != 1)
			continue;
		for (j = 0; !found && j < given; j++)
			found = signed_by(c, n->anchors.v[j]);
	}
	ERR_clear_error();
	return found;
}

/* A CA whose key changes: the new root, of the same name, is vouched for by
 * a certificate for its key from the old one (RFC 4210, 4.4). */
static int
anchor_next(struct enroll *n, struct err *e)
{
	size_t i, given = n->anchors.n;

	for (i = 0; i < n->ca.n; i++)
		if (cert_is_ca(n->ca.v[i]) &&
		    signed_by(n->ca.v[i], n->ca.v[i]) &&
		    is_linked(n, n->ca.v[i], given) &&
		    anchor(n, n->ca.v[i], e) < 0)
			return -1;
	return 0;
}

int
enroll_trust(struct enroll *n, struct err *e)
{
	if (n->trust != NULL && anchor_all(n, n->trust, false, e) < 0)
		return -1;
	if (n->ca.n == 0 && n->protocol->late)
		return 0;
	if (n->print_len > 0 && anchor_print(n, e) < 0)
		return -1;
	if ((n->accept || n->vouched) && anchor_accepted(n, e) < 0)
		return -1;
	return n->anchors.n > 0 ? anchor_next(n, e) : untrusted(n, e);
}

/* ------------------------------------------------------------------ judge */

/* What a certificate is not kept with: it is not ours, or not the CA's. */
static bool
is_fatal(enum verdict_code code)
{
	switch (code) {
	case VERDICT_UNTRUSTED:
	case VERDICT_BAD_SIGNATURE:
	case VERDICT_BAD_CHAIN:
	case VERDICT_BROKEN:
	case VERDICT_FAILED:
	case VERDICT_EXPIRED:
	case VERDICT_REVOKED:
		return true;
	case VERDICT_OK:
	case VERDICT_NOT_YET:
	case VERDICT_NO_CRL:
	case VERDICT_WEAK:
	case VERDICT_WRONG_NAME:
	case VERDICT_WRONG_USAGE:
	case VERDICT_EXCEEDS:
	case VERDICT_NO_BLOCKS:
	case VERDICT_NOT_ITS_OWN:
		break;
	}
	return false;
}

/* What came along and what the server showed: the way up is among them. */
static int
gather(const struct enroll *n, struct cert_set *others, struct err *e)
{
	size_t i;

	for (i = 1; i < n->chain.n; i++)
		if (cert_set_add(others, n->chain.v[i], e) < 0)
			return -1;
	for (i = 0; i < n->ca.n; i++)
		if (cert_set_add(others, n->ca.v[i], e) < 0)
			return -1;
	return 0;
}

/* A CA whose key has changed: for peers that know only the old one, what links
 * the new one to it goes along. */
static int
add_links(const struct enroll *n, struct cert_set *chain, struct err *e)
{
	const struct cert *last = chain->v[chain->n - 1];
	size_t i;

	for (i = 0; i < n->ca.n; i++) {
		struct cert *c = n->ca.v[i];

		if (cert_is_ca(c) && cert_self_issued(c) && !signed_by(c, c) &&
		    signed_by(last, c) && enroll_leads_up(n, c) &&
		    cert_set_add(chain, c, e) < 0)
			return -1;
	}
	return 0;
}

/* The chain that is kept: the way up without a root. */
static int
shorten(struct enroll *n, const struct cert_set *path, struct err *e)
{
	struct cert_set chain = { .n = 0 };
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < path->n; i++)
		if (i == 0 || !cert_self_issued(path->v[i]))
			rc = cert_set_add(&chain, path->v[i], e);
	if (rc < 0 || add_links(n, &chain, e) < 0) {
		cert_set_fini(&chain);
		return -1;
	}
	cert_set_fini(&n->chain);
	n->chain = chain;
	return 0;
}

/* Made just now, by a clock that is a little ahead of ours. */
static int64_t
judged_at(const struct enroll *n)
{
	int64_t from = cert_not_before(n->chain.v[0]);

	return from > n->now && from - n->now <= CLOCKS_DIFFER ? from :
	    n->now;
}

static int
verdict_takes(struct enroll *n, const struct cert_set *others, struct err *e)
{
	struct verdict_ask ask = { .leaf = n->chain.v[0], .others = others,
		.anchors = &n->anchors, .at = judged_at(n) };
	struct verdict *v = n->verdict;
	int i, rc = 0;

	verdict_make(&ask, v);
	for (i = 0; rc == 0 && i < VERDICT_N; i++)
		if (v->checks[i].result == VERDICT_FAIL &&
		    is_fatal(v->checks[i].code))
			rc = err_set(e, EPERM, "the certificate that came is "
			    "not taken: %s", v->checks[i].text);
	return rc == 0 && v->path.n > 0 ? shorten(n, &v->path, e) : rc;
}

int
enroll_judge(struct enroll *n, struct err *e)
{
	struct cert_set others = { .n = 0 };
	X509 *leaf;
	int rc;

	if (n->chain.n == 0)
		return err_set(e, EBADMSG, "no certificate came");
	leaf = (X509 *)(uintptr_t)cert_x509(n->chain.v[0]);
	if (X509_check_private_key(leaf, n->key) != 1) {
		ERR_clear_error();
		return err_set(e, EPERM, "the certificate that came is not "
		    "for our key");
	}
	rc = gather(n, &others, e);
	if (rc == 0)
		rc = verdict_takes(n, &others, e);
	cert_set_fini(&others);
	return rc;
}
