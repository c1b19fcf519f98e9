/* watch: lists and OCSP responses of the agent are kept fresh, by a process
 * that has no key. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd_fetch.h"
#include "pki_look.h"
#include "sys/ask.h"
#include "sys/log.h"
#include "sys/loop.h"
#include "sys/priv.h"

#define PLACES_MAX	64	/* as many lists as an agent holds */
#define LOST_AGAIN	1	/* seconds until we look for the agent again */
#define ALARM_EVERY	3600	/* seconds between two cries about one place */

struct place {
	struct pki_fetch f;
	int64_t		 alarmed;
	bool		 asked, looked;	/* looked: an old alarm is gone */
	char		 dir[1024];	/* a file's; what may be read */
};

struct watch_state {
	const struct fetch_opts	*o;
	struct conn		*agent;
	struct fetch_ids	 ids;
	struct ocsp_watch	 ocsp;
	size_t			 n;
	struct place		 places[PLACES_MAX];
	bool			 changed;	/* identities came or went */
};

/* ------------------------------------------------------------ to the agent */

static void
lose_agent(struct watch_state *w, const char *why)
{
	size_t i;

	if (w->agent != NULL)
		log_event(LEVEL_WARN, "agent-lost", T("why", why));
	conn_close(w->agent);
	w->agent = NULL;
	for (i = 0; i < w->n; i++)
		w->places[i].f.told = false;
}

static bool
find_agent(struct watch_state *w)
{
	static const char *const events[] = { "pki-changed", NULL };
	struct err e = { 0 };

	if (w->agent != NULL)
		return true;
	if ((w->agent = ask_open("pki.sock", &e)) == NULL)
		return false;
	if (conn_subscribe(w->agent, events, &e) < 0) {
		lose_agent(w, e.msg);
		return false;
	}
	w->changed = true;
	log_event(LEVEL_INFO, "agent-found");
	return true;
}

/* Who is there, and whom they trust. */
static bool
know_identities(struct watch_state *w)
{
	struct fetch_ids ids;
	struct err e = { 0 };
	size_t i;

	if (!w->changed)
		return true;
	if (cmd_fetch_ids(w->agent, w->o->only, &ids, &e) < 0) {
		lose_agent(w, e.msg);
		return false;
	}
	cmd_fetch_ids_fini(&w->ids);
	w->ids = ids;
	w->changed = false;
	for (i = 0; i < w->n; i++)
		w->places[i].f.told = false;
	return true;
}

static void
tell(struct watch_state *w, struct place *p)
{
	struct reason why = { .code = "" };
	struct err e = { 0 };

	if (p->f.told || p->f.crls.n == 0 || w->ids.n == 0)
		return;
	if (cmd_fetch_tell(w->agent, &p->f, w->o->only != NULL ? w->o->only :
	    "", &why, &e) == 0) {
		p->f.told = true;
		return;
	}
	if (why.code[0] == '\0')
		lose_agent(w, e.msg);
	else {
		log_event(LEVEL_WARN, "crl-refused", T("place", p->f.place),
		    T("code", why.code), T("why", why.text));
		p->f.told = true;	/* it will not change its mind */
	}
}

/* --------------------------------------------------------------- one place */

static uint32_t
draw(void)
{
	uint32_t r = 0;

	(void)random_bytes(&r, sizeof(r), NULL);
	return r;
}

static void
succeeded(struct watch_state *w, struct place *p, int got)
{
	struct err e = { 0 };
	char end[32];

	if (got == 0) {
		log_event(LEVEL_DEBUG, "crl-unchanged", T("place", p->f.place));
		return;
	}
	pki_look_time(pki_fetch_end(&p->f), end);
	log_event(LEVEL_INFO, "crl-fetched", T("place", p->f.place),
	    U("lists", p->f.crls.n), T("next-update", end));
	if (w->o->cache != NULL && pki_fetch_save(&p->f, w->o->cache, &e) < 0)
		log_event(LEVEL_WARN, "cache-failed", T("why", e.msg));
}

