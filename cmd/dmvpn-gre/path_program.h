#ifndef DMVPN_GRE_PATH_PROGRAM_H
#define DMVPN_GRE_PATH_PROGRAM_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Filters for sockets and TAPs in classic BPF.  A program is written from its
 * beginning to its end: where the key of a packet stands (program_udp and
 * those beside it), whose packets are cut, which keys pass, how many of the
 * rest.  Sizes are checked at the end: full says that it did not fit.
 */
struct program {
	struct sock_filter	 code[BPF_MAXINSNS];
	unsigned		 n;
	unsigned		 ike;		/* jump to what is IKE */
	unsigned		 mine;		/* which receiver's; 0: all's */
	uint16_t		 mode;		/* of loads behind the head */
	uint32_t		 key_at;
	bool			 full;
};

/* Of the packets with that key so many of FAIR_ALL pass. */
struct filter_cut;

/* UDP of port 4500: the key is the SPI of ESP.  Keepalives and what is too
 * short to be judged pass. */
void program_udp(struct program *g);
/* Protocol 50 and 47.  IPv4 shows the IP header (ip(7)), IPv6 does not
 * (ipv6(7)).  The key of GRE is the outer source, its lowest 32 bits. */
void program_esp(struct program *g, bool v4);
void program_gre(struct program *g, bool v4);
/* Frames: the key is the peer's number in the destination. */
void program_frame(struct program *g);
/* Only what belongs to one of n receivers; which: program_receiver. */
void program_share(struct program *g, unsigned n);
void program_receiver(struct program *g, unsigned k);

void program_cut(struct program *g, const struct filter_cut *c, size_t n);
/* Pass what has one of the keys, which are sorted. */
void program_keys(struct program *g, const uint32_t *key, size_t n);
/* One of so many passes, the rest is dropped; a power of two, less one. */
void program_sample(struct program *g, uint32_t mask);
/* The same of NHRP alone. */
void program_sample_nhrp(struct program *g, uint32_t mask);
/* From here on it is about IKE: pass what has one of these, the upper halves
 * of SPIs, as either SPI. */
void program_ike(struct program *g, const uint32_t *key, size_t n);
void program_pass(struct program *g);

#endif
