/* The file of issue --batch: lines, words, and what the words become. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/num.h"
#include "dmvpn-pki/pki_issue.h"
#include "dmvpn-pki/pki_key.h"
#include "dmvpn-pki/pki_name.h"
#include "dmvpn-pki/pki_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
use(const char *word)
{
	struct pki_want w = { .n_sans = 0 };
	uint64_t v;

	if (pki_name_check(word, NULL) == 0 && (strchr(word, '/') != NULL ||
	    word[0] == '-' || word[0] == '.' || strlen(word) > PKI_NAME_MAX))
		__builtin_trap();
	(void)pki_want_san(&w, GEN_DNS, word, NULL);
	(void)pki_want_san(&w, GEN_EMAIL, word, NULL);
	(void)pki_want_san(&w, GEN_IPADD, word, NULL);
	(void)pki_want_address(&w, word, NULL);
	(void)pki_want_subnet(&w, word, NULL);
	(void)pki_profile_find(word, NULL);
	(void)pki_key_type_check(word, NULL);
	(void)num_parse(word, 1, 36500, &v, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *rest = text, *line;
	char *argv[PKI_WORDS_MAX + 1] = { NULL };
	int i, n;

	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	while ((line = pki_words_line(&rest)) != NULL)
		for (n = pki_words_split(line, argv, NULL), i = 1; i < n; i++)
			use(argv[i]);
	free(text);
	return 0;
}
