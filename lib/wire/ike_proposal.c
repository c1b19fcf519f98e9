#include "wire/ike_proposal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct word {
	const char	*text;
	uint8_t		 type;
	uint16_t	 id;
	uint16_t	 key_bits;
	bool		 weak;
};

/* The first word of an algorithm is the one that is printed. */
static const struct word words[] = {
	{ "aes128", IKE_T_ENCR, IKE_ENCR_AES_CBC, 128, false },
	{ "aes192", IKE_T_ENCR, IKE_ENCR_AES_CBC, 192, false },
	{ "aes256", IKE_T_ENCR, IKE_ENCR_AES_CBC, 256, false },
	{ "aes128gcm16", IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 128, false },
	{ "aes192gcm16", IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 192, false },
	{ "aes256gcm16", IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 256, false },
	{ "aes128gcm", IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 128, false },
	{ "aes256gcm", IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 256, false },
	{ "aes128gcm128", IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 128, false },
	{ "aes256gcm128", IKE_T_ENCR, IKE_ENCR_AES_GCM_16, 256, false },
	{ "chacha20poly1305", IKE_T_ENCR, IKE_ENCR_CHACHA20_POLY1305, 0,
	    false },
	{ "prfsha1", IKE_T_PRF, IKE_PRF_HMAC_SHA1, 0, true },
	{ "prfsha256", IKE_T_PRF, IKE_PRF_HMAC_SHA256, 0, false },
	{ "prfsha384", IKE_T_PRF, IKE_PRF_HMAC_SHA384, 0, false },
	{ "prfsha512", IKE_T_PRF, IKE_PRF_HMAC_SHA512, 0, false },
	{ "sha1", IKE_T_INTEG, IKE_INTEG_HMAC_SHA1_96, 0, true },
	{ "sha256", IKE_T_INTEG, IKE_INTEG_HMAC_SHA256_128, 0, false },
	{ "sha384", IKE_T_INTEG, IKE_INTEG_HMAC_SHA384_192, 0, false },
	{ "sha512", IKE_T_INTEG, IKE_INTEG_HMAC_SHA512_256, 0, false },
	{ "sha2_256", IKE_T_INTEG, IKE_INTEG_HMAC_SHA256_128, 0, false },
	{ "sha2_384", IKE_T_INTEG, IKE_INTEG_HMAC_SHA384_192, 0, false },
	{ "sha2_512", IKE_T_INTEG, IKE_INTEG_HMAC_SHA512_256, 0, false },
	{ "modpnone", IKE_T_KE, IKE_GROUP_NONE, 0, false },
	{ "modp1024", IKE_T_KE, IKE_GROUP_MODP1024, 0, true },
	{ "modp1536", IKE_T_KE, IKE_GROUP_MODP1536, 0, true },
	{ "modp2048", IKE_T_KE, IKE_GROUP_MODP2048, 0, false },
	{ "modp3072", IKE_T_KE, IKE_GROUP_MODP3072, 0, false },
	{ "modp4096", IKE_T_KE, IKE_GROUP_MODP4096, 0, false },
	{ "ecp256", IKE_T_KE, IKE_GROUP_ECP256, 0, false },
	{ "ecp384", IKE_T_KE, IKE_GROUP_ECP384, 0, false },
	{ "x25519", IKE_T_KE, IKE_GROUP_X25519, 0, false },
	{ "curve25519", IKE_T_KE, IKE_GROUP_X25519, 0, false },
	{ "noesn", IKE_T_ESN, IKE_ESN_NO, 0, false },
	{ "esn", IKE_T_ESN, IKE_ESN_YES, 0, false },
};
#define N_WORDS (sizeof(words) / sizeof(words[0]))

static const struct { uint16_t integ, prf; } prf_of_integ[] = {
	{ IKE_INTEG_HMAC_SHA1_96, IKE_PRF_HMAC_SHA1 },
	{ IKE_INTEG_HMAC_SHA256_128, IKE_PRF_HMAC_SHA256 },
	{ IKE_INTEG_HMAC_SHA384_192, IKE_PRF_HMAC_SHA384 },
	{ IKE_INTEG_HMAC_SHA512_256, IKE_PRF_HMAC_SHA512 },
};

