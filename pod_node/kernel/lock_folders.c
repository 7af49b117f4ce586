#include "pod_node/kernel/lock_folders.h"

#define SUFFIX ".lock"
#define SUFFIX_LENGTH ((u32)sizeof(SUFFIX) - 1)

static bool may_be_lock(const struct lookup *at)
{
	char end[SUFFIX_LENGTH];
	if (!at->mount || at->path.size <= SUFFIX_LENGTH)
		return false;
	return guest_load(end, at->path.at + at->path.size - SUFFIX_LENGTH, SUFFIX_LENGTH) &&
	       memcmp(end, SUFFIX, SUFFIX_LENGTH) == 0;
}

/* There is a file of the name that is left without the suffix. */
static bool is_beside_its_file(const struct lookup *at)
{
	struct wasi_filestat stat;
	struct span path = {at->path.at, at->path.size - SUFFIX_LENGTH};
	return loan_possible() && loan_stat(at->descriptor, 0, path, &stat) == WASI_SUCCESS &&
	       stat.filetype == WASI_FILETYPE_REGULAR_FILE;
}

static void release(struct account *account, struct lock_folder *folder)
{
	place_release(account, folder->place);
	memory_free(account, folder, sizeof(*folder));
}

/* Without memory for it, the folder stays when its process is killed. */
void lock_folder_made(struct lookup *at)
{
	struct process *process = current_process();
	struct account *account = process->pod->account;
	if (!may_be_lock(at) || !is_beside_its_file(at))
		return;
	struct place *place = lookup_place(at);
	struct lock_folder *folder = place ? memory_allocate(account, sizeof(*folder)) : NULL;
	if (!folder) {
		place_release(account, place);
		return;
	}
	*folder = (struct lock_folder){process->lock_folders, (u32)(at->mount - process->mounts->list), place};
	process->lock_folders = folder;
}

void lock_folder_removed(struct lookup *at)
{
	struct process *process = current_process();
	struct account *account = process->pod->account;
	if (!process->lock_folders || !may_be_lock(at))
		return;
	struct place *place = lookup_place(at);
	struct lock_folder **link = &process->lock_folders;
	while (place && *link &&
	       ((*link)->place->length != place->length || memcmp((*link)->place->text, place->text, place->length)))
		link = &(*link)->next;
	if (place && *link) {
		struct lock_folder *folder = *link;
		*link = folder->next;
		release(account, folder);
	}
	place_release(account, place);
}

void lock_folders_abandon(struct process *process)
{
	struct mounts *mounts = process->mounts;
	struct lock_folder *first = process->lock_folders, *last = first;
	if (!first)
		return;
	while (last->next)
		last = last->next;
	lock_acquire(&mounts->abandoned_lock);
	last->next = mounts->abandoned;
	mounts->abandoned = first;
	lock_release(&mounts->abandoned_lock);
	process->lock_folders = NULL;
}

void lock_folders_forget(struct account *account, struct lock_folder *first)
{
	for (struct lock_folder *next; first; first = next) {
		next = first->next;
		release(account, first);
	}
}

/* For the node: take a folder that a process has left. The index of its mount, and at `to` its path in the pod with a NUL
 * behind it, PATH_SIZE bytes at most; -E_NOENT when there is none. */
EXPORT(host_lock_folder_take) i32 host_lock_folder_take(u32 files, uaddr to);
i32 host_lock_folder_take(u32 files, uaddr to)
{
	struct mounts *mounts = (struct mounts *)(uintptr_t)files;
	char *text = (char *)(uintptr_t)to;
	lock_acquire(&mounts->abandoned_lock);
	struct lock_folder *folder = mounts->abandoned;
	if (folder)
		mounts->abandoned = folder->next;
	lock_release(&mounts->abandoned_lock);
	if (!folder)
		return -E_NOENT;
	i32 mount = (i32)folder->mount;
	memcpy(text, folder->place->text, folder->place->length);
	text[folder->place->length] = 0;
	release(mounts->account, folder);
	return mount;
}
