#include "wire/ike.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ATTR_KEY_LENGTH	14	/* RFC 7296, 3.3.5 */

struct ike_sa_walk
ike_sa_walk_of(struct rbuf body)
{
	return (struct ike_sa_walk){ .in = body };
}

/* RFC 7296, 3.3.1: the first octet is 2 for "more follow", 0 for the last. */
int
ike_sa_next(struct ike_sa_walk *w, struct ike_proposal_in *p, struct err *e)
{
	struct rbuf in;
	uint8_t more, spi_len;
	uint16_t len;

	if (w->last || rbuf_left(&w->in) == 0) {
		if (rbuf_left(&w->in) > 0)
			return err_set(e, EBADMSG, "%zu bytes after the last "
			    "proposal", rbuf_left(&w->in));
		if (!w->last)
			return err_set(e, EBADMSG, "no last proposal");
		return 0;
	}
	if (++w->n > IKE_PROPOSALS_MAX)
		return err_set(e, EBADMSG, "more than %d proposals",
		    IKE_PROPOSALS_MAX);
	in = w->in;
	more = rbuf_u8(&in);
	rbuf_skip(&in, 1);
	len = rbuf_be16(&in);
	in = rbuf_sub(&w->in, len);
	rbuf_skip(&in, 4);
	p->number = rbuf_u8(&in);
	p->protocol = rbuf_u8(&in);
	spi_len = rbuf_u8(&in);
	p->n_transforms = rbuf_u8(&in);
	p->spi = rbuf_sub(&in, spi_len);
	p->transforms = rbuf_rest(&in);
	if (!rbuf_ok(&in) || !rbuf_ok(&w->in))
		return err_set(e, EBADMSG, "proposal %u: %u bytes claimed",
		    w->n, len);
	w->last = more == 0;
	return 1;
}

struct ike_transform_walk
ike_transform_walk_of(const struct ike_proposal_in *p)
{
	return (struct ike_transform_walk){ .in = p->transforms,
	    .want = p->n_transforms };
}

/* Attributes: fixed ones (high bit of the type) have their value in place
 * of the length.  A Key Length of 0 or given twice is odd. */
static int
attributes(struct rbuf in, struct ike_transform *t, struct err *e)
{
	uint16_t type, value;

	while (rbuf_left(&in) > 0) {
		type = rbuf_be16(&in);
		value = rbuf_be16(&in);
		if (type == (0x8000 | ATTR_KEY_LENGTH)) {
			t->odd |= value == 0 || t->key_bits != 0;
			t->key_bits = value;
			continue;
		}
		t->odd = true;
		if (!(type & 0x8000))
			rbuf_skip(&in, value);
	}
	if (!rbuf_ok(&in))
		return err_set(e, EBADMSG, "transform attribute is cut");
	return 0;
}

int
ike_transform_next(struct ike_transform_walk *w, struct ike_transform *t,
    struct err *e)
{
	struct rbuf in;
	uint8_t more;
	uint16_t len;

	memset(t, 0, sizeof(*t));
	if (w->last || (w->n == 0 && rbuf_left(&w->in) == 0)) {
		if (rbuf_left(&w->in) > 0 || w->n != w->want)
			return err_set(e, EBADMSG, "%u transforms claimed, "
			    "%u there", w->want, w->n);
		return 0;
	}
	if (++w->n > IKE_TRANSFORMS_MAX)
		return err_set(e, EBADMSG, "more than %d transforms",
		    IKE_TRANSFORMS_MAX);
	in = w->in;
	more = rbuf_u8(&in);
	rbuf_skip(&in, 1);
	len = rbuf_be16(&in);
	in = rbuf_sub(&w->in, len);
	rbuf_skip(&in, 4);
	t->type = rbuf_u8(&in);
	rbuf_skip(&in, 1);
	t->id = rbuf_be16(&in);
	if (!rbuf_ok(&in) || !rbuf_ok(&w->in))
		return err_set(e, EBADMSG, "transform %u: %u bytes claimed",
		    w->n, len);
	w->last = more == 0;
	return attributes(in, t, e) < 0 ? -1 : 1;
}

const char *
ike_transform_text(const struct ike_transform *t, char *out, size_t out_len)
{
	const struct name *names = ike_transform_names(t->type);
	struct name_buf b;

	if (names == NULL)
		snprintf(out, out_len, "type-%u-%u", t->type, t->id);
	else if (t->key_bits != 0)
		snprintf(out, out_len, "%s-%u", name_text(names, t->id, &b),
		    t->key_bits);
	else
		snprintf(out, out_len, "%s", name_text(names, t->id, &b));
	return out;
}
