#include "pki_words.h"

#include <errno.h>
#include <string.h>

#define BLANKS " \t\r"

char *
pki_words_line(char **text)
{
	char *line = *text, *end;

	if (line == NULL || *line == '\0')
		return NULL;
	end = strchr(line, '\n');
	*text = end == NULL ? NULL : end + 1;
	if (end != NULL)
		*end = '\0';
	return line;
}

int
pki_words_split(char *line, char *argv[PKI_WORDS_MAX + 1], struct err *e)
{
	char *save = NULL, *word = strtok_r(line, BLANKS, &save);
	int n = 1;

	argv[1] = NULL;
	if (word == NULL || word[0] == '#')
		return 0;
	for (; word != NULL; word = strtok_r(NULL, BLANKS, &save)) {
		if (n == PKI_WORDS_MAX)
			return err_set(e, E2BIG, "more than %d words",
			    PKI_WORDS_MAX - 1);
		argv[n++] = word;
	}
	argv[n] = NULL;
	return n;
}
