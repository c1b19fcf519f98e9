#include "dpd_headend.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"

#define TTL_MIN	5u	/* seconds; shorter ones would only make load */
#define TTL_MAX	86400u

/* An address that was mistyped: the last label of a name is no number. */
static bool
ends_in_digits(const char *host)
{
	const char *last = strrchr(host, '.');

	last = last != NULL ? last + 1 : host;
	return *last != '\0' && last[strspn(last, "0123456789")] == '\0';
}

/* "name:port" into both; the name may be an IPv6 address in brackets, but
 * then it is numeric and was taken before. */
static int
name_split(struct dpd_headend_run *h, const char *name, struct err *e)
{
	const char *colon = strrchr(name, ':');
	size_t len = colon != NULL ? (size_t)(colon - name) : strlen(name);
	uint64_t port = 500;

	if (len == 0 || len >= sizeof(h->host))
		return err_set(e, EINVAL, "a name of 1 to %zu characters is "
		    "wanted", sizeof(h->host) - 1);
	if (colon != NULL && num_parse(colon + 1, 1, 65535, &port, e) < 0)
		return err_in(e, "port");
	memcpy(h->host, name, len);
	h->host[len] = '\0';
	h->port = (uint16_t)port;
	for (const char *p = h->host; *p != '\0'; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') &&
		    !(*p >= '0' && *p <= '9') && strchr("-._", *p) == NULL)
			return err_set(e, EINVAL, "neither an address nor a "
			    "host name");
	if (ends_in_digits(h->host))
		return err_set(e, EINVAL, "not a whole IPv4 address");
	return 0;
}

int
dpd_headend_init(struct dpd_headend_run *h, const char *name, struct err *e)
{
	struct endpoint p;

	memset(h, 0, sizeof(*h));
	h->backoff = DPD_RETRY_MIN;
	h->patience = DPD_PATIENCE_MIN;
	if (endpoint_parse(name, 500, &p, NULL) < 0)
		return name_split(h, name, e);
	if (addr_is_unspecified(&p.addr) || addr_is_multicast(&p.addr) ||
	    p.port == 0)
		return err_set(e, EINVAL, "not the address of a host");
	h->numeric = true;
	h->found[0] = p;
	h->n = 1;
	h->port = p.port;
	return text_copy(h->host, sizeof(h->host), name, e);
}

const struct endpoint *
dpd_headend_address(const struct dpd_headend_run *h)
{
	return h->at < h->n ? &h->found[h->at] : &h->remote;
}

void
dpd_headend_addresses(struct dpd_headend_run *h, const struct endpoint *found,
    size_t n, uint32_t ttl, uint64_t now)
{
	struct endpoint turn = *dpd_headend_address(h);

	ttl = ttl < TTL_MIN ? TTL_MIN : ttl > TTL_MAX ? TTL_MAX : ttl;
	h->refresh = now + (uint64_t)ttl * 1000;
	h->n = n < DPD_ADDRESSES_MAX ? n : DPD_ADDRESSES_MAX;
	memcpy(h->found, found, h->n * sizeof(found[0]));
	h->at = 0;
	for (size_t i = 0; i < h->n; i++)
		if (endpoint_equal(&h->found[i], &turn))
			h->at = i;
}

void
dpd_headend_up(struct dpd_headend_run *h, const struct ike_up *up,
    uint64_t now)
{
	if (h->peer != up->peer)
		h->since = now;
	h->peer = up->peer;
	h->remote = up->remote;
	memset(&h->reason, 0, sizeof(h->reason));
}

static uint32_t
twice(uint32_t v, uint32_t most)
{
	return v >= most / 2 ? most : v * 2;
}

void
dpd_headend_fail(struct dpd_headend_run *h, const struct reason *why,
    uint64_t wait, uint64_t now)
{
	if (why != NULL && why != &h->reason)
		h->reason = *why;
	h->due = now + wait;
	h->since = now;
	h->peer = 0;
	h->at = 0;
	h->standby = false;
	h->backoff = twice(h->backoff, DPD_RETRY_MAX);
	h->patience = twice(h->patience, DPD_PATIENCE_MAX);
}

void
dpd_headend_calm(struct dpd_headend_run *h)
{
	h->backoff = DPD_RETRY_MIN;
	h->patience = DPD_PATIENCE_MIN;
}

void
dpd_headend_show(const struct dpd_headend_run *h,
    struct dpd_headend_status *s)
{
	s->state = h->state;
	s->since = h->since;
	s->reason = h->reason;
	s->peer = h->peer;
	if (h->peer != 0)
		s->remote = h->remote;
	else if (h->at < h->n)
		s->remote = h->found[h->at];
}
