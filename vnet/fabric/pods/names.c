#include "vnet/fabric/pods/names.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/text.h"

#define NAME_BUCKETS 1024u
#define ADDRESS_BUCKETS 4096u

/* One of the addresses of a name. */
struct name_address {
	struct name_address *next; /* in the chain of its address */
	struct name *name;
	struct address address;
};

struct name {
	struct name *next;
	u32 network;
	u32 count;
	u32 rotation;
	struct name_address *addresses;
	char text[NAME_SIZE];
};

static struct name *names[NAME_BUCKETS];
static struct name_address *by_address[ADDRESS_BUCKETS];

static struct name **name_bucket(u32 network, const char *text)
{
	u32 hash = 2166136261u ^ network; /* FNV-1a */
	for (; *text; text++)
		hash = (hash ^ (u8)*text) * 16777619u;
	return &names[hash & (NAME_BUCKETS - 1)];
}

static struct name **name_link(u32 network, const char *text)
{
	struct name **link = name_bucket(network, text);
	while (*link && ((*link)->network != network || !text_equal((*link)->text, text)))
		link = &(*link)->next;
	return link;
}

static struct name_address **address_bucket(struct address address)
{
	u64 mixed = (address.high ^ address.low) * 0x9e3779b97f4a7c15ull;
	return &by_address[mixed >> 32 & (ADDRESS_BUCKETS - 1)];
}

static void addresses_enter(struct name *name)
{
	for (u32 i = 0; i < name->count; i++) {
		struct name_address **bucket = address_bucket(name->addresses[i].address);
		name->addresses[i].next = *bucket;
		*bucket = &name->addresses[i];
	}
}

static void addresses_leave(struct name *name)
{
	for (u32 i = 0; i < name->count; i++) {
		struct name_address **link = address_bucket(name->addresses[i].address);
		while (*link != &name->addresses[i])
			link = &(*link)->next;
		*link = name->addresses[i].next;
	}
}

static void name_free(struct name *name)
{
	if (name->addresses)
		memory_free(NULL, name->addresses, name->count * (u32)sizeof(*name->addresses));
	memory_free(NULL, name, sizeof(*name));
}

static struct name *name_create(u32 network, const char *text, const struct address *addresses, u32 count)
{
	struct name *name = memory_allocate(NULL, sizeof(*name));
	if (!name)
		return NULL;
	name->addresses = memory_allocate(NULL, count * (u32)sizeof(*name->addresses));
	if (!name->addresses) {
		name_free(name);
		return NULL;
	}
	name->network = network;
	name->count = count;
	for (u32 i = 0; i < count; i++)
		name->addresses[i] = (struct name_address){.name = name, .address = addresses[i]};
	text_copy(name->text, text, NAME_SIZE);
	return name;
}

/* Under network_lock. Put `name` in the place of what stands there, or nothing; what stood there, or NULL. */
static struct name *name_replace(struct name **link, struct name *name)
{
	struct name *old = *link;
	if (old)
		addresses_leave(old);
	if (name) {
		name->rotation = old ? old->rotation : 0;
		name->next = old ? old->next : NULL;
		*link = name;
		addresses_enter(name);
	} else if (old) {
		*link = old->next;
	}
	return old;
}

int name_publish(u32 network, const char *text, const struct address *addresses, u32 count)
{
	if (count > NAME_ADDRESSES_MOST || text_length(text) >= NAME_SIZE || !*text)
		return -E_INVAL;
	struct name *name = count ? name_create(network, text, addresses, count) : NULL;
	if (count && !name)
		return -E_NOBUFS;
	lock_acquire(&network_lock);
	struct name *old = name_replace(name_link(network, text), name);
	lock_release(&network_lock);
	if (old)
		name_free(old);
	return 0;
}

int name_find(struct pod *pod, const char *text, struct address *addresses, u32 capacity)
{
	if (text_equal(text, "localhost")) {
		addresses[0] = address_from_ipv4(0x7f000001);
		return 1;
	}
	u32 found = 0;
	lock_acquire(&network_lock);
	for (u32 i = 0; i < pod->interface_count && found < capacity; i++) {
		struct name *name = *name_link(pod->interfaces[i]->network, text);
		if (!name)
			continue;
		u32 start = name->rotation++ % name->count;
		for (u32 k = 0; k < name->count && found < capacity; k++)
			addresses[found++] = name->addresses[(start + k) % name->count].address;
	}
	if (!found && pod->interface_count && text_equal(text, pod->hostname))
		addresses[found++] = pod->interfaces[0]->address;
	lock_release(&network_lock);
	return found ? (int)found : -E_NOENT;
}

static bool visible(const struct pod *pod, const struct name *name)
{
	for (u32 i = 0; i < pod->interface_count; i++)
		if (pod->interfaces[i]->network == name->network)
			return true;
	return false;
}

static bool comes_before(const struct name *a, const struct name *b)
{
	if ((a->count == 1) != (b->count == 1))
		return a->count == 1;
	return text_before(a->text, b->text);
}

const struct name *name_reverse(const struct pod *pod, struct address address, const struct name *last)
{
	const struct name *best = NULL;
	for (const struct name_address *at = *address_bucket(address); at; at = at->next)
		if (address_equal(at->address, address) && visible(pod, at->name) &&
		    (!last || comes_before(last, at->name)) && (!best || comes_before(at->name, best)))
			best = at->name;
	return best;
}

const char *name_text(const struct name *name)
{
	return name->text;
}

/* Whether no other name ahead of this one in the chain leads `pod` to the same address. */
static bool is_first_of_address(const struct pod *pod, const struct name_address *chain, const struct name_address *at)
{
	if (!visible(pod, at->name))
		return false;
	for (; chain != at; chain = chain->next)
		if (address_equal(chain->address, at->address) && visible(pod, chain->name))
			return false;
	return true;
}

u32 names_addresses(const struct pod *pod, u32 part, struct address *addresses, u32 capacity)
{
	u32 size = ADDRESS_BUCKETS / NAMES_PARTS, found = 0;
	for (u32 i = part * size; i < (part + 1) * size; i++) {
		for (const struct name_address *at = by_address[i]; at; at = at->next) {
			if (!is_first_of_address(pod, by_address[i], at))
				continue;
			if (found < capacity)
				addresses[found] = at->address;
			found++;
		}
	}
	return found;
}
