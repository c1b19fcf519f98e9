#include <string.h>

#include "path_int.h"

/* Raw sockets of protocols 50 and 47.  IPv4 gives the IP header as well
 * (ip(7)), IPv6 the payload only (ipv6(7)). */

static void
in_raw(struct path_thread *t, bool esp, struct in_meta *m, uint8_t *p,
    size_t n)
{
	enum path_drop why = esp ? DROP_SPI : DROP_NO_PEER;
	uint64_t before = counted(&t->drops[why]);

	if (esp)
		in_esp(t, m, p, n);
	else
		in_bare_gre(t, m, p, n);
	if (counted(&t->drops[why]) != before)
		count1(esp ? &t->strange_raw : &t->strange_bare, 1);
}

void
in_raw4(struct path_thread *t, enum path_socket kind, struct in_meta *m,
    uint8_t *p, size_t n)
{
	size_t head = n > 0 ? (p[0] & 15U) * 4U : 0;

	if (n < 20 || head < 20 || head > n || p[0] >> 4 != 4) {
		drop(t, DROP_IP);
		return;
	}
	m->remote.port = 0;
	m->local.addr = addr_of(p + 16, 4);
	m->tos = p[1];
	in_raw(t, kind == PATH_ESP4, m, p + head, n - head);
}

void
in_raw6(struct path_thread *t, enum path_socket kind, struct in_meta *m,
    uint8_t *p, size_t n)
{
	m->remote.port = 0;
	in_raw(t, kind == PATH_ESP6, m, p, n);
}
