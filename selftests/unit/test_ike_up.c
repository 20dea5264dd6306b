// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Coming up: IKE_SA_INIT and IKE_AUTH, and all that can stand in their way.
 */
#include "ike_pair.h"

/*
 * a -> b  IKE_SA_INIT	SA KE Ni N(NATS) N(NATD)
 * a <- b		SA KE Nr N(NATS) N(NATD)
 * a -> b  IKE_AUTH	SK { IDi IDr AUTH N(INITIAL_CONTACT) SA TSi TSr }
 * a <- b		SK { IDr AUTH SA TSi TSr }
 */
static void test_up(void **state)
{
	struct pair *pair = pair_new(CONF_A(""), CONF_B(""));

	side_command(&pair->pair_a, core_up);
	expect_deliver(pair, "a->b 0 IKE_SA_INIT: " INIT_REQUEST);
	assert_int_equal(side_count(&pair->pair_b, IKE_KEYED), 1);
	assert_int_equal(pair->pair_b.side_core->core_half_open, 1);
	expect_deliver(pair, "b->a 0 IKE_SA_INIT reply: " INIT_REPLY);
	assert_int_equal(side_count(&pair->pair_a, IKE_KEYED), 1);
	expect_deliver(pair, "a->b 1 IKE_AUTH: " AUTH_REQUEST);
	assert_int_equal(side_count(&pair->pair_b, IKE_ESTABLISHED), 1);
	assert_int_equal(pair->pair_b.side_core->core_half_open, 0);
	expect_deliver(pair, "b->a 1 IKE_AUTH reply: " AUTH_REPLY);
	expect_silence(pair);
	assert_one_pair(pair);
	assert_int_equal(pair->pair_a.side_done, 1);
	assert_string_equal(pair->pair_a.side_error, "");
	pair_free(pair);
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
