/* The part of `/net` that answers questions: who has a name, which names an address has, where the pod itself is.
 *
 *   dns/NAME   dns/reverse/ADDRESS   hosts   interfaces
 */
#include "pod_node/kernel/net.h"
#include "vnet/fabric/pods/names.h"
#include "vnet/fabric/text.h"

#define ADDRESSES_MOST 16u
#define HOSTS_FIRST 64u          /* addresses that `hosts` makes room for at first */
#define HOSTS_FIRST_SIZE 4096u   /* and bytes */

static const struct address loopback = {0, 0xffff7f000001ull};

int net_write_addresses(struct process *process, const char *host, struct writer *writer)
{
	struct address addresses[ADDRESSES_MOST];
	int count = net_resolve(process, host, addresses, ADDRESSES_MOST);
	for (int i = 0; i < count; i++) {
		write_address(writer, addresses[i]);
		write_text(writer, "\n");
	}
	return MIN(count, 0);
}

/* Names as `write_names` writes them: the pod's own comes first, and once. */
struct name_cursor {
	const struct pod *pod;
	struct address address;
	const char *own; /* NULL when the address is another pod's */
	const struct name *last;
	bool begun;
};

static struct name_cursor names_of(const struct pod *pod, struct address address)
{
	const char *own = pod_has_address(pod, address) ? pod->hostname : NULL;
	return (struct name_cursor){pod, address, address_is_loopback(address) ? "localhost" : own, NULL, false};
}

/* Under network_lock. NULL at the end. */
static const char *name_next(struct name_cursor *cursor)
{
	if (!cursor->begun && cursor->own) {
		cursor->begun = true;
		return cursor->own;
	}
	do {
		cursor->last = name_reverse(cursor->pod, cursor->address, cursor->last);
	} while (cursor->last && cursor->own && text_equal(name_text(cursor->last), cursor->own));
	return cursor->last ? name_text(cursor->last) : NULL;
}

static bool fits(const struct writer *writer, const char *text)
{
	return text_length(text) < (u64)(writer->end - writer->at);
}

int net_write_reverse(struct process *process, const char *host, struct writer *writer)
{
	struct address address;
	if (!read_ipv4(host, &address))
		return -E_INVAL;
	const char *start = writer->at;
	lock_acquire(&network_lock);
	struct name_cursor cursor = names_of(process->pod, address);
	for (const char *name; (name = name_next(&cursor)) && fits(writer, name);) {
		write_text(writer, name);
		write_text(writer, "\n");
	}
	lock_release(&network_lock);
	return writer->at == start ? -E_NOENT : 0;
}

void net_write_interfaces(struct process *process, struct writer *writer)
{
	write_text(writer, "lo 127.0.0.1/8 -\n");
	lock_acquire(&network_lock);
	for (u32 i = 0; i < process->pod->interface_count; i++) {
		const struct interface *interface = process->pod->interfaces[i];
		write_text(writer, "eth");
		write_number(writer, i);
		write_text(writer, " ");
		write_address(writer, interface->address);
		write_text(writer, "/");
		write_number(writer, interface->prefix);
		write_text(writer, " ");
		write_text(writer, network_name(interface->network));
		write_text(writer, "\n");
	}
	lock_release(&network_lock);
}

/* The line of an address in `hosts`, whole or not at all: false when it does not fit. */
static bool write_host(const struct pod *pod, struct address address, struct writer *writer)
{
	lock_acquire(&network_lock);
	struct name_cursor cursor = names_of(pod, address);
	const char *name = name_next(&cursor);
	bool known = name, whole = true; /* a name may have gone meanwhile */
	if (known)
		write_address(writer, address);
	for (; name && whole; name = name_next(&cursor)) {
		write_text(writer, " ");
		whole = fits(writer, name);
		write_text(writer, name);
	}
	lock_release(&network_lock);
	if (known)
		write_text(writer, "\n");
	return whole;
}

/* How many addresses the pod finds by name; those that there is room for are in `addresses`. */
static u32 collect(const struct pod *pod, struct address *addresses, u32 capacity)
{
	u32 found = 0;
	for (u32 part = 0; part < NAMES_PARTS; part++) {
		u32 stored = MIN(found, capacity);
		lock_acquire(&network_lock);
		found += names_addresses(pod, part, addresses + stored, capacity - stored);
		lock_release(&network_lock);
	}
	return found;
}

/* Shell's sort: short, and fast enough for thousands. */
static void sort(struct address *addresses, u32 count)
{
	for (u32 gap = count / 2; gap; gap /= 2)
		for (u32 i = gap; i < count; i++) {
			struct address moved = addresses[i];
			u32 at = i;
			for (; at >= gap && addresses[at - gap].low > moved.low; at -= gap)
				addresses[at] = addresses[at - gap];
			addresses[at] = moved;
		}
}

struct address_list {
	struct address *addresses;
	u32 count, capacity;
};

static void list_free(struct account *account, struct address_list *list)
{
	memory_free(account, list->addresses, list->capacity * (u32)sizeof(*list->addresses));
}

/* All addresses that the pod finds by name, in order. 0 or -E_NOMEM. */
static int list_collect(const struct pod *pod, struct address_list *list)
{
	for (u32 capacity = HOSTS_FIRST;; capacity = list->count) {
		list->capacity = capacity;
		list->addresses = memory_allocate(pod->account, capacity * (u32)sizeof(*list->addresses));
		if (!list->addresses)
			return -E_NOMEM;
		list->count = collect(pod, list->addresses, capacity);
		if (list->count <= capacity)
			break;
		list_free(pod->account, list);
	}
	sort(list->addresses, list->count);
	return 0;
}

/* The pod's own addresses first, as in /etc/hosts. False when there is no room for all. */
static bool write_hosts(const struct pod *pod, const struct address_list *list, struct writer *writer)
{
	bool whole = write_host(pod, loopback, writer);
	for (u32 i = 0; i < pod->interface_count && whole; i++)
		whole = write_host(pod, pod->interfaces[i]->address, writer);
	for (u32 i = 0; i < list->count && whole; i++)
		if (!pod_has_address(pod, list->addresses[i]))
			whole = write_host(pod, list->addresses[i], writer);
	return whole;
}

int net_open_hosts(struct process *process, struct file **opened)
{
	struct address_list list;
	int result = list_collect(process->pod, &list);
	if (result < 0)
		return result;
	bool whole = false;
	for (u32 size = HOSTS_FIRST_SIZE; result == 0 && !whole; size *= 2) {
		result = net_open_text(process, FILE_TEXT, size, opened);
		if (result < 0)
			break;
		struct writer writer = net_writer((*opened)->text);
		whole = write_hosts(process->pod, &list, &writer);
		net_finish((*opened)->text, &writer);
		if (!whole)
			file_release(*opened);
	}
	list_free(process->pod->account, &list);
	return result;
}
