#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "cmd.h"
#include "sys/ask.h"
#include "sys/command.h"
#include "sys/loop.h"

/* ---- lists of options into lists of messages ---- */

static int
texts(char *to, size_t size, size_t max, size_t *n, const char *option,
    const struct opt_list *from, struct err *e)
{
	size_t i;

	if (from->n > max)
		return err_set(e, 0, "--%s: at most %zu", option, max);
	for (i = 0; i < from->n; i++)
		if (cmd_text(to + i * size, size, option, from->v[i], e) < 0)
			return -1;
	*n = from->n;
	return 0;
}

static int
prefixes(struct prefix *to, size_t max, size_t *n, const char *option,
    const struct opt_list *from, struct err *e)
{
	size_t i;

	if (from->n > max)
		return err_set(e, 0, "--%s: at most %zu", option, max);
	for (i = 0; i < from->n; i++)
		if (prefix_parse(from->v[i], &to[i], e) < 0)
			return err_in(e, "--%s", option);
	*n = from->n;
	return 0;
}

static int
choice(const struct name *names, const char *option, const char *text,
    uint32_t *v, struct err *e)
{
	if (text == NULL || name_value(names, text, v) == 0)
		return 0;
	return err_set(e, 0, "--%s: \"%s\" is not known", option, text);
}

/* ---- profile ---- */

struct profile_options {
	const char	*owner, *interface, *identity, *mode, *esn, *ocsp;
	const char	*queues;
	struct opt_list	 proposals, esp, peer_ids, local_ts, remote_ts;
	uint64_t	 ike_lifetime, child_lifetime, keepalive;
};

/* auto, off or how many; as in ike-profile-set */
static int
queues_of(const char *text, uint8_t *queues, struct err *e)
{
	uint64_t n = 0;

	if (text == NULL || strcmp(text, "auto") == 0)
		n = 0;
	else if (strcmp(text, "off") == 0)
		n = 1;
	else if (num_parse(text, 1, 64, &n, e) < 0)
		return err_in(e, "--queues");
	*queues = (uint8_t)n;
	return 0;
}

static int
profile_of(struct ike_profile_set *p, const struct profile_options *o,
    const char *name, struct err *e)
{
	uint32_t mode = SA_MODE_TRANSPORT, esn = IKE_ESN_PREFER;
	uint32_t ocsp = IKE_OCSP_OFF;

	if (o->interface == NULL || o->identity == NULL)
		return err_set(e, 0, "--interface and --identity are needed");
	if (choice(sa_mode_names, "mode", o->mode, &mode, e) < 0 ||
	    choice(ike_esn_names, "esn", o->esn, &esn, e) < 0 ||
	    choice(ike_ocsp_names, "ocsp", o->ocsp, &ocsp, e) < 0 ||
	    queues_of(o->queues, &p->queues, e) < 0)
		return -1;
	p->mode = (enum sa_mode)mode;
	p->esn = (enum ike_esn)esn;
	p->ocsp = (enum ike_ocsp)ocsp;
	p->ike_lifetime = (uint32_t)o->ike_lifetime;
	p->child_lifetime = (uint32_t)o->child_lifetime;
	p->keepalive = (uint16_t)o->keepalive;
	if (cmd_text(p->owner, sizeof(p->owner), "owner", o->owner, e) < 0 ||
	    cmd_text(p->profile, sizeof(p->profile), "profile", name, e) < 0 ||
	    cmd_text(p->interface, sizeof(p->interface), "interface",
	    o->interface, e) < 0 ||
	    cmd_text(p->identity, sizeof(p->identity), "identity",
	    o->identity, e) < 0)
		return -1;
	return 0;
}

#define ROOM(list) (sizeof(list) / sizeof((list)[0]))

static int
profile_lists(struct ike_profile_set *p, const struct profile_options *o,
    struct err *e)
{
	if (texts(p->proposals[0], sizeof(p->proposals[0]),
	    ROOM(p->proposals), &p->n_proposals, "proposal", &o->proposals,
	    e) < 0 ||
	    texts(p->esp_proposals[0], sizeof(p->esp_proposals[0]),
	    ROOM(p->esp_proposals), &p->n_esp_proposals, "esp-proposal",
	    &o->esp, e) < 0 ||
	    texts(p->peer_ids[0], sizeof(p->peer_ids[0]), ROOM(p->peer_ids),
	    &p->n_peer_ids, "peer-id", &o->peer_ids, e) < 0)
		return -1;
	if (prefixes(p->local_ts, ROOM(p->local_ts), &p->n_local_ts,
	    "local-ts", &o->local_ts, e) < 0 ||
	    prefixes(p->remote_ts, ROOM(p->remote_ts), &p->n_remote_ts,
	    "remote-ts", &o->remote_ts, e) < 0)
		return -1;
	return 0;
}

