#include "cmd.h"

static const struct command commands[] = {
	{ "init", cmd_init, "[--name NAME] [-R PREFIX]...", "make a CA" },
	{ "issue", cmd_issue, "[-p PROFILE] [-o FILE] NAME | --batch FILE",
	    "make a key and a certificate for a peer" },
	{ "sign", cmd_sign, "[-p PROFILE] [-o FILE] NAME REQUEST",
	    "certify the key of a request" },
	{ "renew", cmd_renew, "[--same-key] [-o FILE] NAME|SERIAL",
	    "a new certificate with the same names and blocks" },
	{ "revoke", cmd_revoke, "[--reason WORD] NAME|SERIAL",
	    "take certificates back" },
	{ "crl", cmd_crl, "[-d DAYS] [-i] [-o FILE]",
	    "make a certificate revocation list" },
	{ "list", cmd_list, "[-j] [-x DAYS] [NAME|SERIAL]",
	    "what was issued" },
	{ "expiring", cmd_expiring, "[-j] [-w TIME]",
	    "what ends soon and has no successor" },
	{ "show", cmd_show, "[-j] [FILE|-|NAME|SERIAL]...",
	    "what a certificate, request or CRL says" },
	{ "verify", cmd_verify, "[-t FILE]... [--for ID] FILE",
	    "judge a certificate as dmvpn-ike does" },
	{ "export", cmd_export, "[-F FORMAT] [-o FILE] [NAME|SERIAL|FILE]",
	    "certificates as PEM, DER, PKCS#7 or PKCS#12" },
	{ "backup", cmd_backup, "[-f] FILE", "copy the store to a file" },
	{ "restore", cmd_restore, "[-f] FILE", "put a backup back" },
	{ "enroll", cmd_enroll, "PROTOCOL [OPTIONS] URL NAME",
	    "get a certificate from another CA, and renew it" },
	{ "agent", cmd_agent, "[-l [NAME=]FILE]... [--psk [NAME=]FILE]...",
	    "hold the keys of the tunnels and sign for dmvpn-ike" },
	{ "load", cmd_load, "[--psk] [--crl FILE]... [[NAME=]FILE]",
	    "hand a key, PSK or revocation list to the agent" },
	{ "unload", cmd_unload, "NAME", "make the agent forget an identity" },
	{ "identities", cmd_identities, "[-j]",
	    "list what the agent holds" },
	{ "events", cmd_events, "[-j] [--cbor]",
	    "tell when the agent's identities change" },
	{ "stop", cmd_stop, "", "end the agent" },
	{ "wait", cmd_wait, "", "block until the agent ends" },
	{ NULL, NULL, NULL, NULL },
};

int
main(int argc, char **argv)
{
	return command_main(argc, argv, "dmvpn-pki",
	    "certificates, and the agent that holds the keys", commands);
}
