/* What OpenSSL's path validation does not ask. */
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/verdict_int.h"

static void
check_strength_of(const struct verdict_ask *ask, struct verdict *v,
    const struct cert *c, bool is_anchor)
{
	int md = NID_undef, bits = cert_key_bits(c);
	int least = ask->allow_weak ? 1024 : RSA_BITS_MIN;
	enum cert_key kind = cert_key_kind(c);
	char who[VERDICT_TEXT];

	if (kind == CERT_KEY_OTHER)
		verdict_fail(v, VERDICT_STRENGTH, VERDICT_WEAK, "%s: its key is none "
		    "of RSA, P-256, P-384, P-521, Ed25519",
		    cert_subject(c, who, sizeof(who)));
	if (kind == CERT_KEY_RSA && bits < least)
		verdict_fail(v, VERDICT_STRENGTH, VERDICT_WEAK, "%s: RSA key of %d "
		    "bits", cert_subject(c, who, sizeof(who)), bits);
	/* An anchor's own signature proves nothing, so nobody checks it. */
	if (is_anchor)
		return;
	(void)X509_get_signature_info((X509 *)cert_x509(c), &md, NULL, NULL,
	    NULL);
	if (md != NID_sha256 && md != NID_sha384 && md != NID_sha512 &&
	    !(md == NID_undef && X509_get_signature_nid(cert_x509(c)) ==
	    NID_ED25519) && !(md == NID_sha1 && ask->allow_weak))
		verdict_fail(v, VERDICT_STRENGTH, VERDICT_WEAK, "%s: signed with %s",
		    cert_subject(c, who, sizeof(who)), md == NID_undef ?
		    "an unknown hash" : OBJ_nid2ln(md));
}

void
verdict_check_strength(const struct verdict_ask *ask, struct verdict *v)
{
	struct name_buf nb;
	size_t i;

	check_strength_of(ask, v, ask->leaf, false);
	for (i = 1; i < v->path.n; i++)
		check_strength_of(ask, v, v->path.v[i],
		    i + 1 == v->path.n);
	verdict_say(v, VERDICT_STRENGTH, VERDICT_PASS, "%s key of %d bits",
	    name_text(cert_key_names, cert_key_kind(ask->leaf), &nb),
	    cert_key_bits(ask->leaf));
}

static bool
is_anchor(const struct verdict_ask *ask, const struct cert *c)
{
	size_t i;

	for (i = 0; i < ask->anchors->n; i++)
		if (cert_equal(ask->anchors->v[i], c))
			return true;
	return false;
}