static int
profile_set(int argc, char **argv)
{
	struct profile_options o = { .owner = CMD_OWNER };
	struct ike_profile_set p = { .accept = false };
	const struct opt opts[] = {
		{ 'i', "interface", "NAME", "the tunnel", OPT_TEXT,
		  &o.interface, 0, 0 },
		{ 0, "identity", "NAME", "the agent's name for our "
		  "credential", OPT_TEXT, &o.identity, 0, 0 },
		{ 'm', "mode", "MODE", "transport (GRE) or tunnel", OPT_TEXT,
		  &o.mode, 0, 0 },
		{ 0, "accept", NULL, "answer those who begin", OPT_FLAG,
		  &p.accept, 0, 0 },
		{ 0, "proposal", "P", "as aes256gcm16-prfsha384-ecp384; "
		  "repeatable", OPT_LIST, &o.proposals, 0, 0 },
		{ 0, "esp-proposal", "P", "as aes128gcm16-x25519; repeatable",
		  OPT_LIST, &o.esp, 0, 0 },
		{ 0, "peer-id", "ID", "who may be there, as *.example.org; "
		  "repeatable", OPT_LIST, &o.peer_ids, 0, 0 },
		{ 0, "local-ts", "PREFIX", "tunnel mode: ours; repeatable",
		  OPT_LIST, &o.local_ts, 0, 0 },
		{ 0, "remote-ts", "PREFIX", "tunnel mode: theirs; repeatable",
		  OPT_LIST, &o.remote_ts, 0, 0 },
		{ 0, "need-blocks", NULL, "refuse certificates without "
		  "address blocks", OPT_FLAG, &p.need_blocks, 0, 0 },
		{ 0, "routes", NULL, "tunnel mode: route what the peer has",
		  OPT_FLAG, &p.routes, 0, 0 },
		{ 0, "ike-lifetime", "TIME", "of an IKE SA, 8h", OPT_TIME,
		  &o.ike_lifetime, 0, 4294967 },
		{ 0, "child-lifetime", "TIME", "of an ESP SA, 1h", OPT_TIME,
		  &o.child_lifetime, 0, 4294967 },
		{ 0, "keepalive", "TIME", "behind a NAT, 20s", OPT_TIME,
		  &o.keepalive, 0, 3600 },
		{ 0, "rate", "BIT/S", "towards each peer; 8,000 is the least",
		  OPT_NUM, &p.rate, 8000, UINT64_MAX },
		{ 0, "raw-esp", NULL, "protocol 50 where no NAT is",
		  OPT_FLAG, &p.raw_esp, 0, 0 },
		{ 0, "local", "ADDR", "our address", OPT_ADDR, &p.local, 0,
		  0 },
		{ 0, "esn", "WHEN", "prefer, require or refuse extended "
		  "sequence numbers", OPT_TEXT, &o.esn, 0, 0 },
		{ 0, "need-crl", NULL, "refuse peers without a current CRL of "
		  "each CA", OPT_FLAG, &p.need_crl, 0, 0 },
		{ 0, "ocsp", "WHEN", "off, ask for or need an OCSP response "
		  "from the peer (RFC 4806)", OPT_TEXT, &o.ocsp, 0, 0 },
		{ 0, "queues", "WHICH", "auto, off or how many: ESP SAs of "
		  "single threads (RFC 9611)", OPT_TEXT, &o.queues, 0, 0 },
		{ 0, "allow-weak", NULL, "also SHA-1 and MODP-1024",
		  OPT_FLAG, &p.allow_weak, 0, 0 },
		{ 0, "owner", "NAME", "who states this, static", OPT_TEXT,
		  &o.owner, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "NAME --interface NAME "
	    "--identity NAME [OPTION...]", 1, 1, &status) < 0)
		return status;
	if (profile_of(&p, &o, argv[0], &e) < 0 ||
	    profile_lists(&p, &o, &e) < 0)
		return command_usage("%s", e.msg);
	return command_call(CMD_SOCK, &ike_profile_set_type, &p, NULL, NULL);
}

static int
profile_delete(int argc, char **argv)
{
	struct ike_profile_delete p = { .profile = "" };
	const struct opt opts[] = { OPT_END };
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "NAME", 1, 1, &status) < 0)
		return status;
	if (cmd_text(p.profile, sizeof(p.profile), "profile", argv[0],
	    &e) < 0)
		return command_usage("%s", e.msg);
	return command_call(CMD_SOCK, &ike_profile_delete_type, &p, NULL, NULL);
}

int
cmd_profile(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "set", profile_set, "NAME --interface NAME --identity NAME",
		  "make or change a profile" },
		{ "delete", profile_delete, "NAME",
		  "delete a profile; its SAs are closed" },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group(argc, argv, commands);
}

/* ---- connection ---- */

/* 1: it came up; 0: not about it; EXIT_NO as -1 with the sentence in e. */
static int
outcome(const struct msg *m, const char *name, struct ike_up *up,
    struct err *e)
{
	static struct ike_failed f;
	char text[ERR_MAX];

	if (strcmp(m->name, ike_up_type.name) == 0) {
		if (msg_get(m->body, &ike_up_type, up, e) < 0)
			return -1;
		return strcmp(up->connection, name) == 0;
	}
	if (msg_get(m->body, &ike_failed_type, &f, e) < 0)
		return -1;
	if (strcmp(f.connection, name) != 0)
		return 0;
	return err_set(e, 0, "%s", reason_text(&f.reason, text,
	    sizeof(text)));
}

