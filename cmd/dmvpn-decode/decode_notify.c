#include "decode_ike.h"

#include <inttypes.h>

#include "base/text.h"

#define HEX_SHOWN	32	/* octets of data shown to a person */

/* How the data of a notify is read. */
enum shape {
	SHAPE_HEX,
	SHAPE_NUM32,
	SHAPE_GROUP,		/* RFC 7296, 1.2: the group that is wanted */
	SHAPE_HASHES,		/* RFC 7427, 4 */
	SHAPE_ADDRESS,		/* RFC 4555 */
	SHAPE_PAYLOAD,		/* RFC 7296, 2.5: one payload type */
	SHAPE_SECONDS,		/* RFC 4478 */
};

static const struct {
	uint16_t	type;
	enum shape	shape;
} shapes[] = {
	{ IKE_N_UNSUPPORTED_CRITICAL_PAYLOAD, SHAPE_PAYLOAD },
	{ IKE_N_INVALID_MESSAGE_ID, SHAPE_NUM32 },
	{ IKE_N_INVALID_KE_PAYLOAD, SHAPE_GROUP },
	{ IKE_N_SET_WINDOW_SIZE, SHAPE_NUM32 },
	{ IKE_N_ADDITIONAL_IP4_ADDRESS, SHAPE_ADDRESS },
	{ IKE_N_ADDITIONAL_IP6_ADDRESS, SHAPE_ADDRESS },
	{ IKE_N_AUTH_LIFETIME, SHAPE_SECONDS },
	{ IKE_N_SIGNATURE_HASH_ALGORITHMS, SHAPE_HASHES },
};

static enum shape
shape_of(uint16_t type)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].type == type)
			return shapes[i].shape;
	return SHAPE_HEX;
}

static void
hex_data(struct doc *d, struct rbuf data)
{
	char hex[2 * HEX_SHOWN + 1];
	size_t n = rbuf_left(&data);

	if (n == 0)
		return;
	doc_more(d, "  %s%s", text_hex(data.p, n < HEX_SHOWN ? n : HEX_SHOWN,
	    hex, sizeof(hex)), n > HEX_SHOWN ? "..." : "");
}

static void
hashes(struct doc *d, struct rbuf data)
{
	struct name_buf b;
	uint16_t hash;

	doc_list(d, "hashes");
	while (rbuf_left(&data) >= 2) {
		hash = rbuf_be16(&data);
		doc_more(d, "  %s", name_text(ike_hash_names, hash, &b));
		doc_name(d, NULL, ike_hash_names, hash);
	}
	doc_list_end(d);
}

static void
number(struct doc *d, uint32_t v, const char *unit)
{
	doc_more(d, "  %" PRIu32 "%s", v, unit);
	doc_num(d, "value", v);
}

static void
named(struct doc *d, const struct name *names, uint32_t v)
{
	struct name_buf b;

	doc_more(d, "  %s", name_text(names, v, &b));
	doc_name(d, "value", names, v);
}

static void
address(struct doc *d, struct rbuf data)
{
	struct addr a = addr_of(data.p, rbuf_left(&data));
	struct addr_buf b;

	doc_more(d, "  %s", addr_text(&a, &b));
	doc_addr(d, "address", &a);
}

static void
notify_data(struct doc *d, enum shape shape, struct rbuf data)
{
	switch (shape) {
	case SHAPE_HEX:
		hex_data(d, data);
		break;
	case SHAPE_NUM32:
		number(d, rbuf_be32(&data), "");
		break;
	case SHAPE_SECONDS:
		number(d, rbuf_be32(&data), " s");
		break;
	case SHAPE_GROUP:
		named(d, ike_group_names, rbuf_be16(&data));
		break;
	case SHAPE_PAYLOAD:
		named(d, ike_payload_names, rbuf_u8(&data));
		break;
	case SHAPE_HASHES:
		hashes(d, data);
		break;
	case SHAPE_ADDRESS:
		address(d, data);
		break;
	}
}

int
decode_notify(struct doc *d, struct rbuf body, struct err *e)
{
	struct ike_notify n;
	struct name_buf b;
	char hex[2 * 255 + 1];

	if (ike_notify_parse(body, &n, e) < 0)
		return -1;
	doc_more(d, "  %s", name_text(ike_notify_names, n.type, &b));
	doc_name(d, "notify", ike_notify_names, n.type);
	doc_num(d, "number", n.type);
	if (n.protocol != 0) {
		doc_more(d, " %s",
		    name_text(ike_protocol_names, n.protocol, &b));
		doc_name(d, "protocol", ike_protocol_names, n.protocol);
	}
	if (rbuf_left(&n.spi) > 0) {
		doc_more(d, " spi %s", text_hex(n.spi.p, rbuf_left(&n.spi),
		    hex, sizeof(hex)));
		doc_hex(d, "spi", n.spi);
	}
	doc_hex(d, "data", n.data);
	notify_data(d, shape_of(n.type), n.data);
	return 0;
}
