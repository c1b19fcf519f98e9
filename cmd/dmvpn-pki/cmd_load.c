#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "cmd_crl.h"
#include "pki_look.h"
#include "pki_name.h"
#include "sys/ask.h"
#include "sys/link.h"

#define SOCK "pki.sock"

/* A key or PSK, then its revocation lists. */
static int
load_file(struct load_what *what, const char *text,
    const struct opt_list *crls)
{
	struct pki_bundle b = { .key = NULL };
	struct pki_load m;
	struct err e = { 0 };
	char name[64];
	int status;

	what->name = name;
	if ((what->file = cmd_name_file(text, name, &e)) == NULL ||
	    cmd_load_make(what, &b, &m, &e) < 0)
		status = command_fail(cmd_input_status(&e), &e);
	else
		status = command_call(SOCK, &pki_load_type, &m, NULL, NULL);
	pki_bundle_fini(&b);
	if (status == EXIT_OK && crls->n > 0)
		status = cmd_crls_load(crls, name);
	return status;
}

int
cmd_load(int argc, char **argv)
{
	const char *args = "[--psk] [--crl FILE]... [[NAME=]FILE]";
	struct opt_list trust = { .n = 0 }, crls = { .n = 0 };
	struct load_what what = { .trust = &trust };
	const char *only = NULL;
	const struct opt opts[] = {
		{ 0, "psk", NULL, "FILE holds a PSK", OPT_FLAG, &what.psk,
		    0, 0 },
		{ 't', "trust", "FILE", "more CA certificates", OPT_LIST,
		    &trust, 0, 0 },
		{ 0, "crl", "FILE", "revocation lists; without an operand they "
		    "alone are loaded", OPT_LIST, &crls, 0, 0 },
		{ 0, "only", "NAME", "the lists are for this identity; else "
		    "for all that know their issuer", OPT_TEXT, &only, 0, 0 },
		{ 0, "id", "ID", "our IKE identity; else from the certificate, "
		    "or NAME", OPT_TEXT, &what.id, 0, 0 },
		{ 0, "peer-id", "ID", "whom the PSK is for; else for all",
		    OPT_TEXT, &what.peer_id, 0, 0 },
		{ 0, "pss", NULL, "RSA: sign with PSS", OPT_FLAG, &what.pss,
		    0, 0 },
		{ 'P', "passphrase-file", "FILE", "opens an encrypted key",
		    OPT_TEXT, &what.pass_file, 0, 0 },
		OPT_END,
	};
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, args, 0, 1, &status) < 0)
		return status;
	if (only != NULL && pki_name_check(only, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	if (argc == 0 && crls.n == 0)
		return command_usage("a FILE or --crl is wanted");
	if (argc == 0)
		return cmd_crls_load(&crls, only != NULL ? only : "");
	if (only != NULL)
		return command_usage("--only goes with --crl alone");
	if (what.psk && crls.n > 0)
		return command_usage("a PSK has no CRL");
	return load_file(&what, argv[0], &crls);
}

int
cmd_unload(int argc, char **argv)
{
	const struct opt opts[] = { OPT_END };
	struct pki_unload m = { .identity = "" };
	int status;

	if (opt_parse(&argc, &argv, opts, "NAME", 1, 1, &status) < 0)
		return status;
	if (snprintf(m.identity, sizeof(m.identity), "%s", argv[0]) >=
	    (int)sizeof(m.identity))
		return command_usage("a name has at most 63 octets");
	return command_call(SOCK, &pki_unload_type, &m, NULL, NULL);
}

/* One row from what the agent tells about an identity. */
static void
describe(const struct pki_identity_reply *in, struct pki_loaded *out)
{
	struct ident id;
	struct cert *c;
	struct name_buf nb;

	memset(out, 0, sizeof(*out));
	snprintf(out->identity, sizeof(out->identity), "%s", in->identity);
	out->method = in->method;
	out->anchors = (uint8_t)in->n_anchors;
	out->crls = in->crls;
	out->staple = in->staple;
	if (ident_of(in->id_type, in->id_data, &id, NULL) == 0)
		ident_text(&id, out->id, sizeof(out->id));
	if (in->n_chain == 0 || (c = cert_parse(in->chain[0], NULL)) == NULL)
		return;
	cert_subject(c, out->subject, sizeof(out->subject));
	pki_look_time(cert_not_after(c), out->not_after);
	snprintf(out->key, sizeof(out->key), "%s",
	    name_text(cert_key_names, cert_key_kind(c), &nb));
	cert_free(c);
}

static int
show_one(struct conn *c, const char *name, bool json, struct table *t,
    struct err *e)
{
	struct pki_identity ask;
	struct pki_identity_reply r;
	struct pki_loaded row;
	struct reason why = { .code = "" };

	memcpy(ask.identity, name, sizeof(ask.identity));
	if (conn_call(c, &pki_identity_type, &ask, &pki_identity_reply_type,
	    &r, &why, e) < 0) {
		if (strcmp(why.code, "not-found") != 0)
			return -1;
		err_clear(e);	/* it was unloaded just now */
		return 0;
	}
	describe(&r, &row);
	if (json)
		return out_json(stdout, &pki_loaded_type, &row, e);
	table_cell(t, "%s", row.identity);
	table_cell(t, "%s", row.method == PKI_METHOD_PSK ? "psk" :
	    "certificate");
	table_cell(t, "%s", row.id);
	table_cell(t, "%s", row.key[0] != '\0' ? row.key : "-");
	table_cell(t, "%s", row.not_after[0] != '\0' ? row.not_after : "-");
	table_cell(t, "%u", row.crls);
	table_cell(t, "%s", row.staple ? "good" : "-");
	return 0;
}

int
cmd_identities(int argc, char **argv)
{
	static const char *const headers[] = { "NAME", "METHOD", "IDENTITY",
	    "KEY", "VALID UNTIL", ">CRLS", "OCSP", NULL };
	bool json = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG, &json,
		    0, 0 },
		OPT_END,
	};
	struct pki_identities list;
	struct reason why;
	struct table *t = NULL;
	struct conn *c;
	struct err e = { 0 };
	size_t i;
	int status, rc = 0;

	if (opt_parse(&argc, &argv, opts, "[-j]", 0, 0, &status) < 0)
		return status;
	memset(&list, 0, sizeof(list));
	if ((c = ask_open(SOCK, &e)) == NULL)
		return command_fail(EXIT_SYSTEM, &e);
	rc = conn_call(c, &pki_identities_type, &list, &pki_identities_type,
	    &list, &why, &e);
	if (rc == 0 && !json)
		t = table_new(headers);
	for (i = 0; rc == 0 && i < list.n_items; i++)
		rc = show_one(c, list.items[i], json, t, &e);
	if (rc == 0 && t != NULL)
		rc = table_print(t, stdout, &e);
	else
		table_free(t);
	conn_close(c);
	return rc < 0 ? command_fail(EXIT_SYSTEM, &e) : EXIT_OK;
}

int
cmd_events(int argc, char **argv)
{
	static const char *const all[] = { "pki-", NULL };

	return command_events_main(argc, argv, SOCK, all);
}

int
cmd_wait(int argc, char **argv)
{
	return command_wait_main(argc, argv, SOCK);
}

int
cmd_stop(int argc, char **argv)
{
	return command_stop_main(argc, argv, SOCK);
}
