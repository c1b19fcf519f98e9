#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sys/command.h"

/* "CONNECTION=NAME" of the command line. */
static int
headend_parse(const char *text, struct dpd_headend *h, struct err *e)
{
	const char *eq = strchr(text, '=');
	size_t len = eq != NULL ? (size_t)(eq - text) : 0;

	if (len == 0 || len >= sizeof(h->connection))
		return err_set(e, EINVAL, "\"%s\": CONNECTION=NAME is wanted",
		    text);
	memcpy(h->connection, text, len);
	return text_copy(h->name, sizeof(h->name), eq + 1, e);
}

/* --peer-id CONNECTION=ID: who must answer there. */
static int
peer_id_parse(struct dpd_headends_set *m, const char *text, struct err *e)
{
	const char *eq = strchr(text, '=');
	size_t len = eq != NULL ? (size_t)(eq - text) : 0;

	for (size_t i = 0; len > 0 && i < m->n_headends; i++)
		if (strlen(m->headends[i].connection) == len &&
		    memcmp(m->headends[i].connection, text, len) == 0)
			return text_copy(m->headends[i].peer_id,
			    sizeof(m->headends[i].peer_id), eq + 1, e);
	return err_set(e, EINVAL, "--peer-id %s: CONNECTION=ID is wanted, of "
	    "a connection that is named too", text);
}

static int
request_fill(struct dpd_headends_set *m, char **names, int n,
    const struct opt_list *ids, const char *policy, struct err *e)
{
	uint32_t v = DPD_POLICY_FIRST;

	if (policy != NULL && name_value(dpd_policy_names, policy, &v) < 0)
		return err_set(e, EINVAL, "--policy %s: first or all is "
		    "wanted", policy);
	m->policy = (enum dpd_policy)v;
	for (int i = 0; i < n; i++)
		if (headend_parse(names[i], &m->headends[m->n_headends++],
		    e) < 0)
			return -1;
	for (size_t i = 0; i < ids->n; i++)
		if (peer_id_parse(m, ids->v[i], e) < 0)
			return -1;
	return 0;
}

static const char set_args[] = "--tunnel NAME --profile NAME [--policy "
    "first|all] [--owner NAME] [--standby-profile NAME] [--interval TIME] "
    "[--failback TIME] [--peer-id CONNECTION=ID]... CONNECTION=NAME...";

static int
cmd_set(int argc, char **argv)
{
	struct dpd_headends_set m = { .n_headends = 0 };
	const char *tunnel = NULL, *profile = NULL, *policy = NULL;
	const char *owner = "static", *standby = "";
	uint64_t interval = 0, failback = 0;
	struct opt_list ids = { .n = 0 };
	const struct opt opts[] = {
		{ 't', "tunnel", "NAME", "the tunnel's interface", OPT_TEXT,
		    &tunnel, 0, 0 },
		{ 'p', "profile", "NAME", "IKE profile of the connections",
		    OPT_TEXT, &profile, 0, 0 },
		{ 0, "policy", "POLICY", "first: one at a time, in order; "
		    "all: a connection each", OPT_TEXT, &policy, 0, 0 },
		{ 0, "owner", "NAME", "who states it", OPT_TEXT, &owner,
		    0, 0 },
		{ 0, "standby-profile", "NAME", "profile to try an earlier "
		    "headend with", OPT_TEXT, &standby, 0, 0 },
		{ 0, "interval", "TIME", "quiet before a probe, 0: 3 s",
		    OPT_TIME, &interval, 0, 3600 },
		{ 0, "failback", "TIME", "an earlier headend must be well "
		    "for so long, 0: 60 s", OPT_TIME, &failback, 0, 86400 },
		{ 0, "peer-id", "CONNECTION=ID", "who must answer there",
		    OPT_LIST, &ids, 0, 0 },
		OPT_END,
	};
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, set_args, 1, 8, &status) < 0)
		return status;
	if (tunnel == NULL || profile == NULL)
		return command_usage("--tunnel and --profile are wanted");
	if (text_copy(m.tunnel, sizeof(m.tunnel), tunnel, &e) < 0 ||
	    text_copy(m.profile, sizeof(m.profile), profile, &e) < 0 ||
	    text_copy(m.owner, sizeof(m.owner), owner, &e) < 0 ||
	    text_copy(m.standby_profile, sizeof(m.standby_profile), standby,
	    &e) < 0 || request_fill(&m, argv, argc, &ids, policy, &e) < 0)
		return command_usage("%s", e.msg);
	m.interval = (uint16_t)interval;
	m.failback = (uint32_t)failback;
	return cmd_call(&dpd_headends_set_type, &m, NULL, NULL);
}

static int
cmd_delete(int argc, char **argv)
{
	struct dpd_headends_delete m = { .tunnel = "" };
	const struct opt opts[] = { OPT_END };
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "TUNNEL", 1, 1, &status) < 0)
		return status;
	if (text_copy(m.tunnel, sizeof(m.tunnel), argv[0], &e) < 0)
		return command_usage("%s", e.msg);
	return cmd_call(&dpd_headends_delete_type, &m, NULL, NULL);
}

int
cmd_headends(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "set", cmd_set, set_args, "state or restate the headends "
		    "of a tunnel" },
		{ "delete", cmd_delete, "TUNNEL", "its connections end" },
		{ "list", cmd_list, "[-j]", "headends, their states and why" },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group(argc, argv, commands);
}

static const char watch_args[] =
    "[--profile NAME] [--interval MS] [--tries N]";

static int
cmd_watch_set(int argc, char **argv)
{
	struct dpd_watch_set m = { .profile = "" };
	uint64_t interval = 3000, tries = 6;
	const char *profile = "";
	const struct opt opts[] = {
		{ 'p', "profile", "NAME", "only its peers", OPT_TEXT,
		    &profile, 0, 0 },
		{ 0, "interval", "MS", "quiet before a probe, 3000",
		    OPT_NUM, &interval, 1, 3600000 },
		{ 0, "tries", "N", "probes before the verdict, 6", OPT_NUM,
		    &tries, 1, 10 },
		OPT_END,
	};
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, watch_args, 0, 0, &status) < 0)
		return status;
	if (text_copy(m.profile, sizeof(m.profile), profile, &e) < 0)
		return command_usage("%s", e.msg);
	m.interval = (uint32_t)interval;
	m.tries = (uint8_t)tries;
	return cmd_call(&dpd_watch_set_type, &m, NULL, NULL);
}

int
cmd_watch(int argc, char **argv)
{
	static const struct command commands[] = {
		{ "set", cmd_watch_set, watch_args,
		    "how soon a quiet peer is probed, and how often" },
		{ NULL, NULL, NULL, NULL },
	};

	return command_group(argc, argv, commands);
}
