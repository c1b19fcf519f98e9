#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "cmd.h"
#include "ike_engine.h"
#include "sys/command.h"
#include "sys/out.h"
#include "wire/ike_proposal.h"

/* The words that proposals are made of, and whether one makes sense. */

static const struct name kinds[] = {
	{ IKE_T_ENCR, "encryption" }, { IKE_T_PRF, "prf" },
	{ IKE_T_INTEG, "integrity" }, { IKE_T_KE, "group" },
	{ IKE_T_ESN, "esn" }, NAME_END,
};

/* Can a proposal of this protocol have it? */
static bool
usable(const struct ike_word *w, uint8_t protocol)
{
	struct ike_proposal p = { .protocol = protocol };

	if (w->t.type == (protocol == IKE_PROTO_IKE ? IKE_T_ESN : IKE_T_PRF))
		return false;
	if (protocol == IKE_PROTO_IKE)
		return w->t.type != IKE_T_KE || w->t.id != IKE_GROUP_NONE;
	return ike_proposal_add(&p, w->t.type, w->t.id, w->t.key_bits) == 0 &&
	    ike_profile_allows(&p, true, NULL) == 0;
}

static void
print_json(uint8_t protocol, const struct ike_word *w)
{
	const char *kind = name_find(kinds, w->t.type);

	printf("{\"protocol\":\"%s\",\"kind\":\"%s\",\"word\":\"%s\","
	    "\"weak\":%s}\n", protocol == IKE_PROTO_IKE ? "ike" : "esp",
	    kind, w->text, w->weak ? "true" : "false");
}

static void
put_kind(FILE *f, uint8_t protocol, uint8_t type)
{
	struct ike_word w;
	size_t i, n = 0;

	for (i = 0; ike_proposal_word(i, &w); i++)
		if (w.t.type == type && usable(&w, protocol))
			fprintf(f, "%s%s%s", n++ == 0 ? "" : " ", w.text,
			    w.weak ? " (weak)" : "");
}

static void
list_kind(uint8_t protocol, const struct name *kind)
{
	char words[512] = "", line[600];
	FILE *f = fmemopen(words, sizeof(words), "w");

	if (f == NULL)
		return;
	put_kind(f, protocol, (uint8_t)kind->value);
	fclose(f);
	snprintf(line, sizeof(line), "  %-10s  %s", kind->text, words);
	if (words[0] != '\0')
		out_fold(stdout, line, 14);
}

static void
list_text(uint8_t protocol)
{
	const struct name *kind;

	printf("%s\n", protocol == IKE_PROTO_IKE ? "IKE" : "ESP");
	for (kind = kinds; kind->text != NULL; kind++)
		list_kind(protocol, kind);
}

static void
list(uint8_t protocol, bool json)
{
	struct ike_word w;
	size_t i;

	if (!json) {
		list_text(protocol);
		return;
	}
	for (i = 0; ike_proposal_word(i, &w); i++)
		if (usable(&w, protocol))
			print_json(protocol, &w);
}

static int
check(const char *text, uint8_t protocol, bool weak, struct err *e)
{
	char all[IKE_PROPOSAL_TEXT];
	struct ike_proposal p;

	if (ike_proposal_parse(text, protocol, &p, e) < 0 ||
	    ike_profile_allows(&p, weak, e) < 0)
		return -1;
	printf("%s\n", ike_proposal_text(&p, all, sizeof(all)));
	return 0;
}

int
cmd_proposals(int argc, char **argv)
{
	bool json = false, esp = false, weak = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "one JSON object a line", OPT_FLAG,
		  &json, 0, 0 },
		{ 0, "esp", NULL, "those of ESP", OPT_FLAG, &esp, 0, 0 },
		{ 0, "allow-weak", NULL, "take SHA-1 and MODP-1024 too",
		  OPT_FLAG, &weak, 0, 0 },
		OPT_END
	};
	struct err e;
	int i, status;

	if (opt_parse(&argc, &argv, opts, "[-j] [--esp] [PROPOSAL...]", 0,
	    16, &status) < 0)
		return status;
	for (i = 0; i < argc; i++)
		if (check(argv[i], esp ? IKE_PROTO_ESP : IKE_PROTO_IKE, weak,
		    &e) < 0)
			return command_fail(EXIT_NO, &e);
	if (argc == 0 && !esp)
		list(IKE_PROTO_IKE, json);
	if (argc == 0)
		list(IKE_PROTO_ESP, json);
	return EXIT_OK;
}
