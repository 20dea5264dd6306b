# SPDX-License-Identifier: GPL-2.0-or-later
"""Few combinations of many settings, in which every two values of two settings
meet somewhere: most faults need no more than two."""

import itertools
import random


def pairs_of(names, case):
    """What meets in one case."""
    return {((a, case[a]), (b, case[b])) for a, b in itertools.combinations(names, 2)}


def covering(settings, tries=40, seed=1):
    """Dictionaries of {name: value}, always the same ones for the same settings, which are
    {name: values}."""
    chance = random.Random(seed)
    names = list(settings)
    left = {((a, x), (b, y)) for a, b in itertools.combinations(names, 2)
            for x in settings[a] for y in settings[b]}
    cases = []
    while left:
        best, gain = None, -1
        for _ in range(tries):
            case = one_case(settings, names, left, chance)
            found = len(pairs_of(names, case) & left)
            if found > gain:
                best, gain = case, found
        left -= pairs_of(names, best)
        cases.append(best)
    return cases


def one_case(settings, names, left, chance):
    """Around a pair that is still missing, each setting in turn as it brings most."""
    (a, x), (b, y) = chance.choice(sorted(left))
    case = {a: x, b: y}
    others = [n for n in names if n not in case]
    chance.shuffle(others)
    for name in others:
        values = list(settings[name])
        chance.shuffle(values)
        case[name] = max(values, key=lambda v, n=name: sum(
            1 for m, w in case.items() if ((m, w), (n, v)) in left or ((n, v), (m, w)) in left))
    return case