/* Until it is up, or time is over; what is tried once, until it failed. */
static int
await(struct conn *c, const struct ike_connection_set *s, uint64_t seconds,
    struct err *e)
{
	uint64_t limit = clock_ms() + seconds * 1000, now;
	struct ike_up up;
	struct err why;
	bool closed = false;
	struct msg m;
	int rc;

	err_set(&why, 0, "it did not come up in %u seconds",
	    (unsigned)seconds);
	while ((now = clock_ms()) < limit) {
		rc = conn_event(c, &m, (int)(limit - now), &closed, e);
		if (rc < 0)
			return -1;
		if (closed)
			return err_set(e, 0, "dmvpn-ike ended");
		if (rc == 0)
			break;
		rc = outcome(&m, s->connection, &up, &why);
		if (rc > 0) {
			printf("%s is up: peer %u, %s\n", s->connection,
			    up.peer, up.identity);
			return 0;
		}
		if (rc < 0 && s->once)
			break;
	}
	*e = why;
	return -1;
}

/* Refused for good: 1; the daemon is not there: 111. */
static int
connection_send(const struct ike_connection_set *s, uint64_t seconds)
{
	static const char *const events[] = { "ike-up", "ike-failed", NULL };
	struct reason why = { .code = "" };
	struct err e;
	struct conn *c = ask_open(CMD_SOCK, &e);
	int rc, status = EXIT_OK;

	if (c == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	rc = seconds > 0 ? conn_subscribe(c, events, &e) : 0;
	if (rc == 0)
		rc = conn_call(c, &ike_connection_set_type, s, NULL, NULL,
		    &why, &e);
	if (rc < 0)
		status = command_fail(why.code[0] != '\0' ? EXIT_NO :
		    EXIT_SYSTEM, &e);
	else if (seconds > 0 && await(c, s, seconds, &e) < 0)
		status = command_fail(EXIT_NO, &e);
	conn_close(c);
	return status;
}

static int
connection_set(int argc, char **argv)
{
	struct ike_connection_set s = { .once = false };
	const char *owner = CMD_OWNER, *profile = NULL, *peer_id = NULL;
	uint64_t wait = 0;
	const struct opt opts[] = {
		{ 'p', "profile", "NAME", "what the SA may do", OPT_TEXT,
		  &profile, 0, 0 },
		{ 0, "remote", "ADDR[:PORT]", "the other side, port 500",
		  OPT_ENDPOINT, &s.remote, 500, 0 },
		{ 0, "peer-id", "ID", "who must answer", OPT_TEXT, &peer_id,
		  0, 0 },
		{ 0, "once", NULL, "do not try again, do not keep it",
		  OPT_FLAG, &s.once, 0, 0 },
		{ 0, "observed", NULL, "the address was seen by a third "
		  "party", OPT_FLAG, &s.observed, 0, 0 },
		{ 'w', "wait", "TIME", "until it is up, at most so long",
		  OPT_TIME, &wait, 1, 3600 },
		{ 0, "owner", "NAME", "who states this, static", OPT_TEXT,
		  &owner, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "NAME --profile NAME --remote "
	    "ADDR[:PORT] [--peer-id ID] [--once] [--wait TIME]", 1, 1,
	    &status) < 0)
		return status;
	if (profile == NULL || s.remote.addr.len == 0)
		return command_usage("--profile and --remote are needed");
	if (cmd_text(s.owner, sizeof(s.owner), "owner", owner, &e) < 0 ||
	    cmd_text(s.connection, sizeof(s.connection), "connection",
	    argv[0], &e) < 0 ||
	    cmd_text(s.profile, sizeof(s.profile), "profile", profile,
	    &e) < 0 ||
	    cmd_text(s.peer_id, sizeof(s.peer_id), "peer-id", peer_id,
	    &e) < 0)
		return command_usage("%s", e.msg);
	return connection_send(&s, wait);
}

static int
connection_delete(int argc, char **argv)
{
	struct ike_connection_delete s = { .owner = "" };
	const char *owner = CMD_OWNER;
	const struct opt opts[] = {
		{ 0, "owner", "NAME", "who stated it, static", OPT_TEXT,
		  &owner, 0, 0 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "NAME [--owner NAME]", 1, 1,
	    &status) < 0)
		return status;
	if (cmd_text(s.owner, sizeof(s.owner), "owner", owner, &e) < 0 ||
	    cmd_text(s.connection, sizeof(s.connection), "connection",
	    argv[0], &e) < 0)
		return command_usage("%s", e.msg);
	return command_call(CMD_SOCK, &ike_connection_delete_type, &s, NULL,
	    NULL);
}

int
cmd_connection(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "set", connection_set, "NAME --profile NAME --remote ADDR",
		  "bring a connection up and keep it" },
		{ "delete", connection_delete, "NAME",
		  "close a connection" },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group(argc, argv, commands);
}
