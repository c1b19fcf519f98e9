#include "path_mtu.h"

#include <string.h>

#define BASE		1280	/* passes wherever IPv6 does */
#define TRIES		3	/* RFC 8899, 5.1.2: MAX_PROBES */
#define WAIT_MIN	200	/* ms for answers */
#define WAIT_MAX	1000
#define VERIFY_EVERY	1000	/* ms, because of what is sent again */
#define STUCK_MAX	2	/* times, before a guess */
#define EXACT		4	/* octets: an ESP block */
#define CLIMBERS	7	/* rungs of a ladder at once */

void
mtu_init(struct mtu_search *m, uint16_t floor, uint16_t max)
{
	uint32_t serial = m->serial;

	memset(m, 0, sizeof(*m));
	m->serial = serial + 1;	/* answers to what was before are void */
	m->floor = floor < max ? floor : max;
	m->max = max;
	m->mtu = max;
	m->how = MTU_HOW_ASSUMED;
}

static uint64_t
patience(const struct mtu_search *m)
{
	uint64_t ms = 2 * m->rtt + 50;

	if (m->rtt == 0 || ms > WAIT_MAX)
		return WAIT_MAX;
	return ms < WAIT_MIN ? WAIT_MIN : ms;
}

static void
ladder(struct mtu_search *m, enum mtu_phase phase)
{
	m->phase = phase;
	m->n = 0;
	m->tries = 0;
	m->answered = 0;
	m->first = UINT16_MAX;
	m->serial++;
	m->at = 0;
}

/* Rungs only go up. */
static void
rung(struct mtu_search *m, uint16_t size)
{
	if (m->n < MTU_RUNGS && (m->n == 0 || size > m->rung[m->n - 1]))
		m->rung[m->n++] = size;
}

/* First the smallest and what is in use; in doubt also what is often true
 * (tunnels, DSL), so that the first fall is seldom too deep: whoever is told
 * of it remembers it long. */
static void
verify(struct mtu_search *m, uint64_t now)
{
	static const uint16_t often[] = { BASE, 1360, 1400, 1420, 1440, 1460,
	    1480, 1492 };
	size_t i;

	ladder(m, MTU_VERIFY);
	rung(m, m->floor < m->mtu ? m->floor : m->mtu);
	for (i = 0; i < sizeof(often) / sizeof(often[0]); i++)
		if (often[i] < m->mtu)
			rung(m, often[i]);
	rung(m, m->mtu);
	m->first = (uint16_t)(UINT32_MAX << (m->n - 1) | 1);
	if (m->before > m->mtu)
		rung(m, m->before);
	m->kick_at = 0;
	m->verified = now;
}

/* Between what passes and what does not, evenly.  The largest of all is not
 * known to be too large: it is a rung itself. */
static void
climb(struct mtu_search *m, uint16_t lo, uint32_t hi)
{
	uint32_t i, step;

	m->lo = lo;
	m->hi = hi;
	if (hi - lo <= EXACT) {
		m->phase = MTU_IDLE;
		m->mtu = lo;
		m->how = MTU_HOW_PROBED;
		return;
	}
	ladder(m, MTU_CLIMB);
	step = (hi - lo) / (CLIMBERS + 1);
	if (step == 0)
		step = 1;
	for (i = 1; i <= CLIMBERS && lo + i * step < hi; i++)
		rung(m, (uint16_t)(lo + i * step));
	if (hi > m->max)
		rung(m, m->max);
}

void
mtu_kick(struct mtu_search *m, uint64_t now, uint64_t ms)
{
	if (m->phase == MTU_IDLE && m->how != MTU_HOW_PROBED &&
	    (m->kick_at == 0 || m->kick_at > now + ms))
		m->kick_at = now + ms;
}

void
mtu_told(struct mtu_search *m, uint16_t mtu, uint64_t now)
{
	if (mtu >= m->mtu)
		return;		/* about a probe, or an old packet */
	m->before = m->mtu;
	m->mtu = mtu;
	m->how = MTU_HOW_TOLD;
	m->raise_at = now + MTU_AGE;
	verify(m, now);
}

/* What is used may pass or not, and more may. */
void
mtu_moved(struct mtu_search *m, uint64_t now)
{
	m->before = m->max;
	m->rtt = 0;
	verify(m, now);
}

/* Of the rungs: the largest that was answered, 0: none. */
static uint16_t
best(const struct mtu_search *m)
{
	unsigned i;

	for (i = m->n; i-- > 0;)
		if (m->answered >> i & 1)
			return m->rung[i];
	return 0;
}

/* The smallest above size that was not answered; 0: none. */
static unsigned
missing(const struct mtu_search *m, uint16_t size)
{
	unsigned i;

	for (i = 0; i < m->n; i++)
		if (m->rung[i] > size && !(m->answered >> i & 1))
			return i + 1;
	return 0;
}

