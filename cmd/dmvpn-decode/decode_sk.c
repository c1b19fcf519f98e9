#include "decode_sk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/sk.h"

#define MESSAGES	16	/* in fragments, at a time */
#define ALGORITHM_MAX	96

/* A message whose fragments come one by one. */
struct parts {
	bool		used;
	uint64_t	stamp;
	uint64_t	spi_i, spi_r;
	uint32_t	id;
	uint8_t		flags;
	uint8_t		first;
	uint16_t	total, have;
	struct secret	*part[IKE_FRAGMENTS_MAX];
};

struct sk_reader {
	uint64_t	stamp;
	struct parts	parts[MESSAGES];
	size_t		clear_len;
	char		algorithm[ALGORITHM_MAX];
	char		dark[ERR_MAX];
	uint8_t		clear[IKE_MESSAGE_MAX];
};

struct sk_reader *
sk_reader_new(struct err *e)
{
	struct sk_reader *s = calloc(1, sizeof(*s));

	if (s == NULL)
		err_set(e, ENOMEM, "out of memory");
	return s;
}

/* Forget what came; which message it is stays. */
static void
parts_restart(struct parts *p, uint16_t total)
{
	unsigned i;

	for (i = 0; i < IKE_FRAGMENTS_MAX; i++) {
		secret_free(p->part[i]);
		p->part[i] = NULL;
	}
	p->have = 0;
	p->total = total;
}

static void
parts_clear(struct parts *p)
{
	parts_restart(p, 0);
	memset(p, 0, sizeof(*p));
}

void
sk_reader_free(struct sk_reader *s)
{
	unsigned i;

	if (s == NULL)
		return;
	for (i = 0; i < MESSAGES; i++)
		parts_clear(&s->parts[i]);
	secret_wipe(s, sizeof(*s));
	free(s);
}

/* ---- keys ---- */

static void
algorithm_text(const struct keys_ike *k, char *out, size_t len)
{
	struct ike_transform t = { .type = IKE_T_ENCR, .id = k->encr,
	    .key_bits = k->key_bits };
	char encr[64];
	struct name_buf b;

	ike_transform_text(&t, encr, sizeof(encr));
	snprintf(out, len, "%s%s%s", encr,
	    k->integ != IKE_INTEG_NONE ? ", " : "",
	    k->integ != IKE_INTEG_NONE ?
	    name_text(ike_integ_names, k->integ, &b) : "");
}

static int
direction_key(const struct keys_ike *k, const struct ike_header *h,
    struct sk_dir *dir, struct err *e)
{
	bool i = h->flags & IKE_FLAG_INITIATOR;
	const struct key *enc = i ? &k->e_i : &k->e_r;
	const struct key *integ = i ? &k->a_i : &k->a_r;
	struct sk_suite suite = { .encr = k->encr, .key_bits = k->key_bits,
	    .integ = k->integ, .prf = IKE_PRF_HMAC_SHA256 };

	return sk_dir_set(dir, &suite, rbuf_of(enc->b, enc->len),
	    rbuf_of(integ->b, integ->len), e);
}

/* Open one SK or SKF payload of v->message into s->clear. */
static int
open_payload(struct sk_reader *s, const struct keys_ike *k,
    const struct ike_header *h, struct rbuf message, struct rbuf sealed,
    struct err *e)
{
	struct wbuf w = wbuf_of(s->clear, sizeof(s->clear));
	struct rbuf head = rbuf_sub(&message,
	    rbuf_left(&message) - rbuf_left(&sealed));
	struct sk_dir dir;
	int rc;

	rc = direction_key(k, h, &dir, e);
	if (rc == 0)
		rc = sk_open(&dir, head, sealed, &w, e);
	secret_wipe(&dir, sizeof(dir));
	s->clear_len = w.len;
	return rc;
}

/* ---- fragments ---- */

