#include <string.h>

#include "path_int.h"
#include "wire/ip_icmp.h"

/* A source address that is ours: nobody else has it. */
static bool
is_ours(const struct path_interface *c, const uint8_t *ip,
    const struct ip_view *v)
{
	size_t i;

	for (i = 0; i < c->n_addresses; i++)
		if (c->addresses[i].len == v->alen &&
		    memcmp(c->addresses[i].b, ip + v->src, v->alen) == 0)
			return true;
	return false;
}

/* RFC 4301, 5.2, step 4: what comes out must be what the SA is for. */
static bool
selected(const struct path_sa *sa, const uint8_t *ip,
    const struct ip_view *v)
{
	struct addr src, dst;
	uint16_t sport, dport;

	if (sa == NULL || (sa->n_local == 0 && sa->n_remote == 0))
		return true;
	src = ip_src(ip, v);
	dst = ip_dst(ip, v);
	ip_ports(ip, v, &sport, &dport);
	return selectors_match(sa->remote_ts, sa->n_remote, &src, v->proto,
	    sport) && selectors_match(sa->local_ts, sa->n_local, &dst,
	    v->proto, dport);
}

static enum path_drop
judge(const struct path_interface *c, const struct path_sa *sa,
    const uint8_t *p, size_t n, int version, struct ip_view *v)
{
	enum ip_bad bad = n > 0 && p[0] >> 4 == version ?
	    ip_parse(p, n, v) : IP_BAD_HEADER;

	if (bad == IP_BAD_OPTION)
		return DROP_IP_OPTION;
	if (bad != IP_OK || (version == 4 && !ip4_checksum_ok(p)))
		return DROP_IP;
	if (ip_source_bad(p, v) || is_ours(c, p, v))
		return DROP_SOURCE;
	if (version == 4 ? p[v->dst] == 127 || p[v->dst] == 0 :
	    p[v->dst] == 0 && memcmp(p + v->dst, (uint8_t[16]){ 0 }, 15) == 0)
		return DROP_SOURCE;
	if (!selected(sa, p, v))
		return DROP_SELECTOR;
	/* There is no neighbour discovery over a tunnel, and redirects are
	 * NHRP's. */
	if (nd_is(p, v) || icmp_is_redirect(p, v))
		return DROP_REDIRECT;
	return (enum path_drop)PATH_DROP_N;
}

static void
clamp(struct iface *i, struct peer *peer, const struct path_sa *sa,
    uint8_t *p, const struct ip_view *v)
{
	const struct iface_conf *c = get(&i->conf);
	const struct sa_set *set = get(&peer->out);
	uint16_t mtu, head = v->version == 6 ? 60 : 40;
	size_t gre = 0;

	if (v->proto != IP_TCP || v->fragment || v->len - v->l4 < 20U ||
	    !(p[v->l4 + 13] & TCP_SYN))
		return;
	if (sa == NULL)
		gre = gre_head_len(c->c.checksum, c->c.keyed);
	if (sa == NULL && c->c.protect == GRE_PROTECT_IPSEC)
		sa = set != NULL && set->n > 0 ? set->sa[0] : NULL;
	mtu = wrap_mtu(get(&peer->route), get(&peer->mtu), sa, gre);
	if (mtu > head)
		tcp_mss_clamp(p, v, (uint16_t)(mtu - head), false);
}

/* The packet inside, n octets at most (the rest is TFC padding, RFC 4303,
 * 2.7); sa in tunnel mode, else NULL.  false: dropped. */
bool
in_inner(struct path_thread *t, const struct in_meta *m, struct iface *i,
    struct peer *peer, uint8_t *p, size_t n, int version,
    const struct path_sa *sa)
{
	const struct path_interface *c = &get(&i->conf)->c;
	struct ip_view v;
	enum path_drop why = judge(c, sa, p, n, version, &v);
	int ecn;

	if ((unsigned)why != PATH_DROP_N) {
		drop_peer(t, peer, why);
		return false;
	}
	if ((ecn = ecn_decap(v.tos, m->tos)) < 0) {
		drop_peer(t, peer, DROP_ECN);
		return false;
	}
	if (ecn != (v.tos & 3)) {
		v.tos = (uint8_t)((v.tos & ~3) | ecn);
		ip_set_tos(p, v.tos);
	}
	if ((v.proto == IP_ICMP || v.proto == IP_ICMPV6) &&
	    in_echo(t, peer, p, &v))
		return true;
	clamp(i, peer, sa, p, &v);
	cache_put(t, i->id, p, &v, peer->number);
	gro_add(t, i, peer, p, &v,
	    path_addr_hash(t->p->salt, p + v.src, 2U * v.alen));
	return true;
}