bool
ike_encr_is_aead(uint16_t id)
{
	switch (id) {
	case IKE_ENCR_AES_CCM_8:
	case IKE_ENCR_AES_CCM_12:
	case IKE_ENCR_AES_CCM_16:
	case IKE_ENCR_AES_GCM_8:
	case IKE_ENCR_AES_GCM_12:
	case IKE_ENCR_AES_GCM_16:
	case IKE_ENCR_CAMELLIA_CCM_8:
	case IKE_ENCR_CAMELLIA_CCM_12:
	case IKE_ENCR_CAMELLIA_CCM_16:
	case IKE_ENCR_CHACHA20_POLY1305:
		return true;
	}
	return false;
}

const struct ike_transform *
ike_proposal_first(const struct ike_proposal *p, uint8_t type)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->t[i].type == type)
			return &p->t[i];
	return NULL;
}

bool
ike_proposal_has(const struct ike_proposal *p, uint8_t type, uint16_t id)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->t[i].type == type && p->t[i].id == id)
			return true;
	return false;
}

static bool
same(const struct ike_transform *a, const struct ike_transform *b)
{
	return a->type == b->type && a->id == b->id &&
	    a->key_bits == b->key_bits && !a->odd && !b->odd;
}

int
ike_proposal_add(struct ike_proposal *p, uint8_t type, uint16_t id,
    uint16_t key_bits)
{
	struct ike_transform t = { .type = type, .id = id,
	    .key_bits = key_bits };
	size_t i;

	for (i = 0; i < p->n; i++)
		if (same(&p->t[i], &t))
			return 0;
	if (p->n == IKE_PROPOSAL_TRANSFORMS)
		return -1;
	p->t[p->n++] = t;
	return 0;
}

void
ike_proposal_drop(struct ike_proposal *p, uint8_t type)
{
	size_t i, n = 0;

	for (i = 0; i < p->n; i++)
		if (p->t[i].type != type)
			p->t[n++] = p->t[i];
	p->n = n;
}

static const struct word *
word_find(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < N_WORDS; i++)
		if (strlen(words[i].text) == len &&
		    memcmp(words[i].text, text, len) == 0)
			return &words[i];
	return NULL;
}

static const struct word *
word_of(const struct ike_transform *t)
{
	size_t i;

	for (i = 0; i < N_WORDS; i++)
		if (words[i].type == t->type && words[i].id == t->id &&
		    words[i].key_bits == t->key_bits)
			return &words[i];
	return NULL;
}

bool
ike_proposal_word(size_t i, struct ike_word *out)
{
	struct ike_transform t;
	const struct word *w;

	for (w = words; w < words + N_WORDS; w++) {
		t = (struct ike_transform){ .type = w->type, .id = w->id,
		    .key_bits = w->key_bits };
		if (word_of(&t) == w && i-- == 0) {
			*out = (struct ike_word){ w->text, t, w->weak };
			return true;
		}
	}
	return false;
}

static bool
fits(uint8_t type, uint8_t protocol)
{
	return type != (protocol == IKE_PROTO_IKE ? IKE_T_ESN : IKE_T_PRF);
}

bool
ike_proposal_weak(const struct ike_proposal *p)
{
	const struct word *w;
	size_t i;

	for (i = 0; i < p->n; i++)
		if ((w = word_of(&p->t[i])) != NULL && w->weak)
			return true;
	return false;
}

/* Without a PRF of its own, an IKE proposal uses its integrity's. */
static void
imply_prf(struct ike_proposal *p, bool aead)
{
	size_t i, k, n = p->n;

	if (ike_proposal_first(p, IKE_T_PRF) == NULL)
		for (i = 0; i < n; i++)
			for (k = 0; k < 4; k++)
				if (p->t[i].type == IKE_T_INTEG &&
				    p->t[i].id == prf_of_integ[k].integ)
					ike_proposal_add(p, IKE_T_PRF,
					    prf_of_integ[k].prf, 0);
	if (aead)
		ike_proposal_drop(p, IKE_T_INTEG);
	if (aead && ike_proposal_first(p, IKE_T_PRF) == NULL)
		ike_proposal_add(p, IKE_T_PRF, IKE_PRF_HMAC_SHA256, 0);
}

