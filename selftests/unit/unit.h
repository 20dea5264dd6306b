/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every unit test includes. unit.c, linked to each, makes T=NAME run
 * only the tests whose name contains it.
 */
#ifndef CYGNET_UNIT_H
#define CYGNET_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* cmocka's struct, whose name would be the only CamelCase in the tree. */
#define UNIT_TEST struct CMU ## nit ## T ## est

#endif
