#include "ike_int.h"

#include <errno.h>

/* These may come more than once. */
static bool
may_repeat(uint8_t type)
{
	return type == IKE_P_CERT || type == IKE_P_CERTREQ ||
	    type == IKE_P_NOTIFY || type == IKE_P_DELETE ||
	    type == IKE_P_VENDOR;
}

static bool
is_known(uint8_t type)
{
	return (type >= IKE_P_SA && type <= IKE_P_EAP) ||
	    type == IKE_P_SKF;
}

static int
take(struct ike_in *in, const struct ike_payload *p, struct err *e)
{
	struct rbuf vid = p->body, body = p->body, name;

	switch (p->type) {
	case IKE_P_CERT:
		if (in->n_certs < IKE_CERTS_MAX)
			in->certs[in->n_certs++] = p->body;
		break;
	case IKE_P_CERTREQ:
		if (rbuf_u8(&body) == IKE_CERT_OCSP)
			in->ocsp_wanted = true;
		break;
	case IKE_P_NOTIFY:
		if (in->n_notifies == IKE_NOTIFIES_MAX)
			break;
		return ike_notify_parse(p->body,
		    &in->notifies[in->n_notifies++], e);
	case IKE_P_DELETE:
		if (in->n_deletes < IKE_CHILDREN_MAX)
			in->deletes[in->n_deletes++] = p->body;
		break;
	case IKE_P_VENDOR:
		name = rbuf_sub(&vid, sizeof(ike_vendor_name));
		if (rbuf_left(&vid) == IKE_VENDOR_LEN -
		    sizeof(ike_vendor_name) && memcmp(name.p, ike_vendor_name,
		    sizeof(ike_vendor_name)) == 0) {
			in->own_kind = true;
			in->own_hash = vid;
		}
		break;
	}
	if (p->type <= IKE_P_CP)
		in->body[p->type - IKE_P_SA] = p->body;
	return 0;
}

int
ike_in_parse(struct ike_in *in, uint8_t first, struct rbuf payloads,
    struct err *e)
{
	struct ike_walk w = ike_walk_of(first, payloads);
	struct ike_payload p;
	uint32_t bit;
	int rc;

	while ((rc = ike_walk_next(&w, &p, e)) == 1) {
		if (!is_known(p.type)) {
			/* RFC 7296, 2.5: the first unknown critical one */
			if (p.critical && in->critical == 0)
				in->critical = p.type;
			continue;
		}
		bit = 1u << (p.type - IKE_P_SA);
		if ((in->present & bit) && !may_repeat(p.type))
			return err_set(e, EBADMSG, "two payloads of type %u",
			    p.type);
		in->present |= bit;
		if (take(in, &p, e) < 0)
			return -1;
	}
	return rc;
}

const struct ike_notify *
ike_in_notify(const struct ike_in *in, uint16_t type)
{
	size_t i;

	for (i = 0; i < in->n_notifies; i++)
		if (in->notifies[i].type == type)
			return &in->notifies[i];
	return NULL;
}

uint16_t
ike_in_error(const struct ike_in *in)
{
	size_t i;

	for (i = 0; i < in->n_notifies; i++)
		if (in->notifies[i].type != 0 &&
		    in->notifies[i].type < IKE_N_INITIAL_CONTACT)
			return in->notifies[i].type;
	return 0;
}