/* Is it complete, and does it make sense? */
static int
complete(struct ike_proposal *p, const char *text, struct err *e)
{
	bool aead = false, plain = false;
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->t[i].type == IKE_T_ENCR) {
			aead |= ike_encr_is_aead(p->t[i].id);
			plain |= !ike_encr_is_aead(p->t[i].id);
		}
	if (!aead && !plain)
		return err_set(e, EINVAL, "proposal \"%s\" has no cipher, "
		    "such as aes256gcm16", text);
	if (aead && plain)
		return err_set(e, EINVAL, "proposal \"%s\" mixes AEAD and "
		    "other ciphers: make it two", text);
	if (p->protocol == IKE_PROTO_IKE)
		imply_prf(p, aead);
	else if (aead)
		ike_proposal_drop(p, IKE_T_INTEG);
	if (plain && ike_proposal_first(p, IKE_T_INTEG) == NULL)
		return err_set(e, EINVAL, "proposal \"%s\" has no integrity, "
		    "such as sha256", text);
	if (p->protocol == IKE_PROTO_IKE &&
	    (ike_proposal_first(p, IKE_T_KE) == NULL ||
	    ike_proposal_has(p, IKE_T_KE, IKE_GROUP_NONE)))
		return err_set(e, EINVAL, "proposal \"%s\" has no group, such "
		    "as x25519", text);
	return 0;
}

int
ike_proposal_parse(const char *text, uint8_t protocol,
    struct ike_proposal *p, struct err *e)
{
	const char *at = text;
	const struct word *w;
	size_t len;

	memset(p, 0, sizeof(*p));
	p->protocol = protocol;
	for (;;) {
		len = strcspn(at, "-");
		w = word_find(at, len);
		if (w == NULL || !fits(w->type, protocol))
			return err_set(e, EINVAL, "proposal \"%s\": \"%.*s\" "
			    "is not an algorithm for %s; \"dmvpn-ike "
			    "proposals\" lists them", text, (int)len, at,
			    protocol == IKE_PROTO_IKE ? "IKE" : "ESP");
		if (ike_proposal_add(p, w->type, w->id, w->key_bits) < 0)
			return err_set(e, EINVAL, "proposal \"%s\" has too "
			    "many algorithms", text);
		at += len;
		if (*at == '\0')
			break;
		at++;
	}
	return complete(p, text, e);
}

/* Append one algorithm; what does not fit is left out. */
static void
text_add(char *out, size_t out_len, size_t *len, const struct ike_transform *t)
{
	const struct word *w = word_of(t);
	const char *dash = *len > 0 ? "-" : "";
	struct name_buf nb;
	int n;

	if (*len >= out_len)
		return;
	if (w != NULL)
		n = snprintf(&out[*len], out_len - *len, "%s%s", dash, w->text);
	else if (t->key_bits != 0)
		n = snprintf(&out[*len], out_len - *len, "%s%s-%u/%u", dash,
		    name_text(ike_transform_type_names, t->type, &nb), t->id,
		    t->key_bits);
	else
		n = snprintf(&out[*len], out_len - *len, "%s%s-%u", dash,
		    name_text(ike_transform_type_names, t->type, &nb), t->id);
	*len += n > 0 ? (size_t)n : 0;
}

/* In IKE, "sha256" stands for the PRF too when each has its twin. */
static bool
prf_implied(const struct ike_proposal *p)
{
	size_t i, k, prfs = 0, integs = 0, twins = 0;

	for (i = 0; i < p->n; i++) {
		prfs += p->t[i].type == IKE_T_PRF;
		integs += p->t[i].type == IKE_T_INTEG;
		for (k = 0; k < 4; k++)
			twins += p->t[i].type == IKE_T_INTEG &&
			    p->t[i].id == prf_of_integ[k].integ &&
			    ike_proposal_has(p, IKE_T_PRF,
			    prf_of_integ[k].prf);
	}
	return integs > 0 && integs == prfs && twins == prfs;
}

