#include "sys/pcap.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>

struct capture {
	pcap_t	*pcap;
};

struct capture *
capture_open(const char *path, struct err *e)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct capture *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	c->pcap = pcap_open_offline_with_tstamp_precision(path,
	    PCAP_TSTAMP_PRECISION_NANO, why);
	if (c->pcap == NULL) {
		free(c);
		return err_null(err_set(e, EINVAL, "%s", why));
	}
	return c;
}

void
capture_close(struct capture *c)
{
	if (c == NULL)
		return;
	pcap_close(c->pcap);
	free(c);
}

/* libpcap gives its own DLT_ number for the few types that differ. */
static unsigned
link_type(const struct capture *c)
{
	int dlt = pcap_datalink(c->pcap);

	return dlt == DLT_RAW ? 101 : (unsigned)dlt;
}

int
capture_next(struct capture *c, struct frame *f, struct err *e)
{
	struct pcap_pkthdr *head;
	const u_char *data;
	int rc = pcap_next_ex(c->pcap, &head, &data);

	if (rc == PCAP_ERROR_BREAK)
		return 0;
	if (rc != 1)
		return err_set(e, EBADMSG, "%s", pcap_geterr(c->pcap));
	f->ns = (uint64_t)head->ts.tv_sec * 1000000000u +
	    (uint64_t)head->ts.tv_usec;
	f->link = link_type(c);
	f->len = head->len;
	f->data = rbuf_of(data, head->caplen);
	return 1;
}
