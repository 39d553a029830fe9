"""A layered layout in nearly linear time, for pictures that are too large for `dot`.

The classical steps (Sugiyama, Tagawa and Toda 1981): levels by longest path, an order within each level by barycentre
sweeps, then places that minimise the squared distance to the neighbours at fixed order (isotonic regression by pooling
adjacent violators). A picture much taller than wide is folded into columns; edges between columns become stubs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from graphad.viz.picture import Box, Cluster, Picture, ordered, pull_down

GAP_X, GAP_Y, PAD, HEADING = 16.0, 26.0, 12.0, 16.0
CAPTION = 46.0
SWEEPS = 4
ASPECT = 1.5


@dataclass
class Placement:
    """Centres and sizes of boxes, frames of clusters and splines of edges, in points, y upwards."""

    places: dict[str, tuple[float, float]] = field(default_factory=dict)
    sizes: dict[str, tuple[float, float]] = field(default_factory=dict)
    clusters: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    edges: list[str] = field(default_factory=list)
    bounds: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    caption: tuple[float, float] = (0.0, 0.0)


def place(picture: Picture) -> tuple[Picture, Placement]:
    """Lay a picture out. The picture that comes back has further edges cut where it was folded into columns."""
    layout = _Layout(picture, {})
    if len(layout.breaks) > 1:
        column = layout.column
        crossing = {
            i for i, e in enumerate(picture.edges)
            if column[layout.root_item(e.tail)] != column[layout.root_item(e.head)]
        }  # fmt: skip
        picture = picture.cut(crossing)
        layout = _Layout(picture, column)
    return picture, layout.finish()


def size_of(box: Box) -> tuple[float, float]:
    """Width and height that hold a box's words, from the mean width of the letters of common sans-serif fonts."""
    if box.kind in ("stub", "use"):
        return max(16.0, 5.6 * len(box.title) + 10), 14.0
    width = max(7.4 * len(box.title), 5.3 * len(box.detail)) + 20
    return max(40.0, width), 36.0 if box.detail else 24.0