const char *
ike_proposal_text(const struct ike_proposal *p, char *out, size_t out_len)
{
	static const uint8_t order[] = { IKE_T_ENCR, IKE_T_INTEG, IKE_T_PRF,
	    IKE_T_KE, IKE_T_ESN };
	bool implied = prf_implied(p);
	size_t i, k, len = 0;

	if (out_len > 0)
		out[0] = '\0';
	for (k = 0; k < sizeof(order); k++)
		for (i = 0; i < p->n; i++)
			if (p->t[i].type == order[k] &&
			    !(implied && order[k] == IKE_T_PRF) &&
			    !(order[k] == IKE_T_INTEG && p->t[i].id == 0))
				text_add(out, out_len, &len, &p->t[i]);
	return out;
}

const char *
ike_proposal_in_text(const struct ike_proposal_in *in, char *out,
    size_t out_len)
{
	struct ike_transform_walk w = ike_transform_walk_of(in);
	struct ike_proposal p = { .protocol = in->protocol };
	struct ike_transform t;

	while (p.n < IKE_PROPOSAL_TRANSFORMS &&
	    ike_transform_next(&w, &t, NULL) == 1)
		p.t[p.n++] = t;
	return ike_proposal_text(&p, out, out_len);
}

/* ---- the choice ---- */

/* What one offered proposal has, seen from one of ours. */
struct view {
	uint32_t	fits;		/* bit i: has our transform i */
	uint32_t	types;		/* transform types it has */
	uint32_t	none;		/* types with the value NONE among them */
};

static int
view_make(const struct ike_proposal_in *in, const struct ike_proposal *ours,
    struct view *v, struct err *e)
{
	struct ike_transform_walk w = ike_transform_walk_of(in);
	struct ike_transform t;
	size_t i;
	int rc;

	memset(v, 0, sizeof(*v));
	while ((rc = ike_transform_next(&w, &t, e)) == 1) {
		v->types |= 1u << (t.type & 31);
		if (t.id == 0)
			v->none |= 1u << (t.type & 31);
		for (i = 0; i < ours->n; i++)
			if (same(&ours->t[i], &t))
				v->fits |= 1u << i;
	}
	return rc;
}

/* Our transform of this type that they have too: the liked one, else the
 * first; NULL when there is none. */
static const struct ike_transform *
pick(const struct ike_proposal *ours, const struct view *v, uint8_t type,
    uint16_t liked)
{
	const struct ike_transform *found = NULL;
	size_t i;

	for (i = 0; i < ours->n; i++)
		if (ours->t[i].type == type && (v->fits & (1u << i))) {
			if (liked != 0 && ours->t[i].id == liked)
				return &ours->t[i];
			if (found == NULL)
				found = &ours->t[i];
		}
	return found;
}

/* One type: 1 when it is settled (t set, or NULL for "not used"). */
static bool
settle(const struct ike_choice *c, const struct ike_proposal *ours,
    const struct view *v, uint8_t type, const struct ike_transform **t)
{
	bool they = v->types & (1u << type);
	bool they_none = v->none & (1u << type);
	bool we = ike_proposal_first(ours, type) != NULL;

	*t = NULL;
	if (type == IKE_T_KE && c->no_ke)
		return true;
	if (!we && !they)
		return true;
	if (they && we && (*t = pick(ours, v, type,
	    type == IKE_T_KE ? c->group : 0)) != NULL)
		return true;
	if (!we)
		return they_none && type != IKE_T_ESN;
	if (!they)	/* PFS that we only like; an absent ESN means no */
		return (type == IKE_T_KE &&
		    ike_proposal_has(ours, IKE_T_KE, IKE_GROUP_NONE)) ||
		    (type == IKE_T_ESN &&
		    ike_proposal_has(ours, IKE_T_ESN, IKE_ESN_NO));
	return false;
}

