#include <string.h>

#include "cmd_decode.h"
#include "decode_esp.h"
#include "decode_keys.h"
#include "decode_nhrp.h"
#include "sys/command.h"
#include "sys/pcapng.h"
#include "wire/nhrp.h"

#define GRE_PROTO_NHRP	0x2001

struct nhrp_run {
	struct keys	 keys;
	bool		 any_peer;
	struct addr	 peer;
	bool		 any_type;
	uint32_t	 type;
};

static bool
peer_in(const struct nhrp_run *n, const struct nhrp_view *v,
    const struct nhrp *p)
{
	return n->any_peer || addr_equal(&n->peer, &v->src) ||
	    addr_equal(&n->peer, &v->dst) ||
	    addr_equal(&n->peer, &p->src_nbma) ||
	    addr_equal(&n->peer, &p->src_proto) ||
	    addr_equal(&n->peer, &p->dst_proto);
}

static bool
wanted(const struct nhrp_run *n, const struct nhrp_view *v)
{
	struct nhrp p = { 0 };

	if (n->any_type && n->any_peer)
		return true;
	(void)nhrp_parse_lax(v->packet, &p, NULL);
	return (n->any_type || n->type == p.type) && peer_in(n, v, &p);
}

static void
show(struct cmd_run *r, const struct nhrp_view *v)
{
	const struct nhrp_run *n = r->arg;

	if (!wanted(n, v))
		return;
	r->shown++;
	if (decode_nhrp(&r->doc, v) < 0)
		r->malformed++;
	if (r->copy != NULL)
		(void)pcapng_nhrp(r->copy, v->ns, &v->src, &v->dst,
		    &v->packet, v->drop, NULL);
}

static void
packet(struct cmd_run *r, uint64_t ns, const struct dissect *d)
{
	struct nhrp_run *n = r->arg;
	struct nhrp_view v = { .ns = ns, .src = d->src.addr,
	    .dst = d->dst.addr };
	struct dissect inner = *d;
	struct dissect_gre g;
	uint8_t room[DECODE_ESP_MAX];

	if (d->kind == DISSECT_ESP &&
	    decode_esp(&n->keys, d, room, sizeof(room), &v.spi, &inner) < 0)
		return;
	if (inner.kind != DISSECT_GRE || dissect_gre(inner.data, &g) < 0 ||
	    g.type != GRE_PROTO_NHRP)
		return;
	v.keyed = g.keyed;
	v.key = g.key;
	v.packet = g.data;
	show(r, &v);
}

static void
event(struct cmd_run *r, uint64_t ns, const struct msg *m)
{
	static struct nhrp_packet p;
	struct nhrp_view v = { .ns = ns };
	struct addr none = { 0 };

	if (strcmp(m->name, nhrp_packet_type.name) != 0 ||
	    msg_get(m->body, &nhrp_packet_type, &p, NULL) < 0)
		return;
	v.src = p.direction == DIRECTION_IN ? p.remote.addr : none;
	v.dst = p.direction == DIRECTION_IN ? none : p.remote.addr;
	v.direction = p.direction == DIRECTION_IN ? "in" : "out";
	v.interface = p.interface;
	v.peer = p.peer;
	v.packet = p.data;
	v.drop = p.drop[0] != '\0' ? p.drop : NULL;
	show(r, &v);
}

static int
read_keys(struct nhrp_run *n, const struct opt_list *files, struct err *e)
{
	size_t i;

	for (i = 0; i < files->n; i++)
		if (keys_read_esp(&n->keys, files->v[i], e) < 0)
			return -1;
	return 0;
}

static int
run(struct cmd_run *r, bool live, const char *copy, int argc, char **argv)
{
	struct err e;
	int rc;

	if (cmd_copy_open(r, copy, &e) < 0 || cmd_confine(copy, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	rc = live ? cmd_live(r) : cmd_files(r, argc, argv);
	if (cmd_copy_close(r, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	return rc;
}

int
cmd_nhrp(int argc, char **argv)
{
	struct nhrp_run n = { .any_peer = true, .any_type = true };
	struct cmd_run r = { .arg = &n, .packet = packet, .event = event };
	struct opt_list keys = { 0 };
	const char *type = NULL, *copy = NULL;
	bool json = false, live = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a packet", OPT_FLAG,
		  &json, 0, 0 },
		{ 'k', "esp-keys", "FILE", "Wireshark's esp_sa table",
		  OPT_LIST, &keys, 0, 0 },
		{ 0, "peer", "ADDR", "only packets with this address, outer "
		  "or tunnel", OPT_ADDR, &n.peer, 0, 0 },
		{ 0, "type", "NAME", "only this type, as "
		  "registration-request", OPT_TEXT, &type, 0, 0 },
		{ 'c', "count", "N", "stop after N packets", OPT_NUM,
		  &r.limit, 1, UINT32_MAX },
		{ 0, "live", NULL, "read events of dmvpn-nhrp from standard "
		  "input", OPT_FLAG, &live, 0, 0 },
		{ 'w', "write", "FILE", "also write them as pcapng",
		  OPT_TEXT, &copy, 0, 0 },
		OPT_END
	};
	struct err e;
	int rc;

	if (opt_parse(&argc, &argv, opts, "[OPTION...] FILE...", 0, 1000,
	    &rc) < 0)
		return rc;
	if ((argc == 0) != live)
		return command_usage("name captures, or --live alone");
	if (type != NULL && name_value(nhrp_packet_names, type, &n.type) < 0)
		return command_usage("\"%s\" is no type of NHRP packet",
		    type);
	n.any_peer = n.peer.len == 0;
	n.any_type = type == NULL;
	if (read_keys(&n, &keys, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	doc_init(&r.doc, stdout, json);
	rc = run(&r, live, copy, argc, argv);
	keys_fini(&n.keys);
	return rc;
}