class _Layout:
    def __init__(self, picture: Picture, fixed: dict[str, int]) -> None:
        self.picture = picture
        self.size: dict[str, tuple[float, float]] = {id: size_of(box) for id, box in picture.boxes.items()}
        self.offset: dict[str, tuple[float, float]] = {}
        self.bends: dict[int, list[tuple[str, float, float]]] = {}
        self.column: dict[str, int] = {}
        self.breaks: list[float] = []
        self.fixed = fixed
        self.path: dict[str, tuple[str, ...]] = {}
        self._paths(picture.root, ())
        self.local: dict[str, list[tuple[str, str, int]]] = {}
        pairs = [(e.tail, e.head) for e in picture.edges] + picture.links
        for i, (tail, head) in enumerate(pairs):
            a, b = self.path[tail], self.path[head]
            depth = 0
            while a[depth] == b[depth] and depth + 1 < min(len(a), len(b)) and a[depth + 1] == b[depth + 1]:
                depth += 1
            self.local.setdefault(a[depth], []).append(
                (a[depth + 1], b[depth + 1], i if i < len(picture.edges) else -1)
            )
        self._arrange(picture.root, root=True)

    def _paths(self, cluster: Cluster, above: tuple[str, ...]) -> None:
        here = (*above, cluster.id)
        for id in cluster.boxes:
            self.path[id] = (*here, id)
        for inner in cluster.clusters:
            self._paths(inner, here)

    def root_item(self, box: str) -> str:
        return self.path[box][1]

    # -- one cluster ------------------------------------------------------------------------------------------

    def _arrange(self, cluster: Cluster, root: bool = False) -> None:
        for inner in cluster.clusters:
            self._arrange(inner)
        items = [*cluster.boxes, *(c.id for c in cluster.clusters)]
        edges = self.local.get(cluster.id, [])
        rows = self._rows(items, edges)
        if root and self.fixed:
            rows, fixed_columns = self._fixed_rows(rows, edges)
        level = {id: k for k, row in enumerate(rows) for id in row}
        above: dict[str, list[str]] = {}
        below: dict[str, list[str]] = {}
        chains: dict[int, list[str]] = {}
        for tail, head, i in edges:
            if i < 0 or level[tail] >= level[head]:
                continue
            chain = [tail]
            for k in range(level[tail] + 1, level[head]):
                dummy = f"~{i}_{k}"
                self.size[dummy] = (6.0, 0.0)
                rows[k].append(dummy)
                chain.append(dummy)
            chains[i] = [*chain[1:]]
            for a, b in zip(chain, [*chain[1:], head], strict=True):
                below.setdefault(a, []).append(b)
                above.setdefault(b, []).append(a)
        _reduce_crossings(rows, above, below)
        heights = [max((self.size[id][1] for id in row), default=0.0) for row in rows]
        columns = fixed_columns if root and self.fixed else self._columns(rows, heights, root)
        shift = 0.0
        depth = 0.0
        self.breaks = [0.0]
        for number, (start, stop) in enumerate(columns):
            x = _coordinates(rows[start:stop], self.size, above, below)
            left = min((x[id] - self.size[id][0] / 2 for id in x), default=0.0)
            right = max((x[id] + self.size[id][0] / 2 for id in x), default=0.0)
            y = 0.0
            for row, height in zip(rows[start:stop], heights[start:stop], strict=True):
                for id in row:
                    self.offset[id] = (shift + x[id] - left, y + height / 2)
                    if root:
                        self.column[id] = number
                y += height + GAP_Y
            depth = max(depth, y - GAP_Y)
            shift += right - left + 3 * GAP_X
            self.breaks.append(shift)
        self.breaks.pop()
        for i, chain in chains.items():
            self.bends[i] = [(cluster.id, *self.offset[d]) for d in chain]
        self.size[cluster.id] = (shift - 3 * GAP_X + 2 * PAD, depth + 2 * PAD + HEADING)
        if not root:
            width = 5.6 * len(cluster.label) + 2 * PAD
            self.size[cluster.id] = (max(width, self.size[cluster.id][0]), self.size[cluster.id][1])

    def _rows(self, items: list[str], edges: list[tuple[str, str, int]]) -> list[list[str]]:
        """Items by level. A level takes only so many, so that a wide picture stays readable."""
        room = max(10, round((len(items) ** 0.5) * 0.9))
        order = ordered(items, [(t, h) for t, h, _ in edges])
        position = {id: k for k, id in enumerate(order)}
        forward = [(t, h) for t, h, _ in edges if position[t] < position[h]]
        least = dict.fromkeys(items, 0)
        heads: dict[str, list[str]] = {}
        for tail, head in forward:
            heads.setdefault(tail, []).append(head)
        boxes = self.picture.boxes
        filled: dict[int, int] = {}
        free: dict[int, int] = {}

        def next_free(k: int) -> int:
            path = []
            while k in free:
                path.append(k)
                k = free[k]
            for p in path:
                free[p] = k
            return k

        level: dict[str, int] = {}
        for id in order:
            k = least[id]
            if not (id in boxes and (boxes[id].satellite or boxes[id].kind == "input")):
                k = next_free(k)
                filled[k] = filled.get(k, 0) + 1
                if filled[k] >= room:
                    free[k] = k + 1
            level[id] = k
            for head in heads.get(id, ()):
                least[head] = max(least[head], k + 1)
        pull_down(level, order, forward, heads, boxes)
        rows: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
        for id in items:
            rows[level[id]].append(id)
        return [row for row in rows if row]

    def _fixed_rows(
        self, rows: list[list[str]], edges: list[tuple[str, str, int]]
    ) -> tuple[list[list[str]], list[tuple[int, int]]]:
        """The rows taken apart by column; a stub stands in the column of the box that it belongs to."""
        column = dict(self.fixed)
        for tail, head, i in edges:
            if i >= 0:
                column.setdefault(tail, column.get(head, 0))
                column.setdefault(head, column[tail])
        found: list[list[str]] = []
        ranges: list[tuple[int, int]] = []
        for number in range(max(column.values(), default=0) + 1):
            part = [[id for id in row if column.get(id, 0) == number] for row in rows]
            start = len(found)
            found += [row for row in part if row]
            ranges.append((start, len(found)))
        return found, ranges

    def _columns(self, rows: list[list[str]], heights: list[float], root: bool) -> list[tuple[int, int]]:
        """Ranges of rows that stand beside each other."""
        if not root:
            return [(0, len(rows))]
        width = max((sum(self.size[id][0] + GAP_X for id in row) for row in rows), default=1.0)
        total = sum(heights) + GAP_Y * len(rows)
        count = max(1, round((total / (width + 3 * GAP_X) / ASPECT) ** 0.5 * 1.2)) if total > 2400 else 1
        limit = total / count
        starts, used = [0], 0.0
        for k, height in enumerate(heights):
            if used > limit:
                starts.append(k)
                used = 0.0
            used += height + GAP_Y
        return list(zip(starts, [*starts[1:], len(rows)], strict=True))

    # -- all together -----------------------------------------------------------------------------------------

    def finish(self) -> Placement:
        """Absolute places, y upwards."""
        width, height = self.size["root"]
        width, total = max(width, 420.0), height + CAPTION
        result = Placement(bounds=(0.0, 0.0, width, total), caption=(width / 2, CAPTION / 2))
        origin: dict[str, tuple[float, float]] = {"root": (PAD, total - PAD)}

        def visit(cluster: Cluster) -> None:
            ox, oy = origin[cluster.id]
            for id in cluster.boxes:
                x, y = self.offset[id]
                result.places[id] = (ox + x, oy - y)
                result.sizes[id] = self.size[id]
            for inner in cluster.clusters:
                x, y = self.offset[inner.id]
                w, h = self.size[inner.id]
                left, top = ox + x - w / 2, oy - y + h / 2
                result.clusters[inner.id] = (left, top - h, left + w, top)
                origin[inner.id] = (left + PAD, top - PAD - HEADING)
                visit(inner)

        visit(self.picture.root)
        for i, edge in enumerate(self.picture.edges):
            (ax, ay), (bx, by) = result.places[edge.tail], result.places[edge.head]
            ay -= result.sizes[edge.tail][1] / 2
            by += result.sizes[edge.head][1] / 2
            points = [(ax, ay)]
            for id, x, y in self.bends.get(i, ()):
                ox, oy = origin[id]
                points.append((ox + x, oy - y))
            result.edges.append(_spline([*points, (bx, by)]))
        return result


