/* The event heap: whatever is scheduled, moved and cancelled, events come in order. */
#include "tests/native/links.h"

#include "vnet/fabric/flows/flow.h"

#define EVENTS 2000u

static struct event events[EVENTS];
static struct {
	u64 order; /* counts schedulings */
	bool scheduled;
} model[EVENTS];
static u64 handled_due, handled_order;
static u32 handled;

void __wrap_flow_timer(struct event *event, u64 now);

void __wrap_flow_timer(struct event *event, u64 now)
{
	u32 i = (u32)(event - events);
	CHECK(i < EVENTS && model[i].scheduled && !event->scheduled && now == event->due);
	CHECK(event->due > handled_due || (event->due == handled_due && model[i].order > handled_order));
	handled_due = event->due;
	handled_order = model[i].order;
	model[i].scheduled = false;
	handled++;
	if (i % 7 == 0 && handled < 100000) { /* handlers schedule too, some for the same moment */
		static u64 order = 1ull << 40;
		model[i].scheduled = true;
		model[i].order = order++;
		event_schedule(event, now + i % 3);
	}
}

static void disturb_heap(u64 *random, u32 steps)
{
	static u64 order;
	pacer_acquire();
	for (u32 step = 0; step < steps; step++) {
		u32 i = random_below(random, EVENTS);
		events[i].kind = EVENT_FLOW;
		model[i].scheduled = random_below(random, 4) != 0;
		if (model[i].scheduled) {
			model[i].order = order++;
			event_schedule(&events[i], simulation_now() + random_below(random, 500));
		} else {
			event_cancel(&events[i]);
		}
		CHECK(events[i].scheduled == model[i].scheduled);
	}
	pacer_release();
}

static void test_events_come_in_order_of_time_then_of_scheduling(void)
{
	u64 random = 5;
	link_pods((struct link_parameters){PERFECT});
	for (u32 round = 0; round < 50; round++) {
		disturb_heap(&random, 1 + random_below(&random, 5000));
		simulate(random_below(&random, 600));
	}
	handled = 100000; /* no more of their own */
	simulate_all();
	for (u32 i = 0; i < EVENTS; i++)
		CHECK(!model[i].scheduled && !events[i].scheduled);
}

static void test_an_event_that_moves_is_handled_once(void)
{
	link_pods((struct link_parameters){PERFECT});
	u32 before = handled;
	pacer_acquire();
	events[1].kind = EVENT_FLOW;
	model[1].scheduled = true;
	model[1].order = 1ull << 50;
	event_schedule(&events[1], simulation_now() + 10);
	event_schedule(&events[1], simulation_now() + 20);
	event_schedule(&events[1], simulation_now() + 5);
	pacer_release();
	simulate(4);
	CHECK(handled == before);
	simulate_all();
	CHECK(handled == before + 1);
}

void test_heap(void)
{
	static const struct test tests[] = {
#define TEST(name) {#name, name}
		TEST(test_events_come_in_order_of_time_then_of_scheduling),
		TEST(test_an_event_that_moves_is_handled_once),
#undef TEST
	};
	run_tests(tests, COUNT_OF(tests));
}
