#ifndef SYS_IMAGE_H
#define SYS_IMAGE_H

/*
 * Pages of the program and its libraries that only starting needed (the
 * linker's tables, tests of ciphers) are given back; what is needed again is
 * mapped again from the page cache.  Nothing that was written is lost.
 */
void image_rest(void);

#endif
