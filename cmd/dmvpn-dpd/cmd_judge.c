#include "cmd.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dpd_watch.h"
#include "msg/msg.h"
#include "sys/command.h"
#include "sys/loop.h"

/*
 * A filter: events in, verdicts out, no socket.  Time is that of the stream;
 * between two events it goes on as the clock does when a program writes the
 * stream, and stands still when it is a file.  Nobody can be probed here: a
 * peer is dead after interval and tries have passed without a sign of it.
 */
struct judge {
	struct dpd_watch	*watch;
	enum out_format		 format;
	bool			 live;
	uint64_t		 at, heard;	/* the stream's, the clock's */
	uint8_t			 buf[2 * MSG_MAX];
	size_t			 len;
	int			 rc;
	struct err		*e;
};

static uint64_t
stream_now(const struct judge *j)
{
	return j->live ? j->at + (clock_ms() - j->heard) : j->at;
}

static void
judge_poll(void *arg)
{
	(void)arg;	/* the stream is all there is to know */
}

static void
judge_probe(void *arg, uint16_t peer)
{
	(void)arg;
	(void)peer;
}

static uint32_t
judge_random(void *arg)
{
	(void)arg;
	return 0;	/* the same stream gives the same verdicts */
}

static void
judge_write(struct judge *j, const struct dpd_dead *d)
{
	uint8_t room[MSG_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	struct msg m;

	if (msg_write_event(&w, stream_now(j), &dpd_dead_type, d, j->e) < 0 ||
	    msg_read(wbuf_rbuf(&w), &m, j->e) < 0 ||
	    out_event(stdout, j->format, &m, j->e) < 0)
		j->rc = -1;
	else if (fflush(stdout) != 0)
		j->rc = err_sys(j->e, "writing");
}

static void
judge_dead(void *arg, const struct dpd_dead *d, bool again)
{
	if (!again)
		judge_write(arg, d);
}

static const struct dpd_watch_ops judge_ops = {
	.poll = judge_poll,
	.probe = judge_probe,
	.dead = judge_dead,
	.random = judge_random,
};

/* All that is due until now, each at its own time. */
static uint64_t
judge_until(struct judge *j, uint64_t now)
{
	uint64_t at = j->at, wake;

	for (;;) {
		(void)dpd_watch_turn(j->watch, at);
		dpd_watch_polled(j->watch, at);
		wake = dpd_watch_turn(j->watch, at);
		if (j->rc < 0 || wake == 0 || wake > now)
			return wake;
		at = wake > at ? wake : at + 1;
		j->at = at;
		j->heard = clock_ms();
	}
}

static int
take_up(struct judge *j, const struct msg *m)
{
	struct ike_up up;

	if (msg_get(m->body, &ike_up_type, &up, j->e) < 0)
		return -1;
	return dpd_watch_up(j->watch, up.peer, up.profile, up.identity,
	    j->at, j->e);
}

static int
take_down(struct judge *j, const struct msg *m)
{
	struct ike_down down;

	if (msg_get(m->body, &ike_down_type, &down, j->e) < 0)
		return -1;
	dpd_watch_down(j->watch, down.peer);
	return 0;
}

static int
take_packet(struct judge *j, const struct msg *m)
{
	struct ike_packet p;

	if (msg_get(m->body, &ike_packet_type, &p, j->e) < 0)
		return -1;
	if (p.direction == DIRECTION_IN && p.drop[0] == '\0')
		dpd_watch_seen(j->watch, p.peer, j->at, j->at);
	return 0;
}

static int
take_first(struct judge *j, const struct msg *m)
{
	struct gre_sa_first f;

	if (msg_get(m->body, &gre_sa_first_type, &f, j->e) < 0)
		return -1;
	dpd_watch_seen(j->watch, f.peer, j->at, j->at);
	return 0;
}

static int
take_moved(struct judge *j, const struct msg *m)
{
	struct gre_peer_moved p;

	if (msg_get(m->body, &gre_peer_moved_type, &p, j->e) < 0)
		return -1;
	dpd_watch_seen(j->watch, p.peer, j->at, j->at);
	return 0;
}

static int
take_nhrp(struct judge *j, const struct msg *m)
{
	struct gre_nhrp n;

	if (msg_get(m->body, &gre_nhrp_type, &n, j->e) < 0)
		return -1;
	dpd_watch_seen(j->watch, n.peer, j->at, j->at);
	return 0;
}

static int
take_child(struct judge *j, const struct msg *m)
{
	struct ike_child_up c;

	if (msg_get(m->body, &ike_child_up_type, &c, j->e) < 0)
		return -1;
	dpd_watch_seen(j->watch, c.peer, j->at, j->at);
	return 0;
}

static int
take_heard(struct judge *j, const struct msg *m)
{
	struct ike_heard h;

	if (msg_get(m->body, &ike_heard_type, &h, j->e) < 0)
		return -1;
	dpd_watch_seen(j->watch, h.peer, j->at, j->at);
	return 0;
}

/* Every event that tells of life or of its end. */
static const struct {
	const struct msg_type	*type;
	int			(*take)(struct judge *j, const struct msg *m);
} signs[] = {
	{ &ike_up_type, take_up },
	{ &ike_down_type, take_down },
	{ &ike_packet_type, take_packet },
	{ &ike_child_up_type, take_child },
	{ &ike_heard_type, take_heard },
	{ &gre_sa_first_type, take_first },
	{ &gre_peer_moved_type, take_moved },
	{ &gre_nhrp_type, take_nhrp },
};

static int
take_event(struct judge *j, struct rbuf item)
{
	struct msg m;

	if (msg_read(item, &m, j->e) < 0)
		return -1;
	if (m.class != MSG_EVENT)
		return err_set(j->e, EBADMSG, "a stream of events is wanted, "
		    "not requests or replies");
	if (m.at < j->at)
		m.at = j->at;	/* merged streams are a little out of order */
	(void)judge_until(j, m.at);
	j->at = m.at;
	j->heard = clock_ms();
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strcmp(m.name, signs[i].type->name) == 0)
			return signs[i].take(j, &m);
	return 0;
}