/* 0: chosen; else the transform type that does not fit. */
static uint8_t
match(const struct ike_choice *c, const struct ike_proposal_in *in,
    const struct ike_proposal *ours, const struct view *v,
    struct ike_proposal *chosen)
{
	const struct ike_transform *t;
	struct rbuf spi = in->spi;
	uint8_t type;

	memset(chosen, 0, sizeof(*chosen));
	for (type = IKE_T_ENCR; type <= IKE_T_ESN; type++) {
		if (!settle(c, ours, v, type, &t))
			return type;
		if (t != NULL && !(type == IKE_T_KE && t->id == 0))
			ike_proposal_add(chosen, t->type, t->id, t->key_bits);
	}
	/* types that we do not know must allow NONE (RFC 9370, 2.2.2) */
	if ((v->types & ~v->none) >> (IKE_T_ESN + 1) != 0)
		return IKE_T_AKE1;
	chosen->number = in->number;
	chosen->protocol = in->protocol;
	chosen->spi_len = c->spi_len;
	rbuf_copy(&spi, chosen->spi, c->spi_len);
	return 0;
}

static void
append(char *out, size_t out_len, const char *text)
{
	size_t len = strlen(out);

	snprintf(&out[len], out_len - len, "%s%s", len > 0 ? "," : "", text);
}

/* The algorithms of one type, for the "first difference". */
static void
type_text(const struct ike_proposal *p, uint8_t type, char *out,
    size_t out_len)
{
	size_t i, len = 0;

	snprintf(out, out_len, "none");
	for (i = 0; i < p->n; i++)
		if (p->t[i].type == type)
			text_add(out, out_len, &len, &p->t[i]);
}

static void
explain_pair(struct ike_mismatch *why, const struct ike_proposal_in *in,
    const struct ike_proposal *ours, uint8_t type)
{
	struct ike_transform_walk w = ike_transform_walk_of(in);
	struct ike_proposal p = { 0 };
	struct ike_transform t;
	struct name_buf nb;
	char a[80], b[80];

	while (p.n < IKE_PROPOSAL_TRANSFORMS &&
	    ike_transform_next(&w, &t, NULL) == 1)
		p.t[p.n++] = t;
	type_text(&p, type, a, sizeof(a));
	type_text(ours, type, b, sizeof(b));
	why->type = type;
	snprintf(why->difference, sizeof(why->difference),
	    "%s: offered %s, wanted %s",
	    name_text(ike_transform_type_names, type, &nb), a, b);
}

/* One offered proposal against all of ours, by our preference.  Returns the
 * index of ours + 1, 0 when none fits, -1 when it is malformed. */
static int
try_all(const struct ike_choice *c, const struct ike_proposal_in *in,
    struct ike_proposal *chosen, struct ike_mismatch *why, struct err *e)
{
	struct view v;
	uint8_t type;
	size_t k;

	for (k = 0; k < c->n_ours; k++) {
		if (view_make(in, &c->ours[k], &v, e) < 0)
			return -1;
		if (in->protocol != c->protocol ||
		    rbuf_left(&in->spi) != c->spi_len)
			continue;
		type = match(c, in, &c->ours[k], &v, chosen);
		if (type == 0)
			return (int)k + 1;
		if (why != NULL && type > why->type)
			explain_pair(why, in, &c->ours[k], type);
	}
	return 0;
}

/* In words, what was offered, what is wanted and where the two part: only
 * when nothing fits, for it takes as long as all the rest. */
static void
explain(const struct ike_choice *c, struct ike_mismatch *why)
{
	struct ike_sa_walk w = ike_sa_walk_of(c->sa);
	struct ike_proposal_in in;
	struct ike_proposal one;
	char text[IKE_PROPOSAL_TEXT];
	size_t i;

	while (ike_sa_next(&w, &in, NULL) == 1) {
		(void)try_all(c, &in, &one, why, NULL);
		append(why->offered, sizeof(why->offered),
		    ike_proposal_in_text(&in, text, sizeof(text)));
	}
	for (i = 0; i < c->n_ours; i++)
		append(why->wanted, sizeof(why->wanted),
		    ike_proposal_text(&c->ours[i], text, sizeof(text)));
}