def _spline(points: list[tuple[float, float]]) -> str:
    """A spline of vertical tangents through the points, with an arrow at the end."""
    tip = points[-1]
    points = [*points[:-1], (tip[0], tip[1] + 7)]
    words = [f"e,{tip[0]:.1f},{tip[1]:.1f}", "{:.1f},{:.1f}".format(*points[0])]
    for (ax, ay), (bx, by) in pairwise(points):
        bend = (ay - by) * 0.45
        words.append(f"{ax:.1f},{ay - bend:.1f} {bx:.1f},{by + bend:.1f} {bx:.1f},{by:.1f}")
    return " ".join(words)


def _reduce_crossings(rows: list[list[str]], above: dict[str, list[str]], below: dict[str, list[str]]) -> None:
    """Order each row by the mean position of its neighbours, down and up."""
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        place = {id: k / max(len(row), 1) for row in rows for k, id in enumerate(row)}
        for row in rows if down else reversed(rows):
            mean = {
                id: sum(place[n] for n in neighbours[id]) / len(neighbours[id]) if neighbours.get(id) else place[id]
                for id in row
            }
            row.sort(key=mean.__getitem__)
            place.update((id, k / max(len(row), 1)) for k, id in enumerate(row))


def _coordinates(
    rows: list[list[str]],
    size: dict[str, tuple[float, float]],
    above: dict[str, list[str]],
    below: dict[str, list[str]],
) -> dict[str, float]:
    """Centres of the items of some rows."""
    x: dict[str, float] = {}
    for row in rows:
        right = 0.0
        for id in row:
            x[id] = right + size[id][0] / 2
            right += size[id][0] + GAP_X
    for sweep in range(2 * SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            wish = []
            for id in row:
                near = [x[n] for n in (above if down else below).get(id, ()) if n in x]
                near += [x[n] for n in (below if down else above).get(id, ()) if n in x] if not near else []
                wish.append(sum(near) / len(near) if near else x[id])
            x.update(zip(row, _separate(wish, [size[id][0] for id in row]), strict=True))
    return x


def _separate(wish: list[float], widths: list[float]) -> list[float]:
    """The places nearest to the wished ones (least squares) that keep the order and do not overlap."""
    steps = [0.0]
    for a, b in pairwise(widths):
        steps.append(steps[-1] + (a + b) / 2 + GAP_X)
    blocks: list[list[float]] = []
    for value, step in zip(wish, steps, strict=True):
        blocks.append([value - step, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * count) / (last[1] + count)
            last[1] += count
    flat = [mean for mean, count in blocks for _ in range(int(count))]
    return [value + step for value, step in zip(flat, steps, strict=True)]