void
mtu_answered(struct mtu_search *m, uint32_t serial, unsigned i, uint64_t now)
{
	uint64_t soon;

	if (m->phase == MTU_IDLE || serial != m->serial || i >= m->n)
		return;
	if (m->rtt == 0 || m->tries == 1)
		m->rtt = now > m->sent ? (uint32_t)(now - m->sent) : 1;
	if (m->phase == MTU_CLIMB && m->tries > 1 && m->rung[i] > best(m))
		m->tries = 1;	/* the one above has its own tries */
	m->answered |= 1U << i;
	m->ever = true;
	m->stuck = 0;
	soon = m->sent + patience(m);
	if (soon < m->at)
		m->at = soon;
	/* The top is all that there is to know. */
	if (i + 1 == m->n)
		m->at = now;
}

void
mtu_stuck(struct mtu_search *m, uint64_t now)
{
	if (m->phase != MTU_IDLE)
		return;
	if (m->ever && m->verified + VERIFY_EVERY > now) {
		m->kick_at = m->verified + VERIFY_EVERY;
		return;
	}
	if (!m->ever && m->verified != 0 && ++m->stuck >= STUCK_MAX &&
	    m->mtu > BASE) {
		m->mtu = BASE;	/* nobody can be asked */
		m->how = MTU_HOW_GUESSED;
		m->raise_at = now + MTU_AGE;
		m->stuck = 0;
		return;
	}
	verify(m, now);
}

void
mtu_age(struct mtu_search *m, uint64_t now, bool large)
{
	if (m->phase != MTU_IDLE)
		return;
	if (m->raise_at != 0 && now >= m->raise_at) {
		m->raise_at = now + MTU_AGE;
		if (m->ever) {
			climb(m, m->mtu, m->max + 1U);
			return;
		}
		m->raise_at = 0;	/* RFC 1191, 6.3 */
		m->mtu = m->max;
		m->how = MTU_HOW_ASSUMED;
	}
	if (m->confirm_at == 0)
		m->confirm_at = now + MTU_CONFIRM;
	if ((m->kick_at != 0 && now >= m->kick_at) ||
	    (large && now >= m->confirm_at)) {
		m->confirm_at = now + MTU_CONFIRM;
		verify(m, now);
	}
}

/* Nothing at all came back. */
static void
silence(struct mtu_search *m, uint64_t now)
{
	if (!m->ever && !m->echo) {
		m->echo = true;		/* not one of ours: it can be pinged */
		verify(m, now);
		return;
	}
	if (!m->ever)
		m->echo = false;	/* next time from the beginning */
	m->before = 0;
	m->phase = MTU_IDLE;
}

static void
judge_verify(struct mtu_search *m, uint64_t now)
{
	uint16_t top = best(m), told = m->before;
	unsigned miss = missing(m, top);

	m->before = 0;
	if (top == 0) {
		m->before = told;
		silence(m, now);
		return;
	}
	if (top >= m->mtu) {
		/* What ICMP said is true, or it is not. */
		m->mtu = top;
		m->how = MTU_HOW_PROBED;
		m->phase = MTU_IDLE;
	} else {
		m->mtu = top;
		m->how = MTU_HOW_PROBED;
		climb(m, top, miss == 0 ? m->max + 1U : m->rung[miss - 1]);
	}
	if (m->mtu >= m->max)
		m->raise_at = 0;
	else if (m->raise_at == 0)
		m->raise_at = now + MTU_AGE;
}

static void
judge_climb(struct mtu_search *m, uint64_t now)
{
	uint16_t top = best(m), lo = top > m->lo ? top : m->lo;
	unsigned miss = missing(m, lo);
	uint32_t hi = miss != 0 ? m->rung[miss - 1] : m->hi;

	if (lo >= m->max) {
		m->mtu = lo;
		m->how = MTU_HOW_PROBED;
		m->phase = MTU_IDLE;
		m->raise_at = 0;
		return;
	}
	m->raise_at = now + MTU_AGE;
	climb(m, lo, hi);
}

/* After the first ones only what is worth it: a lost one below an answered
 * one tells nothing. */
static uint32_t
choose(const struct mtu_search *m)
{
	uint32_t all = (1U << m->n) - 1, above;
	unsigned miss = missing(m, best(m));

	if (m->tries == 0)
		return all & m->first;
	if (miss == 0)
		return 0;
	above = all & ~((1U << (miss - 1)) - 1) & ~m->answered;
	return m->phase == MTU_VERIFY ? above : 1U << (miss - 1);
}

static bool
over(const struct mtu_search *m)
{
	return m->answered >> (m->n - 1) & 1 || m->tries >= TRIES;
}

uint32_t
mtu_step(struct mtu_search *m, uint64_t now)
{
	uint32_t send;

	while (m->phase != MTU_IDLE && now >= m->at) {
		if (m->tries > 0 && over(m)) {
			if (m->phase == MTU_VERIFY)
				judge_verify(m, now);
			else
				judge_climb(m, now);
			continue;
		}
		send = choose(m);
		m->tries++;
		m->sent = now;
		m->at = now + patience(m);
		return send;
	}
	return 0;
}