int
ike_proposal_choose(const struct ike_choice *c, struct ike_proposal *chosen,
    struct ike_mismatch *why, struct err *e)
{
	struct ike_sa_walk w = ike_sa_walk_of(c->sa);
	struct ike_proposal_in in;
	struct ike_proposal one;
	int rc, k, best = 0;

	if (why != NULL)
		memset(why, 0, sizeof(*why));
	while ((rc = ike_sa_next(&w, &in, e)) == 1) {
		if ((k = try_all(c, &in, &one, NULL, e)) < 0)
			return -1;
		if (k > 0 && (best == 0 || k < best)) {
			best = k;
			*chosen = one;
		}
	}
	if (rc < 0)
		return -1;
	if (best == 0 && why != NULL)
		explain(c, why);
	return best > 0;
}

int
ike_proposal_answer(const struct ike_choice *c, struct ike_proposal *chosen,
    struct err *e)
{
	struct ike_sa_walk w = ike_sa_walk_of(c->sa);
	struct ike_proposal_in in, more;
	struct ike_choice one = *c;
	struct ike_transform_walk tw;
	struct ike_transform t;
	uint32_t seen = 0;

	if (ike_sa_next(&w, &in, e) != 1)
		return err_set(e, EBADMSG, "answer without a proposal");
	if (ike_sa_next(&w, &more, e) != 0)
		return err_set(e, EBADMSG, "answer with several proposals");
	if (in.number < 1 || in.number > c->n_ours)
		return err_set(e, EBADMSG, "answer chose proposal %u of %zu",
		    in.number, c->n_ours);
	for (tw = ike_transform_walk_of(&in);
	    ike_transform_next(&tw, &t, NULL) == 1;
	    seen |= 1u << (t.type & 31))
		if (seen & (1u << (t.type & 31)))
			return err_set(e, EBADMSG, "answer with several "
			    "transforms of a type");
	one.ours = &c->ours[in.number - 1];
	one.n_ours = 1;
	if (ike_proposal_choose(&one, chosen, NULL, e) != 1)
		return err_set(e, EBADMSG, "answer chose what was not "
		    "offered");
	return 0;
}

/* ---- building ---- */

static void
put_transform(struct wbuf *w, const struct ike_transform *t, bool last)
{
	wbuf_u8(w, last ? 0 : 3);
	wbuf_u8(w, 0);
	wbuf_be16(w, t->key_bits != 0 ? 12 : 8);
	wbuf_u8(w, t->type);
	wbuf_u8(w, 0);
	wbuf_be16(w, t->id);
	if (t->key_bits != 0) {
		wbuf_be16(w, 0x8000 | 14);	/* Key Length, 3.3.5 */
		wbuf_be16(w, t->key_bits);
	}
}

void
ike_put_sa(struct ike_chain *c, const struct ike_proposal *p, size_t n,
    const void *spi, size_t spi_len)
{
	size_t i, k, at;

	ike_put(c, IKE_P_SA);
	for (i = 0; i < n; i++) {
		at = c->w->len;
		wbuf_u8(c->w, i + 1 < n ? 2 : 0);
		wbuf_u8(c->w, 0);
		wbuf_be16(c->w, 0);
		wbuf_u8(c->w, p[i].number != 0 ? p[i].number :
		    (uint8_t)(i + 1));
		wbuf_u8(c->w, p[i].protocol);
		wbuf_u8(c->w, (uint8_t)spi_len);
		wbuf_u8(c->w, (uint8_t)p[i].n);
		wbuf_put(c->w, spi, spi_len);
		for (k = 0; k < p[i].n; k++)
			put_transform(c->w, &p[i].t[k], k + 1 == p[i].n);
		wbuf_fill16(c->w, at + 2, c->w->len - at);
	}
	ike_put_end(c);
}
