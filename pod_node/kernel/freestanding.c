/* What the compiler expects of a C library even in freestanding code. */
#include "vnet/fabric/platform.h"

#ifdef __wasm__
int memcmp(const void *a, const void *b, size_t size)
{
	const u8 *left = a, *right = b;
	for (size_t i = 0; i < size; i++)
		if (left[i] != right[i])
			return left[i] - right[i];
	return 0;
}
#endif
