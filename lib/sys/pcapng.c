#include "sys/pcapng.h"

#include <errno.h>
#include <string.h>

/*
 * draft-ietf-opsawg-pcapng: blocks of type, length, body, length again.
 * Written in network order; readers look at the byte-order magic.
 */
#define BLOCK_SECTION	0x0a0d0d0au
#define BLOCK_INTERFACE	1
#define BLOCK_PACKET	6
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define LINK_RAW	101
#define OPT_COMMENT	1
#define OPT_USERAPPL	4
#define OPT_TSRESOL	9
#define PACKET_MAX	16384		/* octets of IP packet */
#define OUTER_TTL	255
#define OUTER_TOS	0xc0

static void
pad4(struct wbuf *w)
{
	wbuf_zero(w, (4 - w->len % 4) % 4);
}

static void
option(struct wbuf *w, uint16_t code, const void *data, size_t len)
{
	wbuf_be16(w, code);
	wbuf_fill16(w, wbuf_hole16(w), len);
	wbuf_put(w, data, len);
	pad4(w);
}

static size_t
block_begin(struct wbuf *w, uint32_t type)
{
	wbuf_be32(w, type);
	return wbuf_hole32(w);
}

/* Ends the options, fills both lengths and writes the block. */
static int
block_end(struct wbuf *w, size_t hole, FILE *f, struct err *e)
{
	wbuf_be32(w, 0);		/* opt_endofopt */
	wbuf_fill32(w, hole, w->len + 4);
	wbuf_be32(w, (uint32_t)w->len + 4);
	if (!wbuf_ok(w))
		return err_set(e, EMSGSIZE, "packet too long for a capture");
	if (fwrite(w->buf, 1, w->len, f) != w->len)
		return err_sys(e, "write capture");
	return 0;
}

int
pcapng_begin(FILE *f, const char *program, struct err *e)
{
	uint8_t room[256], nanoseconds = 9;
	struct wbuf w = wbuf_of(room, sizeof(room));
	size_t hole = block_begin(&w, BLOCK_SECTION);

	wbuf_be32(&w, BYTE_ORDER_MAGIC);
	wbuf_be16(&w, 1);
	wbuf_be16(&w, 0);
	wbuf_be64(&w, UINT64_MAX);	/* section length: not known */
	option(&w, OPT_USERAPPL, program, strlen(program));
	if (block_end(&w, hole, f, e) < 0)
		return -1;
	w = wbuf_of(room, sizeof(room));
	hole = block_begin(&w, BLOCK_INTERFACE);
	wbuf_be16(&w, LINK_RAW);
	wbuf_be16(&w, 0);
	wbuf_be32(&w, 0);		/* no snapshot limit */
	option(&w, OPT_TSRESOL, &nanoseconds, 1);
	return block_end(&w, hole, f, e);
}

int
pcapng_packet(FILE *f, uint64_t ns, const struct rbuf *packet,
    const char *comment, struct err *e)
{
	uint8_t room[PACKET_MAX + 512];
	struct wbuf w = wbuf_of(room, sizeof(room));
	size_t hole = block_begin(&w, BLOCK_PACKET);

	wbuf_be32(&w, 0);		/* interface */
	wbuf_be64(&w, ns);
	wbuf_be32(&w, (uint32_t)rbuf_left(packet));
	wbuf_be32(&w, (uint32_t)rbuf_left(packet));
	wbuf_put_rbuf(&w, packet);
	pad4(&w);
	if (comment != NULL && comment[0] != '\0')
		option(&w, OPT_COMMENT, comment, strnlen(comment, 256));
	return block_end(&w, hole, f, e);
}

/* RFC 1071 over the octets, added to sum. */
static uint32_t
sum16(uint32_t sum, struct rbuf r)
{
	while (rbuf_left(&r) > 1)
		sum += rbuf_be16(&r);
	if (rbuf_left(&r) == 1)
		sum += (uint32_t)rbuf_u8(&r) << 8;
	return sum;
}

