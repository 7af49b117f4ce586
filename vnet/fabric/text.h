/* Bounded text in the kernel: names, numbers and IPv4 addresses, read and written without a C library. */
#ifndef PODNET_FABRIC_TEXT_H
#define PODNET_FABRIC_TEXT_H

#include "vnet/fabric/pods/network.h"

u32 text_length(const char *text);
bool text_equal(const char *a, const char *b);
bool text_before(const char *a, const char *b); /* by their bytes */
/* Copy at most size - 1 characters and a NUL. */
void text_copy(char *to, const char *from, u32 size);

/* A cursor over text being read; every reader returns false and leaves the rest undefined on a mismatch. */
struct reader {
	const char *at, *end;
};

/* The next run of characters up to `separator` or the end, NUL-terminated into `word`. */
bool read_word(struct reader *reader, char separator, char *word, u32 size);
bool read_number(const char *text, u32 most, u32 *number);
bool read_signed(const char *text, i32 *number);
bool read_ipv4(const char *text, struct address *address);

/* A bounded text being written; what does not fit is dropped. */
struct writer {
	char *at, *end;
};

void write_text(struct writer *writer, const char *text);
void write_number(struct writer *writer, i64 number);
void write_address(struct writer *writer, struct address address);

#endif
