#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "msg/msg.h"
#include "pki_agent.h"
#include "pki_ring_crl.h"
#include "pki_ring_staple.h"
#include "pki_safe.h"
#include "sys/daemon.h"
#include "sys/log.h"

#define ROOM 4096		/* octets of a signature, and more */

static void
on_identity(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	struct pki_identity_reply out;
	struct reason why;

	if (pki_agent_identity(&a->ring, call_uid(c), clock_wall(), in,
	    &out, &why) < 0)
		call_fail(c, &why);
	else
		call_reply(c, &pki_identity_reply_type, &out);
}

static void
on_certificate(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	struct pki_certificate_reply out;
	struct reason why;

	if (pki_agent_cert(&a->ring, call_uid(c), in, &out, &why) < 0)
		call_fail(c, &why);
	else
		call_reply(c, &pki_certificate_reply_type, &out);
}

static void
on_crl(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	struct pki_crl_reply out;
	struct reason why;

	if (pki_agent_crl(&a->ring, call_uid(c), in, &out, &why) < 0)
		call_fail(c, &why);
	else
		call_reply(c, &pki_crl_reply_type, &out);
}

static void
on_staple(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	struct pki_staple_reply out;
	struct reason why;

	if (pki_agent_staple(&a->ring, call_uid(c), clock_wall(), in, &out,
	    &why) < 0)
		call_fail(c, &why);
	else
		call_reply(c, &pki_staple_reply_type, &out);
}

static void
on_identities(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	struct pki_identities out;

	(void)in;
	pki_agent_list(&a->ring, &out);
	call_reply(c, &pki_identities_type, &out);
}

static void
refused(const char *what, const char *identity, const struct reason *why)
{
	log_event(LEVEL_WARN, what, T("identity", identity),
	    T("code", why->code), T("why", why->text));
}

static void
on_sign(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	const struct pki_sign *m = in;
	struct pki_sign_reply out = { .method = 0 };
	uint8_t octets[ROOM];
	struct wbuf room = wbuf_of(octets, sizeof(octets));
	struct reason why;

	if (pki_agent_sign(&a->ring, call_uid(c), clock_ms(), m, &room, &out,
	    &why) < 0) {
		refused("sign-refused", m->identity, &why);
		call_fail(c, &why);
	} else
		call_reply(c, &pki_sign_reply_type, &out);
}

static void
on_psk(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	const struct pki_psk *m = in;
	struct pki_sign_reply out = { .method = 0 };
	uint8_t octets[ROOM];
	struct wbuf room = wbuf_of(octets, sizeof(octets));
	struct reason why;

	if (pki_agent_psk(&a->ring, call_uid(c), clock_ms(), m, &room, &out,
	    &why) < 0) {
		refused("psk-refused", m->identity, &why);
		call_fail(c, &why);
	} else
		call_reply(c, &pki_sign_reply_type, &out);
	secret_wipe(octets, sizeof(octets));
}

static void
tell_changed(struct agent *a, const char *identity, bool gone)
{
	struct pki_changed m = { .gone = gone };

	memcpy(m.identity, identity, sizeof(m.identity));
	server_event(a->server, &pki_changed_type, &m);
	log_event(LEVEL_INFO, gone ? "identity-unloaded" : "identity-loaded",
	    T("identity", identity));
}

static void
on_load(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	const struct pki_load *m = in;
	struct reason why;

	int rc = pki_ring_load(&a->ring, m, &why);

	pki_safe_stack();
	if (rc < 0) {
		refused("load-refused", m->identity, &why);
		call_fail(c, &why);
		return;
	}
	call_ok(c);
	tell_changed(a, m->identity, false);
}

/* These identities have something new to tell. */
static void
tell_done(struct agent *a, const char *what, const struct pki_crl_done *done)
{
	struct pki_changed ev = { .gone = false };
	size_t i;

	for (i = 0; i < done->n; i++) {
		memcpy(ev.identity, done->names[i], sizeof(ev.identity));
		server_event(a->server, &pki_changed_type, &ev);
		log_event(LEVEL_INFO, what, T("identity", done->names[i]));
	}
}

static void
on_crl_load(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	const struct pki_crl_load *m = in;
	struct pki_crl_done done;
	struct reason why;

	if (pki_ring_crl_piece(&a->ring, m, &done, &why) < 0) {
		refused("crl-refused", m->identity, &why);
		call_fail(c, &why);
		return;
	}
	call_ok(c);
	tell_done(a, "crl-loaded", &done);
}

static void
on_staple_load(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	const struct pki_staple_load *m = in;
	struct pki_crl_done done;
	struct reason why;

	if (pki_ring_staple(&a->ring, m, clock_wall(), &done, &why) < 0) {
		refused("staple-refused", m->identity, &why);
		call_fail(c, &why);
	} else
		call_ok(c);
	tell_done(a, "staple-loaded", &done);
}

static void
on_unload(void *arg, const struct call *c, const void *in)
{
	struct agent *a = arg;
	const struct pki_unload *m = in;
	struct reason why;

	if (pki_ring_unload(&a->ring, m->identity, &why) < 0) {
		call_fail(c, &why);
		return;
	}
	call_ok(c);
	tell_changed(a, m->identity, true);
}

static const struct serve_row rows[] = {
	{ &pki_identity_type, on_identity, false },
	{ &pki_certificate_type, on_certificate, false },
	{ &pki_identities_type, on_identities, false },
	{ &pki_sign_type, on_sign, false },
	{ &pki_psk_type, on_psk, false },
	{ &pki_load_type, on_load, true },
	{ &pki_unload_type, on_unload, true },
	{ &pki_crl_type, on_crl, false },
	{ &pki_crl_load_type, on_crl_load, true },
	{ &pki_staple_type, on_staple, false },
	{ &pki_staple_load_type, on_staple_load, true },
};

static void
on_signal(void *arg)
{
	struct agent *a = arg;

	loop_stop(a->loop);
}

/* The one client has closed: who started us for itself is done. */
static void
on_peek(void *arg)
{
	struct agent *a = arg;
	char octet;
	ssize_t k = recv(a->peek, &octet, 1, MSG_PEEK | MSG_DONTWAIT);

	if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR))
		loop_stop(a->loop);
}

static int
serve_fd(struct agent *a, int fd, struct err *e)
{
	if ((a->peek = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
		return err_sys(e, "descriptor %d", fd);
	if (server_add(a->server, fd, e) < 0)
		return -1;
	return watch_read(a->loop, &a->gone, a->peek, on_peek, a, e);
}

int
serve_open(struct agent *a, const char *path, int fd, gid_t group,
    struct err *e)
{
	struct server_conf conf = {
		.program = "dmvpn-pki", .path = path, .rows = rows,
		.n_rows = sizeof(rows) / sizeof(rows[0]), .arg = a,
		.group = group,
	};

	a->peek = -1;
	if ((a->loop = loop_new(e)) == NULL ||
	    (a->server = server_new(a->loop, &conf, e)) == NULL)
		return -1;
	if (daemon_signals(a->loop, on_signal, a, e) < 0)
		return -1;
	return fd >= 0 ? serve_fd(a, fd, e) : 0;
}

int
serve_run(struct agent *a, struct err *e)
{
	return loop_run(a->loop, e);
}

void
serve_close(struct agent *a)
{
	watch_stop(&a->gone);
	server_free(a->server);
	loop_free(a->loop);
	if (a->peek >= 0)
		close(a->peek);
	pki_ring_fini(&a->ring);
}
