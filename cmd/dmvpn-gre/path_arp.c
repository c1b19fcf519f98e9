#include "path_int.h"
#include "wire/ip_icmp.h"

#define RESOLVE_EVERY	1000	/* ms, of one address */
#define RESOLVE_RATE	500	/* a second, of all */

/* The kernel looks for a neighbour that nobody told it about. */
static void
resolve(struct path_thread *t, struct out_frame *f, const struct addr *a)
{
	struct event_head h = { .type = PATH_RESOLVE, .address = *a,
	    .interface = (uint8_t)f->iface->id };

	if (f->conf->c.hub)
		return;
	if (say_now(t, path_addr_hash(f->iface->id, a->b, a->len),
	    RESOLVE_EVERY) && bucket_take(&t->resolve, t->now,
	    RESOLVE_RATE, RESOLVE_RATE))
		say_bulk(t, &h, NULL, 0);
}

/* Never sent: there is no ARP and no ND on a tunnel. */
void
out_arp(struct path_thread *t, struct out_frame *f)
{
	struct addr a;

	drop(t, DROP_RESOLVE);
	if (arp_wants(f->ip, f->n, &a))
		resolve(t, f, &a);
}

bool
out_nd(struct path_thread *t, struct out_frame *f)
{
	struct addr a;

	if (!nd_is(f->ip, &f->v))
		return false;
	if (icmp_is_redirect(f->ip, &f->v)) {
		drop(t, DROP_REDIRECT);
		return true;
	}
	drop(t, DROP_RESOLVE);
	if (nd_wants(f->ip, &f->v, &a))
		resolve(t, f, &a);
	return true;
}