static uint16_t
sum_fold(uint32_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* An IPv4 or IPv6 header for a payload of len octets. */
static void
ip_header(struct wbuf *w, uint8_t protocol, const struct addr *from,
    const struct addr *to, size_t len)
{
	struct rbuf head;

	if (from->len == 16) {
		wbuf_be32(w, 6u << 28 | (uint32_t)OUTER_TOS << 20);
		wbuf_fill16(w, wbuf_hole16(w), len);
		wbuf_u8(w, protocol);
		wbuf_u8(w, OUTER_TTL);
	} else {
		wbuf_be16(w, 0x4500 | OUTER_TOS);
		wbuf_fill16(w, wbuf_hole16(w), len + 20);
		wbuf_be32(w, 0);	/* identification, no fragment */
		wbuf_u8(w, OUTER_TTL);
		wbuf_u8(w, protocol);
		wbuf_be16(w, 0);
	}
	wbuf_put(w, from->b, from->len);
	wbuf_put(w, to->b, to->len);
	if (from->len == 16)
		return;
	head = wbuf_rbuf(w);
	wbuf_fill16(w, 10, sum_fold(sum16(0, rbuf_sub(&head, 20))));
}

/* RFC 768 over the pseudo header; zero is sent as all ones. */
static uint16_t
udp_sum(const struct addr *from, const struct addr *to, struct rbuf udp)
{
	uint32_t sum = 17 + (uint32_t)rbuf_left(&udp);
	uint16_t v;

	sum = sum16(sum, rbuf_of(from->b, from->len));
	sum = sum16(sum, rbuf_of(to->b, to->len));
	v = sum_fold(sum16(sum, udp));
	return v == 0 ? 0xffff : v;
}

/* An address that is not known is written as the unspecified one. */
static int
same_family(struct addr *from, struct addr *to, struct err *e)
{
	if (from->len == 0)
		from->len = to->len;
	if (to->len == 0)
		to->len = from->len;
	if (from->len == 0 || from->len != to->len)
		return err_set(e, EINVAL, "packet without addresses of one "
		    "family");
	return 0;
}

int
pcapng_udp(FILE *f, uint64_t ns, const struct endpoint *from,
    const struct endpoint *to, const struct rbuf *data, const char *comment,
    struct err *e)
{
	uint8_t room[PACKET_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct rbuf udp, packet;
	bool marker = from->port == 4500 || to->port == 4500;
	size_t len = 8 + (marker ? 4 : 0) + rbuf_left(data), start;
	struct addr src = from->addr, dst = to->addr;

	if (same_family(&src, &dst, e) < 0)
		return -1;
	ip_header(&w, 17, &src, &dst, len);
	start = w.len;
	wbuf_be16(&w, from->port);
	wbuf_be16(&w, to->port);
	wbuf_fill16(&w, wbuf_hole16(&w), len);
	wbuf_be16(&w, 0);
	if (marker)
		wbuf_be32(&w, 0);	/* RFC 3948, 2.2 */
	wbuf_put_rbuf(&w, data);
	udp = wbuf_rbuf(&w);
	rbuf_skip(&udp, start);
	wbuf_fill16(&w, start + 6, udp_sum(&src, &dst, udp));
	packet = wbuf_rbuf(&w);
	return pcapng_packet(f, ns, &packet, comment, e);
}

int
pcapng_nhrp(FILE *f, uint64_t ns, const struct addr *from,
    const struct addr *to, const struct rbuf *data, const char *comment,
    struct err *e)
{
	uint8_t room[PACKET_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct addr src = *from, dst = *to;
	struct rbuf packet;

	if (same_family(&src, &dst, e) < 0)
		return -1;
	ip_header(&w, 47, &src, &dst, 4 + rbuf_left(data));
	wbuf_be32(&w, 0x2001);
	wbuf_put_rbuf(&w, data);
	packet = wbuf_rbuf(&w);
	return pcapng_packet(f, ns, &packet, comment, e);
}