/* Whole items at the front of the buffer. */
static int
take_items(struct judge *j)
{
	struct rbuf r = rbuf_of(j->buf, j->len);
	int n = 0;

	while (j->rc == 0 && rbuf_left(&r) > 0 &&
	    (n = msg_item_length(&r, j->e)) > 0 &&
	    (size_t)n <= rbuf_left(&r))
		if (take_event(j, rbuf_sub(&r, (size_t)n)) < 0)
			return -1;
	if (n < 0)
		return -1;
	j->len = rbuf_left(&r);
	memmove(j->buf, r.p, j->len);
	return j->rc;
}

/* 1: more came, 0: the end, -1: failed. */
static int
read_more(struct judge *j)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t now, wake;
	ssize_t n;
	int rc;

	for (;;) {
		now = stream_now(j);
		wake = j->live ? judge_until(j, now) : 0;
		rc = poll(&p, 1, wake == 0 ? -1 : wake <= now ? 0 :
		    (int)(wake - now > 60000 ? 60000 : wake - now));
		if (rc < 0 && errno != EINTR)
			return err_sys(j->e, "waiting for events");
		if (j->rc < 0)
			return -1;
		if (rc > 0)
			break;
	}
	n = read(STDIN_FILENO, j->buf + j->len, sizeof(j->buf) - j->len);
	if (n < 0)
		return err_sys(j->e, "reading events");
	j->len += (size_t)n;
	return n > 0;
}

static int
judge_run(struct judge *j)
{
	struct stat st;
	int rc;

	j->live = fstat(STDIN_FILENO, &st) == 0 && !S_ISREG(st.st_mode);
	j->heard = clock_ms();
	while ((rc = read_more(j)) > 0)
		if (take_items(j) < 0)
			return -1;
	if (rc == 0 && j->len > 0)
		return err_set(j->e, EBADMSG, "the stream ends inside of an "
		    "event: %zu octets are left", j->len);
	return rc;
}

static int
judge_with(struct judge *j, uint64_t interval, uint64_t tries)
{
	int rc;

	if ((j->watch = dpd_watch_new(&judge_ops, j)) == NULL)
		return err_sys(j->e, "no memory");
	rc = dpd_watch_rule(j->watch, "", (uint32_t)interval, (uint8_t)tries,
	    0, j->e);
	if (rc == 0)
		rc = judge_run(j);
	dpd_watch_free(j->watch);
	return rc;
}

int
cmd_judge(int argc, char **argv)
{
	uint64_t interval = DPD_INTERVAL, tries = DPD_TRIES;
	bool json = false, text = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		    &json, 0, 0 },
		{ 't', "text", NULL, "lines for people; the default is a "
		    "CBOR sequence", OPT_FLAG, &text, 0, 0 },
		{ 0, "interval", "MS", "quiet before the first try, 3000",
		    OPT_NUM, &interval, 1, 3600000 },
		{ 0, "tries", "N", "a quarter of interval each, 6", OPT_NUM,
		    &tries, 1, 10 },
		OPT_END,
	};
	struct err e = { 0 };
	struct judge *j;
	int status, rc;

	if (opt_parse(&argc, &argv, opts, "[-j] [-t] [--interval MS] "
	    "[--tries N]", 0, 0, &status) < 0)
		return status;
	if ((j = calloc(1, sizeof(*j))) == NULL) {
		err_sys(&e, "judge");
		return command_fail(EXIT_SYSTEM, &e);
	}
	j->e = &e;
	j->format = json ? OUT_JSON : text || isatty(STDOUT_FILENO) ?
	    OUT_TEXT : OUT_CBOR;
	rc = judge_with(j, interval, tries);
	free(j);
	if (rc < 0)
		return command_fail(e.code == EBADMSG ? EXIT_NO :
		    EXIT_SYSTEM, &e);
	return EXIT_OK;
}
