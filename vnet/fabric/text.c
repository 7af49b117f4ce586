#include "vnet/fabric/text.h"

u32 text_length(const char *text)
{
	u32 length = 0;
	while (text[length])
		length++;
	return length;
}

bool text_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

bool text_before(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a < (u8)*b;
}

void text_copy(char *to, const char *from, u32 size)
{
	u32 i = 0;
	for (; i + 1 < size && from[i]; i++)
		to[i] = from[i];
	to[i] = 0;
}

bool read_word(struct reader *reader, char separator, char *word, u32 size)
{
	u32 length = 0;
	while (reader->at < reader->end && *reader->at != separator) {
		if (length + 1 >= size || *reader->at == 0)
			return false;
		word[length++] = *reader->at++;
	}
	if (reader->at < reader->end)
		reader->at++;
	word[length] = 0;
	return length != 0;
}

bool read_number(const char *text, u32 most, u32 *number)
{
	u64 value = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (u32)(*text - '0');
		if (value > most)
			return false;
	}
	*number = (u32)value;
	return true;
}

bool read_signed(const char *text, i32 *number)
{
	u32 magnitude;
	bool negative = *text == '-';
	if (!read_number(text + negative, INT32_MAX, &magnitude))
		return false;
	*number = negative ? -(i32)magnitude : (i32)magnitude;
	return true;
}

bool read_ipv4(const char *text, struct address *address)
{
	struct reader reader = {text, text + text_length(text)};
	u32 value = 0;
	for (u32 i = 0; i < 4; i++) {
		char word[4];
		u32 byte;
		if (!read_word(&reader, '.', word, sizeof(word)) || !read_number(word, 255, &byte))
			return false;
		value = value << 8 | byte;
	}
	if (reader.at != reader.end || (text_length(text) && reader.end[-1] == '.'))
		return false;
	*address = address_from_ipv4(value);
	return true;
}

void write_text(struct writer *writer, const char *text)
{
	while (*text && writer->at < writer->end)
		*writer->at++ = *text++;
}

void write_number(struct writer *writer, i64 number)
{
	char digits[24];
	u32 at = sizeof(digits) - 1;
	u64 rest = number < 0 ? 0 - (u64)number : (u64)number;
	digits[at] = 0;
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (number < 0)
		digits[--at] = '-';
	write_text(writer, digits + at);
}

void write_address(struct writer *writer, struct address address)
{
	u32 ipv4 = address_to_ipv4(address);
	for (i32 shift = 24; shift >= 0; shift -= 8) {
		write_number(writer, ipv4 >> shift & 255);
		if (shift)
			write_text(writer, ".");
	}
}