static void
ask(struct watch_state *w, struct place *p, int64_t now)
{
	struct err e = { 0 };
	int got = cmd_fetch_ask(&p->f, w->o, &w->ids.trust, &e);

	p->asked = true;
	p->f.fails = got < 0 ? p->f.fails + 1 : 0;
	p->f.due = pki_fetch_next(&p->f, now, w->o->every, draw());
	if (got >= 0)
		succeeded(w, p, got);
	else
		log_event(LEVEL_WARN, e.code == ESTALE || e.code == EPERM ?
		    "crl-refused" : "fetch-failed", T("place", p->f.place),
		    U("tries", p->f.fails), U("again-in", (uint64_t)(p->f.due -
		    now)), T("why", e.msg));
}

static void
write_alarm(const struct watch_state *w, const struct place *p,
    const char *text)
{
	struct err e = { 0 };

	if (w->o->cache != NULL &&
	    pki_fetch_alarm(&p->f, w->o->cache, text, &e) < 0)
		log_event(LEVEL_WARN, "cache-failed", T("why", e.msg));
}

/* Nobody may be let in on an old list without anybody knowing it. */
static void
cry(struct watch_state *w, struct place *p, int64_t now)
{
	enum pki_fetch_age age = pki_fetch_age(&p->f, now);
	char end[32], text[1200];

	if (age == PKI_FETCH_FRESH) {
		if (p->alarmed != 0 || !p->looked)
			write_alarm(w, p, "");
		p->alarmed = 0;
		p->looked = true;
		return;
	}
	if (!p->asked || (now >= p->alarmed && now - p->alarmed <
	    ALARM_EVERY))
		return;
	p->alarmed = now;
	pki_look_time(pki_fetch_end(&p->f), end);
	if (p->f.crls.n == 0)
		snprintf(text, sizeof(text), "there is no revocation list from "
		    "%s", p->f.place);
	else
		snprintf(text, sizeof(text), "the revocation list from %s is "
		    "valid until %s, and no new one comes", p->f.place, end);
	write_alarm(w, p, text);
	log_event(age == PKI_FETCH_STALE ? LEVEL_ERROR : LEVEL_WARN,
	    age == PKI_FETCH_STALE ? "crl-stale" : "crl-ending",
	    T("place", p->f.place), T("next-update", p->f.crls.n == 0 ?
	    "there is none" : end), U("tries", p->f.fails));
}

/* What is due is done; the next time is returned. */
static int64_t
round_of(struct watch_state *w)
{
	int64_t now = clock_wall(), next;
	size_t i;

	if (!find_agent(w) || !know_identities(w))
		return now + LOST_AGAIN;
	next = now + (int64_t)w->o->every;
	for (i = 0; i < w->n && w->agent != NULL; i++) {
		struct place *p = &w->places[i];

		tell(w, p);		/* from the disk, before the network */
		if (pki_fetch_is_due(&p->f, now, w->o->every) &&
		    w->agent != NULL && w->ids.n > 0) {
			ask(w, p, now);
			tell(w, p);
		}
		cry(w, p, now);
		next = p->f.due < next ? p->f.due : next;
	}
	if (w->agent != NULL && w->o->ocsp != NULL) {
		int64_t at = cmd_ocsp_watch(&w->ocsp, w->agent, &w->ids, w->o,
		    now);

		next = at < next ? at : next;
	}
	return w->agent == NULL ? now + LOST_AGAIN : next;
}

/* Until then, or until the agent has news. */
static void
wait_until(struct watch_state *w, int64_t next)
{
	int64_t left = next - clock_wall();
	struct err e = { 0 };
	bool closed = false;
	struct msg m;

	left = left < 0 ? 0 : left > 60 ? 60 : left;	/* clocks jump */
	if (w->agent == NULL) {
		sleep((unsigned)(left > 0 ? left : LOST_AGAIN));
		return;
	}
	if (conn_event(w->agent, &m, (int)left * 1000, &closed, &e) == 1)
		w->changed = true;
	else if (closed || e.code != 0)
		lose_agent(w, closed ? "it has ended" : e.msg);
}

/* ---------------------------------------------------------------- to begin */

static void
on_end(int signo)
{
	(void)signo;
	_exit(EXIT_OK);
}