static struct parts *
parts_for(struct sk_reader *s, const struct ike_header *h)
{
	struct parts *oldest = &s->parts[0], *p;
	unsigned i;

	for (i = 0; i < MESSAGES; i++) {
		p = &s->parts[i];
		if (p->used && p->spi_i == h->spi_i &&
		    p->spi_r == h->spi_r && p->id == h->id &&
		    p->flags == h->flags)
			return p;
		if (p->stamp < oldest->stamp)
			oldest = p;
	}
	parts_clear(oldest);
	oldest->used = true;
	oldest->stamp = ++s->stamp;
	oldest->spi_i = h->spi_i;
	oldest->spi_r = h->spi_r;
	oldest->id = h->id;
	oldest->flags = h->flags;
	return oldest;
}

/* All parts into s->clear. */
static int
parts_join(struct sk_reader *s, struct parts *p, struct err *e)
{
	struct wbuf w = wbuf_of(s->clear, sizeof(s->clear));
	unsigned i;

	for (i = 0; i < p->total; i++)
		wbuf_put(&w, p->part[i]->b, p->part[i]->len);
	s->clear_len = w.len;
	return wbuf_ok(&w) ? 0 : err_set(e, EMSGSIZE, "message of more than "
	    "%d octets", IKE_MESSAGE_MAX);
}

/* 1: the message is whole in s->clear; 0: more to come. */
static int
take_fragment(struct sk_reader *s, const struct ike_header *h,
    const struct ike_payload *pl, const struct ike_skf *f, uint8_t *first,
    struct err *e)
{
	struct parts *p = parts_for(s, h);
	struct secret *copy;
	int rc;

	if (f->number == 0 || f->number > f->total ||
	    f->total > IKE_FRAGMENTS_MAX)
		return err_set(e, EBADMSG, "fragment %u of %u", f->number,
		    f->total);
	if (f->total != p->total)
		parts_restart(p, f->total);
	copy = secret_copy(s->clear, s->clear_len);
	if (copy == NULL)
		return err_set(e, ENOMEM, "out of memory");
	if (p->part[f->number - 1] == NULL)
		p->have++;
	secret_free(p->part[f->number - 1]);
	p->part[f->number - 1] = copy;
	if (f->number == 1)
		p->first = pl->next;
	if (p->have < p->total)
		return err_set(e, EAGAIN, "shown with the fragment that "
		    "completes it");
	*first = p->first;
	rc = parts_join(s, p, e);
	parts_clear(p);
	return rc;
}

/* ---- a message ---- */

/* The SK or SKF payload of a message, which ends the outer chain. */
static int
find_sealed(const struct ike_view *v, struct ike_header *h,
    struct ike_payload *p)
{
	struct rbuf in = v->message;
	struct ike_walk w;

	if (ike_header_parse(&in, h, NULL) < 0 || h->major != 2)
		return -1;
	w = ike_walk_of(h->next, in);
	while (ike_walk_next(&w, p, NULL) > 0)
		if (p->type == IKE_P_SK || p->type == IKE_P_SKF)
			return 0;
	return -1;
}

static int
read_sealed(struct sk_reader *s, const struct keys_ike *k,
    const struct ike_header *h, const struct ike_payload *p,
    struct ike_view *v, struct err *e)
{
	struct ike_skf f;

	v->first = p->next;
	if (p->type == IKE_P_SK)
		return open_payload(s, k, h, v->message, p->body, e);
	if (ike_skf_parse(p->body, &f, e) < 0 ||
	    open_payload(s, k, h, v->message, f.data, e) < 0)
		return -1;
	return take_fragment(s, h, p, &f, &v->first, e);
}

void
sk_read(struct sk_reader *s, const struct keys *keys, struct ike_view *v)
{
	const struct keys_ike *k;
	struct ike_payload p;
	struct ike_header h;
	struct err e;

	if (find_sealed(v, &h, &p) < 0)
		return;
	k = keys_find_ike(keys, h.spi_i, h.spi_r);
	if (k == NULL) {
		v->dark = "no key for these SPIs";
		return;
	}
	algorithm_text(k, s->algorithm, sizeof(s->algorithm));
	v->algorithm = s->algorithm;
	if (read_sealed(s, k, &h, &p, v, &e) < 0) {
		snprintf(s->dark, sizeof(s->dark), "%s", e.msg);
		v->dark = s->dark;
		return;
	}
	v->have_clear = true;
	v->clear = rbuf_of(s->clear, s->clear_len);
}
