#include "wire/ike.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int
ike_ts_walk_of(struct rbuf body, struct ike_ts_walk *w, struct err *e)
{
	w->left = rbuf_u8(&body);
	rbuf_skip(&body, 3);
	w->in = rbuf_rest(&body);
	if (!rbuf_ok(&body))
		return err_set(e, EBADMSG, "TS payload is too short");
	if (w->left == 0 || w->left > IKE_SELECTORS_MAX)
		return err_set(e, EBADMSG, "%u traffic selectors", w->left);
	return 0;
}

int
ike_ts_next(struct ike_ts_walk *w, struct ike_ts *ts, struct err *e)
{
	struct rbuf in = w->in;
	size_t alen;
	uint16_t len;

	memset(ts, 0, sizeof(*ts));
	if (w->left == 0) {
		if (rbuf_left(&w->in) > 0)
			return err_set(e, EBADMSG, "%zu bytes after the last "
			    "traffic selector", rbuf_left(&w->in));
		return 0;
	}
	w->left--;
	ts->type = rbuf_u8(&in);
	ts->protocol = rbuf_u8(&in);
	len = rbuf_be16(&in);
	in = rbuf_sub(&w->in, len);
	rbuf_skip(&in, 4);
	if (!rbuf_ok(&in) || !rbuf_ok(&w->in))
		return err_set(e, EBADMSG, "traffic selector: %u bytes "
		    "claimed", len);
	if (ts->type != IKE_TS_IPV4 && ts->type != IKE_TS_IPV6)
		return 1;
	alen = ts->type == IKE_TS_IPV4 ? 4 : 16;
	ts->port_first = rbuf_be16(&in);
	ts->port_last = rbuf_be16(&in);
	ts->first = addr_of(in.p, rbuf_left(&in) >= alen ? alen : 0);
	rbuf_skip(&in, alen);
	ts->last = addr_of(in.p, rbuf_left(&in) >= alen ? alen : 0);
	rbuf_skip(&in, alen);
	if (!rbuf_done(&in))
		return err_set(e, EBADMSG, "traffic selector of %u bytes",
		    len);
	if (addr_cmp(&ts->first, &ts->last) > 0)
		return err_set(e, EBADMSG, "traffic selector: first address "
		    "after the last");
	return 1;
}

/* The prefix length of first..last, or -1. */
static int
range_prefix(const struct addr *first, const struct addr *last)
{
	struct prefix p;
	int bits, i;

	for (bits = 0; bits <= first->len * 8; bits++) {
		p = prefix_mask(first, (uint8_t)bits);
		if (!addr_equal(&p.addr, first) || !prefix_has(&p, last))
			continue;
		/* the last address of the prefix has all host bits set */
		for (i = bits; i < first->len * 8; i++)
			if (!(last->b[i / 8] & (0x80 >> (i % 8))))
				break;
		if (i == first->len * 8)
			return bits;
	}
	return -1;
}

/* What stands in brackets: protocol and ports; "" for all. */
static void
ts_suffix(const struct ike_ts *ts, char *out, size_t out_len)
{
	static const struct name protocols[] = {
		{ 1, "icmp" }, { 6, "tcp" }, { 17, "udp" }, { 47, "gre" },
		{ 50, "esp" }, { 58, "icmpv6" }, { 89, "ospf" }, NAME_END
	};
	const char *name = name_find(protocols, ts->protocol);
	char number[12], ports[24] = "";

	snprintf(number, sizeof(number), "%u", ts->protocol);
	if (ts->port_first == UINT16_MAX && ts->port_last == 0)
		snprintf(ports, sizeof(ports), "/opaque");
	else if (ts->port_first == ts->port_last)
		snprintf(ports, sizeof(ports), "/%u", ts->port_first);
	else if (ts->port_first != 0 || ts->port_last != UINT16_MAX)
		snprintf(ports, sizeof(ports), "/%u-%u", ts->port_first,
		    ts->port_last);
	if (ts->protocol == 0 && ports[0] == '\0')
		out[0] = '\0';
	else
		snprintf(out, out_len, "[%s%s]", name != NULL ? name : number,
		    ports);
}

const char *
ike_ts_text(const struct ike_ts *ts, char *out, size_t out_len)
{
	struct addr_buf a, b;
	char suffix[40];
	int bits;

	if (ts->first.len == 0) {
		snprintf(out, out_len, "type-%u", ts->type);
		return out;
	}
	ts_suffix(ts, suffix, sizeof(suffix));
	bits = range_prefix(&ts->first, &ts->last);
	addr_text(&ts->first, &a);
	if (bits >= 0)
		snprintf(out, out_len, "%s/%d%s", a.s, bits, suffix);
	else
		snprintf(out, out_len, "%s-%s%s", a.s,
		    addr_text(&ts->last, &b), suffix);
	return out;
}

const char *
ike_id_text(uint8_t type, const struct rbuf *data, char *out, size_t out_len)
{
	struct addr a = addr_of(data->p, rbuf_left(data));
	struct addr_buf ab;
	struct name_buf nb;
	int n;

	switch (type) {
	case IKE_ID_IPV4:
	case IKE_ID_IPV6:
		if (a.len != (type == IKE_ID_IPV4 ? 4 : 16))
			break;
		snprintf(out, out_len, "%s", addr_text(&a, &ab));
		return out;
	case IKE_ID_FQDN:
	case IKE_ID_RFC822:
		return text_escape(data->p, rbuf_left(data), out, out_len);
	}
	n = snprintf(out, out_len, "%s:", name_text(ike_id_names, type, &nb));
	if (n > 0 && (size_t)n + 3 < out_len) {
		size_t room = (out_len - (size_t)n - 1) / 2;
		size_t len = rbuf_left(data);

		text_hex(data->p, len < room ? len : room, &out[n],
		    out_len - (size_t)n);
	}
	return out;
}
