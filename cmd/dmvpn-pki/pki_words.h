#ifndef PKI_WORDS_H
#define PKI_WORDS_H

#include "base/err.h"

/* A text of lines of words, as `issue --batch` reads it.  Both cut up the text
 * that they are given. */
#define PKI_WORDS_MAX	256

/* The next line of *text, which is moved on; NULL: there is none. */
char *pki_words_line(char **text);

/* The words of a line into argv[1..], then a NULL; how many there are with
 * argv[0], which is the caller's.  0: it is empty, or begins with "#". */
int pki_words_split(char *line, char *argv[PKI_WORDS_MAX + 1],
    struct err *e);

#endif