/* The directory of a file, which is replaced by rename. */
static void
note_dir(struct place *p)
{
	const char *slash = strrchr(p->f.place, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - p->f.place);

	if (slash == NULL)
		snprintf(p->dir, sizeof(p->dir), ".");
	else		/* "/x" is in "/" */
		memcpy(p->dir, p->f.place, len > 0 ? len : 1);
}

static int
confine(const struct watch_state *w, struct err *e)
{
	/* What names are looked up in, and whom https trusts. */
	static const char *const etc[] = { "/etc/resolv.conf", "/etc/hosts",
	    "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
	    "/etc/services", "/etc/ssl", "/usr/lib/ssl", "/run/systemd/resolve",
	    "/usr/share/ca-certificates" };
	struct sandbox_path paths[PLACES_MAX + 16] = { { NULL, false } };
	const struct sandbox_conf box = { .paths = paths, .flags =
	    SANDBOX_UNIX | SANDBOX_INET | SANDBOX_FILES | SANDBOX_SQLITE };
	const struct priv none = { .user = w->o->daemon.user };
	size_t i, n = 0;

	for (i = 0; i < sizeof(etc) / sizeof(etc[0]); i++)
		paths[n++] = (struct sandbox_path){ etc[i], false };
	if (w->o->cache != NULL)
		paths[n++] = (struct sandbox_path){ w->o->cache, true };
	for (i = 0; i < w->n; i++)
		if (!w->places[i].f.is_url)
			paths[n++] = (struct sandbox_path){ w->places[i].dir,
			    false };
	return priv_drop(&none, e) < 0 ? -1 : sandbox_enter(&box, e);
}

static int
begin(struct watch_state *w, int n, char **places, struct err *e)
{
	struct sigaction end = { .sa_handler = on_end };
	int i;

	if (w->o->cache != NULL && mkdir(w->o->cache, 0755) < 0 &&
	    errno != EEXIST)
		return err_sys(e, "%s", w->o->cache);
	for (i = 0; i < n; i++) {
		struct place *p = &w->places[w->n++];
		struct err why = { 0 };

		if (pki_fetch_init(&p->f, places[i], e) < 0)
			return -1;
		note_dir(p);
		if (w->o->cache != NULL &&
		    pki_fetch_restore(&p->f, w->o->cache, NULL, &why) < 0)
			log_event(LEVEL_WARN, "cache-damaged",
			    T("why", why.msg));
	}
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	signal(SIGPIPE, SIG_IGN);
	return confine(w, e);
}

int
cmd_watch(int argc, char **argv)
{
	struct fetch_opts o = { .every = PKI_FETCH_EVERY, .seconds = 30 };
	const struct opt opts[] = {
		{ 0, "only", "NAME", "for this identity; else for all that "
		    "know the issuer", OPT_TEXT, &o.only, 0, 0 },
		{ 'e', "every", "TIME", "how often to look for a new list, 5m",
		    OPT_TIME, &o.every, 1, 604800 },
		{ 0, "ocsp", "URL", "also responses about our own "
		    "certificates; \"auto\" is what they name", OPT_TEXT,
		    &o.ocsp, 0, 0 },
		{ 0, "cache", "DIR", "where the lists are kept", OPT_TEXT,
		    &o.cache, 0, 0 },
		{ 0, "timeout", "TIME", "for one place, 30s", OPT_TIME,
		    &o.seconds, 1, 3600 },
		DAEMON_OPTS(o.daemon), OPT_END,
	};
	static struct watch_state w;
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "[--ocsp URL|auto] [URL|FILE]...",
	    0, PLACES_MAX, &status) < 0 || daemon_opts(&o.daemon, &status) < 0)
		return status;
	if (argc == 0 && o.ocsp == NULL)
		return command_usage("nothing to watch: a URL or --ocsp");
	w.o = &o;
	w.changed = true;
	if (begin(&w, argc, argv, &e) < 0)
		return command_fail(cmd_input_status(&e), &e);
	daemon_ready(&o.daemon);
	for (;;)
		wait_until(&w, round_of(&w));
}
