#include "vnet/fabric/outside/handover.h"

static struct handover **bucket_of(struct handovers *list, u32 id)
{
	return &list->taken[id % HANDOVER_BUCKETS];
}

static void enter_at(struct handover **link, struct handover *request)
{
	request->link = link;
	request->next = *link;
	if (request->next)
		request->next->link = &request->next;
	*link = request;
}

/* An id comes back after 2^32 requests, when its last bearer has long left or timed out. */
void handover_enter(struct handovers *list, struct handover *request)
{
	request->id = ++list->next_id;
	request->taken = false;
	if (!list->first)
		list->end = &list->first;
	enter_at(list->end, request);
	list->end = &request->next;
}

void handover_leave(struct handovers *list, struct handover *request)
{
	*request->link = request->next;
	if (request->next)
		request->next->link = request->link;
	else if (!request->taken)
		list->end = request->link;
}

struct handover *handover_take(struct handovers *list)
{
	struct handover *request = list->first;
	if (!request)
		return NULL;
	handover_leave(list, request);
	request->taken = true;
	enter_at(bucket_of(list, request->id), request);
	return request;
}

struct handover *handover_find(struct handovers *list, u32 id)
{
	struct handover *request = *bucket_of(list, id);
	while (request && request->id != id)
		request = request->next;
	return request;
}

struct handover *handover_any(struct handovers *list)
{
	struct handover *request = list->first;
	for (u32 i = 0; !request && i < HANDOVER_BUCKETS; i++)
		request = list->taken[i];
	return request;
}
