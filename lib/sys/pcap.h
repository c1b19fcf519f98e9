#ifndef SYS_PCAP_H
#define SYS_PCAP_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Reading captures, pcap and pcapng, through libpcap.  Only programs that
 * read captures use this file, so that no daemon carries libpcap.
 */
struct capture;

struct frame {
	uint64_t	ns;	/* since 1970 */
	unsigned	link;	/* LINKTYPE_* number, lib/wire/dissect.h */
	uint32_t	len;	/* on the wire; data may hold less */
	struct rbuf	data;	/* valid until the next call */
};

/* path "-" is standard input. */
struct capture *capture_open(const char *path, struct err *e);
void capture_close(struct capture *c);

/* 1: a frame, 0: the end, -1: the file is damaged here. */
int capture_next(struct capture *c, struct frame *f, struct err *e);

#endif
