#include "ike_int.h"

#include <stdio.h>

/* Traffic selectors (RFC 7296, 2.9). */

struct ike_ts
ike_ts_of_range(const struct addr *first, const struct addr *last,
    uint8_t protocol)
{
	return (struct ike_ts){ .first = *first, .last = *last,
	    .type = first->len == 4 ? IKE_TS_IPV4 : IKE_TS_IPV6,
	    .protocol = protocol, .port_first = 0, .port_last = UINT16_MAX };
}

struct ike_ts
ike_ts_of_prefix(const struct prefix *p)
{
	struct addr last = p->addr;
	unsigned bit;

	for (bit = p->len; bit < 8u * last.len; bit++)
		last.b[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
	return ike_ts_of_range(&p->addr, &last, 0);
}

bool
ike_ts_inside(const struct ike_ts *inner, const struct ike_ts *outer)
{
	return inner->type == outer->type &&
	    (outer->protocol == 0 || outer->protocol == inner->protocol) &&
	    addr_cmp(&inner->first, &outer->first) >= 0 &&
	    addr_cmp(&inner->last, &outer->last) <= 0 &&
	    inner->port_first >= outer->port_first &&
	    inner->port_last <= outer->port_last;
}

bool
ike_ts_common(const struct ike_ts *a, const struct ike_ts *b,
    struct ike_ts *out)
{
	if (a->type != b->type || (a->protocol != b->protocol &&
	    a->protocol != 0 && b->protocol != 0))
		return false;
	*out = *a;
	if (a->protocol == 0)
		out->protocol = b->protocol;
	if (addr_cmp(&b->first, &a->first) > 0)
		out->first = b->first;
	if (addr_cmp(&b->last, &a->last) < 0)
		out->last = b->last;
	if (b->port_first > a->port_first)
		out->port_first = b->port_first;
	if (b->port_last < a->port_last)
		out->port_last = b->port_last;
	return addr_cmp(&out->first, &out->last) <= 0 &&
	    out->port_first <= out->port_last;
}

int
ike_ts_read(struct rbuf body, struct ike_ts *ts, size_t *n, struct err *e)
{
	struct ike_ts_walk w;
	struct ike_ts one;
	int rc;

	*n = 0;
	if (ike_ts_walk_of(body, &w, e) < 0)
		return -1;
	while ((rc = ike_ts_next(&w, &one, e)) == 1)
		if (one.first.len != 0 && *n < IKE_TS_KEPT)
			ts[(*n)++] = one;
	return rc;
}

const char *
ike_ts_list(const struct ike_ts *ts, size_t n, char *out, size_t out_len)
{
	char one[120];
	size_t i, len = 0;
	int k;

	if (out_len > 0)
		out[0] = '\0';
	for (i = 0; i < n && len < out_len; i++) {
		k = snprintf(&out[len], out_len - len, "%s%s",
		    i > 0 ? " " : "", ike_ts_text(&ts[i], one, sizeof(one)));
		len += k > 0 ? (size_t)k : 0;
	}
	return out;
}

/* One more of a set in which none is inside another one, as the selector of
 * the packet that made the peer begin (2.9) is inside its next one. */
static size_t
widen(struct ike_ts *set, size_t n, const struct ike_ts *one)
{
	size_t i, k = 0;

	for (i = 0; i < n; i++)
		if (ike_ts_inside(one, &set[i]))
			return n;
	for (i = 0; i < n; i++)
		if (!ike_ts_inside(&set[i], one))
			set[k++] = set[i];
	if (k < IKE_TS_KEPT)
		set[k++] = *one;
	return k;
}

size_t
ike_ts_narrow(const struct ike_ts *offered, size_t n_offered,
    const struct ike_ts *allowed, size_t n_allowed, struct ike_ts *out)
{
	struct ike_ts one;
	size_t i, k, n = 0;

	for (i = 0; i < n_offered; i++)
		for (k = 0; k < n_allowed; k++)
			if (ike_ts_common(&offered[i], &allowed[k], &one))
				n = widen(out, n, &one);
	return n;
}
