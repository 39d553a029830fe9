"""Programs in which a loop appends to lists and reads their last items: functions of a number, as NumPy runs them."""

import numpy as np


def last_item(x):
    found = [x]
    for _ in range(80):
        found.append(found[-1] * np.exp(-0.01 * found[-1]))
    return np.array(found).sum()


def two_last_items(x):
    found = [x, x * 0.5]
    for _ in range(80):
        found.append(0.5 * found[-1] + 0.25 * found[-2])
    return np.array(found) @ np.arange(82)


def after_an_append(x):
    found = [x]
    for _ in range(80):
        found.append(found[-1] * 0.9)
        found.append(found[-1] + 0.01 * found[-2])
    return np.array(found).sum()


def leapfrog(x):
    state = {"x": [x], "v": [0.0]}
    for _ in range(80):
        state["v"].append(state["v"][-1] - 0.01 * state["x"][-1])
        state["x"].append(state["x"][-1] + 0.01 * state["v"][-1])
    return np.sum(np.array(state["x"]) ** 2) + np.array(state["v"])[5]


def rows(x):
    places, speeds = [np.array([x, 1.0])], [np.array([0.0, 0.0])]
    for _ in range(80):
        speeds.append(speeds[-1] - 0.01 * places[-1])
        places.append(places[-1] + 0.01 * speeds[-1])
    return np.sum(np.array(places)[:, 0]) + np.array(speeds)[-1].sum()


def summed(x):
    losses, a = [0.0], x
    for i in range(80):
        a = a * 0.99 + 0.01 * np.sin(a)
        losses.append(a * i)
    return sum(losses) / len(losses)


def summed_rows(x):
    found, a = [], np.array([x, 1.0])
    for _ in range(80):
        a = a * 0.99
        found.append(a)
    return sum(found, np.array([1.0, x])) @ np.array([1.0, 2.0])


def by_the_number_of_the_iteration(x):
    susceptible, infected = [0.99], [0.01 * x]
    for t in range(80):
        new, gone = 0.4 * susceptible[t] * infected[t], 0.1 * infected[t]
        susceptible.append(susceptible[t] - new)
        infected.append(infected[t] + new - gone)
    return max(infected) + susceptible[-1]


def two_before(x):
    found = [x, 0.5 * x]
    for t in range(2, 80):
        found.append(0.7 * found[t - 1] + 0.2 * found[t - 2])
    return np.array(found) @ np.arange(80)


def every_second(x):
    found = [x]
    for t in range(0, 80, 2):
        found.append(found[t] * 0.9)
        found.append(found[t + 1] + 0.1 * found[t])
    return np.array(found).sum()


def wraps_around(x):
    found = [x, 2 * x, 3 * x]
    for t in range(40):
        found.append(found[t - 1] * 0.9)
    return np.array(found).sum()


