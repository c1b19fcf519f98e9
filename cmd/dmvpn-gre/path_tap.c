#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "path_int.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif

#define DEVICES_MAX (64 * 1024)	/* octets of /proc/net/dev */
#define SUPER	8192	/* octets: a frame that makes a batch by itself */

uint32_t
path_tap_offload(int fd)
{
	static const uint32_t tries[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN |
		    TUN_F_USO4 | TUN_F_USO6,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
		TUN_F_CSUM,
	};
	unsigned i;

	for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
		if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)tries[i]) == 0)
			return tries[i];
	return 0;
}

/* The frames for which a device had no room: the twelfth number behind its
 * name in /proc/net/dev. */
static uint64_t
dropped_of(const char *text, const char *name)
{
	const char *at = text;
	size_t n = strlen(name);
	unsigned long long v;

	while ((at = strchr(at, '\n')) != NULL) {
		at += 1 + strspn(at + 1, " ");
		if (strncmp(at, name, n) == 0 && at[n] == ':' &&
		    sscanf(at + n + 1, "%*u %*u %*u %*u %*u %*u %*u %*u %*u "
		    "%*u %*u %llu", &v) == 1)
			return v;
	}
	return 0;
}

uint64_t
tap_dropped(const struct path *p)
{
	static char text[DEVICES_MAX];
	const struct iface *i;
	struct ifreq r;
	uint64_t sum = 0;
	ssize_t n = 0, all = 0;
	unsigned k;

	while (p->devices >= 0 && (n = pread(p->devices, text + all,
	    sizeof(text) - 1 - (size_t)all, all)) > 0)
		all += n;
	text[all] = '\0';
	for (k = 1; k < get(&p->iface_top); k++) {
		memset(&r, 0, sizeof(r));
		if ((i = path_iface_find(p, k)) != NULL &&
		    get(&i->n_taps) > 0 &&
		    ioctl(get(&i->tap[0]), TUNGETIFF, &r) == 0)
			sum += dropped_of(text, r.ifr_name);
	}
	return sum;
}

/* A batch of frames; what they became is sent at its end. */
void
tap_read(struct path_thread *t, struct iface *i, int fd)
{
	ssize_t n;
	int k;

	for (k = 0; k < PATH_BATCH; k++) {
		n = read(fd, t->frame, PATH_BUF);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		t->turn_read++;
		out_frame(t, i, t->frame, (size_t)n);
		/* Sequence numbers that wait here get old while another
		 * thread uses the SA: no longer than one super-packet. */
		if (t->p->n_out > 1 && n > SUPER)
			tx_flush(t);
	}
	fair_batch(t, &t->full_out[i->id], k == PATH_BATCH);
	tx_flush(t);
}

/* Packets, the first behind the vnet header.  The queue is chosen by flow:
 * the kernel answers a flow on the queue that it came by. */
void
tap_write(struct path_thread *t, struct iface *i, const struct iovec *iov,
    unsigned packets, uint32_t hash, size_t bytes)
{
	unsigned taps = get(&i->n_taps);
	ssize_t rc;
	int fd;

	if (taps == 0) {
		count1(&t->drops[DROP_TAP], packets);
		return;
	}
	fd = get(&i->tap[hash % taps]);
	do
		rc = packets == 1 ? write(fd, iov->iov_base, iov->iov_len) :
		    writev(fd, iov, (int)packets);
	while (rc < 0 && errno == EINTR);
	if (rc < 0) {
		count1(&t->drops[DROP_TAP], packets);
		return;
	}
	count(&i->rx_packets, packets);
	count(&i->rx_bytes, bytes);
}

/* A packet of our own making, from a peer as it seems.  buf has room for
 * the vnet and Ethernet headers before the n octets of packet. */
void
tap_answer(struct path_thread *t, struct iface *i, uint16_t peer,
    uint8_t *buf, size_t n)
{
	uint8_t *eth = buf + VNET_HEAD, *ip = eth + ETH_HEAD;
	unsigned taps = get(&i->n_taps);

	memset(buf, 0, VNET_HEAD);
	path_mac(PATH_MAC_SELF, eth);
	path_mac(peer, eth + 6);
	store16(eth + 12, ip[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	if (taps == 0 || write(get(&i->tap[0]), buf,
	    VNET_HEAD + ETH_HEAD + n) < 0)
		drop(t, DROP_TAP);
}
