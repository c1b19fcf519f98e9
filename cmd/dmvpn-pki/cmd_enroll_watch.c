/* enroll --watch: the file is renewed before it ends, again and again. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd_enroll.h"
#include "pki_file.h"
#include "pki_look.h"
#include "sys/log.h"
#include "sys/loop.h"
#include "sys/priv.h"

#define LOOK_EVERY	60	/* seconds: clocks jump, files are replaced */
#define LEAST_LIFE	10	/* a part of it is not renewed, whatever 2/3 is */
#define BUNDLE_MAX	(1u << 20)

/* The certificate in the file: when it ends, and when to act. */
struct watched {
	int64_t		from, to, renew;
	uint32_t	random;		/* the same for the same certificate */
};

/* Asleep or in an exchange, an end is an end; what is put in place is so with
 * signals held back. */
static void
on_end(int signo)
{
	(void)signo;
	_exit(EXIT_OK);
}

static int
look(const char *path, struct watched *w, struct err *e)
{
	struct secret *text = pki_file_read(path, true, BUNDLE_MAX, e);
	struct cert_set all = { .n = 0 };
	uint8_t print[32];
	struct rbuf r = rbuf_of(print, sizeof(print));
	int rc;

	if (text == NULL)
		return -1;
	rc = cert_set_add_pem(&all, (char *)text->b, text->len, e);
	secret_free(text);
	if (rc < 0)
		return err_in(e, "%s", path);
	w->from = cert_not_before(all.v[0]);
	w->to = cert_not_after(all.v[0]);
	cert_fingerprint(all.v[0], print);
	w->random = rbuf_be32(&r);
	w->renew = enroll_renew_at(w->from, w->to, w->random);
	cert_set_fini(&all);
	return 0;
}

static void
nap(int64_t seconds)
{
	struct timespec t = { .tv_sec = seconds < LOOK_EVERY ? seconds :
	    LOOK_EVERY };

	(void)nanosleep(&t, NULL);
}

/* One attempt; the agent gets the new key before the old file is forgotten,
 * and dmvpn-ike asks the agent again. */
static int
attempt(const struct enroll_opts *o, struct err *e)
{
	struct attempt a;
	struct err why = { 0 };
	int loaded = 0, rc = cmd_attempt_begin(&a, o, e);

	if (rc == 0)
		rc = cmd_enroll_confine(o, e);
	if (rc == 0)
		rc = cmd_attempt_run(&a, e);
	if (rc == 0) {
		if (!o->no_load && (loaded = cmd_attempt_load(&a, &why)) < 0)
			log_event(LEVEL_ERROR, "agent-refused",
			    T("identity", o->name), T("why", why.msg));
		rc = cmd_attempt_tell(&a, loaded, e);
		fflush(stdout);
	}
	cmd_attempt_end(&a);
	return rc;
}

static void
told(const char *id, const char *path, const struct watched *w)
{
	char end[32];

	pki_look_time(w->to, end);
	log_event(LEVEL_INFO, id, T("file", path), T("until", end));
}

/* For who does not read logs. */
static void
set_alarm(const struct enroll_opts *o, const char *text)
{
	char line[ERR_MAX + 256];
	struct err e = { 0 };
	int n = snprintf(line, sizeof(line), "%s\n", text);

	if (o->alarm == NULL)
		return;
	if (text[0] == '\0') {
		(void)unlink(o->alarm);
		return;
	}
	if (pki_file_write(o->alarm, 0600, true, line, (size_t)n, &e) < 0)
		log_event(LEVEL_ERROR, "alarm", T("why", e.msg));
}

/* The old certificate stays in use; when a third of its life is left, it is
 * said out loud. */
static int64_t
failed(const struct enroll_opts *o, const char *path,
    const struct watched *w, unsigned tries, const struct err *why)
{
	int64_t now = clock_wall();
	bool alarm = enroll_alarm(w->from, w->to, now);
	uint32_t random = w->random;
	char end[32], text[ERR_MAX + 200];
	uint64_t wait;

	(void)random_bytes(&random, sizeof(random), NULL);
	wait = enroll_backoff(tries, w->to - now, random);
	pki_look_time(w->to, end);
	log_event(alarm ? LEVEL_ERROR : LEVEL_WARN, alarm ?
	    "certificate-expiring" : "renewal-failed", T("file", path),
	    T("until", end), U("tries", tries + 1), U("again-in", wait),
	    T("why", why->msg));
	snprintf(text, sizeof(text), "renewal failed %u time%s, the "
	    "certificate ends at %s: %s", tries + 1, tries == 0 ? "" : "s",
	    end, why->msg);
	set_alarm(o, text);
	return now + (int64_t)wait;
}

/* A CA that gives ever shorter certificates is not asked all the time. */
static int64_t
renewed(const char *path, const struct watched *w, int64_t now)
{
	int64_t least = now + (w->to - now) / LEAST_LIFE;

	told("renewed", path, w);
	return w->renew > least ? w->renew : least;
}

/* What was there before has come again, or the file is gone: as a failure. */
static int
act(const struct enroll_opts *o, const char *path, struct watched *w,
    struct err *e)
{
	struct watched before = *w;

	err_clear(e);
	if (attempt(o, e) < 0 || look(path, w, e) < 0)
		return -1;
	return w->random != before.random || w->to != before.to ? 0 :
	    err_set(e, EPERM, "the CA gave the same certificate again");
}

static void
watch(const struct enroll_opts *o, const char *path, struct watched w)
{
	int64_t next = w.renew, planned = clock_wall(), now;
	struct err e = { 0 };
	unsigned tries = 0;

	for (;;) {
		struct watched before = w;

		now = clock_wall();
		next = enroll_next(next, w.renew, planned, now);
		planned = now;
		if (now < next) {
			nap(next - now);
			/* Somebody else may have replaced it. */
			if (look(path, &w, &e) == 0 &&
			    w.random != before.random) {
				told("watching", path, &w);
				set_alarm(o, "");
				next = w.renew;
				tries = 0;
			}
		} else if (act(o, path, &w, &e) < 0)
			next = failed(o, path, &w, tries++, &e);
		else {
			next = renewed(path, &w, clock_wall());
			set_alarm(o, "");
			tries = 0;
		}
	}
}

int
cmd_enroll_watch(const struct enroll_opts *o, struct err *e)
{
	struct sigaction end = { .sa_handler = on_end };
	struct enroll_opts again = *o;
	char room[80];
	const char *path = o->out != NULL ? o->out : o->renew;
	struct watched w;

	if (path == NULL) {
		snprintf(room, sizeof(room), "%s.pem", o->name);
		path = room;
	}
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	if (access(o->renew != NULL ? o->renew : path, F_OK) < 0 &&
	    attempt(o, e) < 0)
		return -1;
	/* From now on with what is there, and no challenge. */
	again.renew = o->renew != NULL && access(path, F_OK) < 0 ? o->renew :
	    path;
	again.out = NULL;
	again.challenge = NULL;
	again.ask = false;
	if (look(again.renew, &w, e) < 0)
		return -1;
	told("watching", again.renew, &w);
	if (clock_wall() < w.renew)
		set_alarm(o, "");
	daemon_ready(&o->daemon);
	watch(&again, again.renew, w);
	return 0;
}