def the_first_ones(x):
    found = [x]
    for t in range(40):
        found.append(found[t // 2] * 0.9 + found[0])
    return np.array(found).sum()


def tuples(x):
    found = [(x, x * 2)]
    for _ in range(80):
        p, q = found[-1]
        found.append((p * 0.99 + 0.01 * q, q * 0.98))
    return found[-1][0] + found[50][1]


def an_integer_before(x):
    found = [0]
    for i in range(80):
        found.append(found[-1] + x * i)
    return found[-1] + found[10]


def within_another_loop(x):
    found = [x]
    for _ in range(30):
        for _ in range(20):
            found.append(found[-1] * 0.999)
        found.append(found[-1] * 0.5 + found[-2] * 0.25)
    return np.array(found).sum()


def a_loop_within(x):
    found = [x]
    for _ in range(80):
        a = found[-1]
        for _ in range(40):
            a = a * 0.999
        found.append(a)
    return found[-1] + found[3]


class Path:
    def __init__(self, x):
        self.points = [x]

    def go(self):
        self.points.append(self.points[-1] * 0.95)


def of_an_object(x):
    path = Path(x)
    for _ in range(80):
        path.go()
    return np.array(path.points).sum()


def until_small(x):
    found = [x]
    while np.abs(found[-1]) > 0.01:
        found.append(found[-1] * 0.9)
    return found[-1]


def by_steps(x):
    time, found = 0.0, [x]
    while time < x:
        step = 0.01 * (1 + 0.1 * np.abs(found[-1]))
        found.append(found[-1] - step * found[-1])
        time += step
    return found[-1]


def no_iteration(x):
    found, i = [x * 2, x * 3], 0
    while found[-2] > 100 and i < 50:
        found.append(found[-1] * 0.9)
        i += 1
    return found[-1] + found[-2]


def the_same_again(x):
    found = [np.array([x, 2 * x])]
    for _ in range(40):
        found.append(found[-1])
    return np.array(found).sum()


def last_array_written(x):
    found = [np.array([x, x])]
    for _ in range(40):
        found.append(found[-1] * 0.5)
        found[-1][0] += 1.0
    return sum(found).sum()


def earlier_array_written(x):
    found = [np.array([x, x])]
    for _ in range(40):
        found[-1][0] += 1.0
        found.append(found[-1] * 0.5)
    return sum(found).sum()


def last_array_by_a_name(x):
    found = [np.array([x, x])]
    for _ in range(40):
        last = found[-1]
        last *= 0.9
        found.append(last + 1.0)
    return sum(found).sum()


def first_array_has_a_name(x):
    first = np.array([x, x])
    found = [first]
    for i in range(40):
        found[-1][1] = x * i
        found.append(found[-1] * 0.5)
    return sum(found).sum() + first[1]


def one_array_all_the_time(x):
    a = np.array([x, x])
    found = [a]
    for _ in range(40):
        found[-1][0] *= 0.9
        found.append(a)
    return sum(found).sum()


def last_item_replaced(x):
    found = [x]
    for _ in range(40):
        found.append(found[-1] * 0.5)
        found[-1] = found[-1] + 1.0
    return sum(found)


def lists_as_items(x):
    found = [[x, 1.0]]
    for _ in range(40):
        found[-1][0] = found[-1][0] * 0.9
        found.append([found[-1][0], found[-1][1] + 0.1])
    return found[-1][0] + found[7][1] + found[8][0]


def chosen_item(x):
    found = [x]
    for i in range(40):
        found.append(found[-1] * 0.9 if found[-1] > 0.3 else found[-1] + x * 0.01 * i)
    return np.array(found).sum()


def appended_in_a_branch(x):
    found = [x]
    for i in range(40):
        if i % 2:
            found.append(found[-1] * 0.9)
    return np.array(found).sum()


def popped(x):
    found, best = [x], x
    for _ in range(40):
        item = found.pop()
        found.append(item * 0.99)
        best = max(best, item)
    return best + found[0]


def joined_rows(x):
    found, p = np.zeros((0, 2)), np.array([x, 1.0])
    for _ in range(40):
        p = p + 0.01 * np.array([p[1], -p[0]])
        found = np.vstack((found, p))
    return (found**2).sum()


def joined_numbers(x):
    found = np.append([], x)
    for _ in range(40):
        found = np.append(found, found[-1] * 0.99)
    return found[-1] + found.mean()


ROLLED = [
    last_item, two_last_items, after_an_append, leapfrog, rows, summed, summed_rows, two_before, every_second,
    tuples, an_integer_before,
    a_loop_within, of_an_object, until_small, by_steps, no_iteration,
]  # fmt: skip
"""Those whose loops are loops of the graph."""
OTHERS = [
    within_another_loop, the_same_again, last_array_written, earlier_array_written, last_array_by_a_name,
    first_array_has_a_name, one_array_all_the_time, last_item_replaced, lists_as_items, chosen_item,
    appended_in_a_branch, popped, joined_rows, joined_numbers,
    by_the_number_of_the_iteration, wraps_around, the_first_ones,
]  # fmt: skip
