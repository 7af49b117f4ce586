#include "pod_node/kernel/terminal.h"

struct terminal *terminal_create(struct account *account, u32 rows, u32 columns)
{
	struct terminal *terminal = memory_allocate(account, sizeof(*terminal));
	if (!terminal)
		return NULL;
	terminal->references = 1;
	terminal->account = account_hold(account);
	terminal->rows = rows;
	terminal->columns = columns;
	terminal->flags = TERMINAL_FLAGS;
	return terminal;
}

struct terminal *terminal_hold(struct terminal *terminal)
{
	if (terminal)
		atomic_fetch_add(&terminal->references, 1);
	return terminal;
}

void terminal_release(struct terminal *terminal)
{
	if (!terminal || atomic_fetch_sub(&terminal->references, 1) != 1)
		return;
	struct account *account = terminal->account;
	memory_free(account, terminal, sizeof(*terminal));
	account_release(account);
}