/* RFC 4945, 5.1.3.2: digitalSignature or nonRepudiation, when stated. */
static void
check_key_usage(const struct verdict_ask *ask, struct verdict *v)
{
	X509 *x = (X509 *)cert_x509(ask->leaf);
	uint32_t flags = X509_get_extension_flags(x);

	if (flags & EXFLAG_INVALID)
		verdict_fail(v, VERDICT_USAGE, VERDICT_BROKEN, "one of its extensions "
		    "is malformed");
	if (flags & EXFLAG_KUSAGE && !(X509_get_key_usage(x) &
	    (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		verdict_fail(v, VERDICT_USAGE, VERDICT_WRONG_USAGE, "its key usage "
		    "lacks digitalSignature");
	if (cert_is_ca(ask->leaf) && !is_anchor(ask, ask->leaf))
		verdict_fail(v, VERDICT_USAGE, VERDICT_WRONG_USAGE, "it belongs to a "
		    "CA, not to a peer");
}

/* Usages that let a peer in. */
static const struct {
	const char	*oid, *name;
} ours[] = {
	{ "2.5.29.37.0", "any" },
	{ "1.3.6.1.5.5.7.3.17", "ipsecIKE" },	/* RFC 4945, 5.1.3.12 */
	{ "1.3.6.1.5.5.8.2.2", "iKEIntermediate" },
};

/* One usage, by its short name or number; true when it is ours. */
static bool
usage_name(const ASN1_OBJECT *o, char *out, size_t len)
{
	int nid = OBJ_obj2nid(o);
	size_t i;

	out[0] = '\0';
	(void)OBJ_obj2txt(out, (int)len, o, 1);
	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(out, ours[i].oid) == 0) {
			snprintf(out, len, "%s", ours[i].name);
			return true;
		}
	if (nid != NID_undef)
		snprintf(out, len, "%s", OBJ_nid2sn(nid));
	return false;
}

/* Names the usages in out; true when one of them is ours. */
static bool
usage_fits(EXTENDED_KEY_USAGE *eku, char *out, size_t len)
{
	bool fits = false;
	size_t n = 0;
	int i;

	out[0] = '\0';
	for (i = 0; i < sk_ASN1_OBJECT_num(eku); i++) {
		char name[80];

		fits = usage_name(sk_ASN1_OBJECT_value(eku, i), name,
		    sizeof(name)) || fits;
		if (n < len)
			n += (size_t)snprintf(out + n, len - n, "%s%s",
			    i > 0 ? ", " : "", name);
	}
	return fits;
}

void
verdict_check_usage(const struct verdict_ask *ask, struct verdict *v)
{
	char text[VERDICT_TEXT];
	int crit = -1;
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(cert_x509(ask->leaf),
	    NID_ext_key_usage, &crit, NULL);

	check_key_usage(ask, v);
	if (eku == NULL && crit != -1)
		verdict_fail(v, VERDICT_USAGE, VERDICT_BROKEN, "its extended key "
		    "usage is malformed");
	else if (eku == NULL)
		verdict_say(v, VERDICT_USAGE, VERDICT_PASS, "no extended key usage, "
		    "so any");
	else if (!usage_fits(eku, text, sizeof(text)) && !ask->any_usage)
		verdict_fail(v, VERDICT_USAGE, VERDICT_WRONG_USAGE, "its extended key "
		    "usage is only for %s", text);
	else
		verdict_say(v, VERDICT_USAGE, VERDICT_PASS, "extended key usage %s",
		    text);
	EXTENDED_KEY_USAGE_free(eku);
	ERR_clear_error();
}

static bool
any_pattern(const struct verdict_ask *ask)
{
	const char *const *p = ask->patterns;

	if (p == NULL || *p == NULL)
		return true;
	for (; *p != NULL; p++)
		if (ident_matches(ask->id, *p))
			return true;
	return false;
}

void
verdict_check_name(const struct verdict_ask *ask, struct verdict *v)
{
	char text[VERDICT_TEXT];

	if (ask->id == NULL) {
		verdict_say(v, VERDICT_NAME, VERDICT_SKIPPED, "no identity was asked "
		    "for");
		return;
	}
	ident_text(ask->id, text, sizeof(text));
	if (!cert_has_ident(ask->leaf, ask->id))
		verdict_fail(v, VERDICT_NAME, VERDICT_WRONG_NAME, "it does not name "
		    "%s", text);
	else if (!any_pattern(ask))
		verdict_fail(v, VERDICT_NAME, VERDICT_WRONG_NAME, "%s is not one of "
		    "the peers that policy admits", text);
	else
		verdict_say(v, VERDICT_NAME, VERDICT_PASS, "it names %s", text);
}

/* What an issuer up the path has, where the leaf says "inherit". */
static void
inherit(struct verdict *v)
{
	struct blocks up;
	size_t i, k;

	for (i = 1; i < v->path.n && (v->blocks.inherit4 ||
	    v->blocks.inherit6); i++) {
		if (blocks_of(v->path.v[i], &up, NULL) < 0)
			return;
		for (k = 0; k < up.n; k++) {
			bool four = up.v[k].addr.len == 4;

			if (four ? v->blocks.inherit4 : v->blocks.inherit6)
				(void)blocks_add(&v->blocks, &up.v[k], NULL);
		}
		v->blocks.inherit4 = v->blocks.inherit4 && up.inherit4;
		v->blocks.inherit6 = v->blocks.inherit6 && up.inherit6;
	}
}

void
verdict_check_blocks(const struct verdict_ask *ask, struct verdict *v)
{
	char text[VERDICT_TEXT];
	struct err e;

	err_clear(&e);
	if (blocks_of(ask->leaf, &v->blocks, &e) < 0) {
		verdict_fail(v, VERDICT_BLOCKS, VERDICT_BROKEN, "%.200s", e.msg);
		return;
	}
	if (!v->blocks.present && ask->need_blocks)
		verdict_fail(v, VERDICT_BLOCKS, VERDICT_NO_BLOCKS, "it has no address "
		    "blocks, and policy wants them");
	if (!v->blocks.present) {
		verdict_say(v, VERDICT_BLOCKS, VERDICT_SKIPPED, "it has no address "
		    "blocks");
		return;
	}
	inherit(v);
	verdict_say(v, VERDICT_BLOCKS, VERDICT_PASS, "%s",
	    blocks_text(&v->blocks, text, sizeof(text)));
}
