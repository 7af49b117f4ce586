/* A terminal, as far as its programs concern it: that there is one, how large its window is, how it treats lines.
 *
 * The line discipline is the node's, at the other end of the pipes: it echoes, edits, and sends signals as the flags here
 * say. What is special about the pipes is that their end can be typed: one read finds nothing, and the next goes on.
 */
#ifndef PODNET_KERNEL_TERMINAL_H
#define PODNET_KERNEL_TERMINAL_H

#include "vnet/fabric/memory.h"

/* By the meaning of termios's flags of these names. */
enum terminal_flag { TERMINAL_ECHO = 1, TERMINAL_ICANON = 2, TERMINAL_ISIG = 4, TERMINAL_FLAGS = 7 };

struct terminal {
	_Atomic u32 references;
	struct account *account; /* held */
	_Atomic u32 rows, columns;
	_Atomic u32 flags;
	_Atomic bool ended; /* the end was typed, and nobody has read it */
};

struct terminal *terminal_create(struct account *account, u32 rows, u32 columns);
struct terminal *terminal_hold(struct terminal *terminal);
/* NULL is no terminal. */
void terminal_release(struct terminal *terminal);

#endif
