"""From a graph to a picture: which boxes there are, what stands on them, and what they are coloured by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graphad.graph import Constant, Graph, Node, Value
from graphad.ops.regions.loop import Loop
from graphad.viz import label
from graphad.viz.collapse import Collapse, Group, grouped
from graphad.viz.heat import Scale
from graphad.viz.picture import Box, Cluster, Edge, Picture

KERNELS = ("fused",)
"""Ops whose region `collapse="kernel"` closes."""

_Sources = dict[Value, Box]


class Painter:
    """Adds the boxes of graphs to a picture.

    `status` gives nodes a category of their own instead of their role (for the difference of two stages).
    """

    def __init__(self, scale: Scale, collapse: Collapse = None, status: Mapping[Node, str] | None = None) -> None:
        self.picture = Picture("")
        self.scale = scale
        self.collapse = collapse
        self.status = status or {}
        self.members: dict[str, tuple[Node, ...]] = {}
        self.placed: dict[Value, str] = {}
        self.names = label.ValueNames()

    def graph(self, graph: Graph) -> None:
        """Paint a whole graph into the picture's root."""
        root = self.picture.root
        sources = self.inputs(graph.inputs, root)
        self.nodes(graph.nodes, sources, root, graph.outputs)
        self.outputs(graph.outputs, sources, root)

    # -- values -----------------------------------------------------------------------------------------------

    def add(self, kind: str, category: str, title: str, cluster: Cluster, **more: object) -> Box:
        """A new box."""
        boxes = self.picture.boxes
        box = Box(f"{kind}{len(boxes)}", kind, category, label.clean(title, 80), **more)  # type: ignore[arg-type]
        boxes[box.id] = box
        cluster.boxes.append(box.id)
        return box

    def inputs(self, values: Sequence[Value], cluster: Cluster, roles: Sequence[str] = ()) -> _Sources:
        """A box for each input, with its role in a loop."""
        found: _Sources = {}
        for v, role in zip(values, roles or [""] * len(values), strict=True):
            name = self.names.of(v, None)[0]
            detail = f"{role}  ·  {v.type}" if role else str(v.type)
            found[v] = self.add("input", "input", name, cluster, detail=detail, tooltip=f"{name}: {detail}", ref=name)
        return found

    def outputs(self, values: Sequence[Value], sources: _Sources, cluster: Cluster, titles: Sequence[str] = ()) -> None:
        """A box for each result."""
        for v, title in zip(values, titles or label.numbered("result", len(values)), strict=True):
            box = self.add("output", "output", title, cluster, detail=str(v.type), tooltip=f"{title}: {v.type}")
            self.read(v, box, sources, cluster, self.edge_category(sources.get(v), ""))

    def read(self, v: Value, reader: Box, sources: _Sources, cluster: Cluster, category: str, text: str = "") -> None:
        """An edge to a reader from wherever the value comes from; a constant gets a box of its own at each use."""
        source = sources.get(v)
        if source is None and isinstance(v, Constant):
            title = label.constant_text(v)
            source = self.add("constant", "constant", title, cluster, detail=str(v.type), tooltip=f"{title}: {v.type}")
        if source is not None and source.id != reader.id:
            dashed = category in ("removed", "merged", "replaced")
            edge = Edge(source.id, reader.id, category, text, dashed)
            if edge not in self._edges_of(reader):
                self.picture.edges.append(edge)

    def _edges_of(self, reader: Box) -> Iterable[Edge]:
        # The edges to one reader are added together, so that duplicates are found at the end.
        for edge in reversed(self.picture.edges):
            if edge.head != reader.id:
                return
            yield edge

    @staticmethod
    def edge_category(source: Box | None, role: str) -> str:
        """An edge's colour: that of the value, or residual where a cotangent reads a forward value."""
        category = source.category if source is not None else "forward"
        if category in ("forward", "residual", "input", "constant"):
            return "residual" if role == "cotangent" and category in ("forward", "residual") else "forward"
        return category

    # -- nodes ------------------------------------------------------------------------------------------------

    def nodes(self, nodes: Sequence[Node], sources: _Sources, cluster: Cluster, outputs: Sequence[Value]) -> None:
        """Boxes for nodes in order, and the edges between them."""
        residuals = {v for node in nodes if role_of(node) == "cotangent" for v in node.inputs}
        top = cluster is self.picture.root
        items = grouped(nodes, self.collapse) if top else list(nodes)
        for item in items:
            if isinstance(item, Group):
                self.group(item, sources, cluster)
            elif item.op.regions and not self.closes(item):
                self.open(item, sources, cluster)
            else:
                self.node(item, sources, cluster, residuals)

    def closes(self, node: Node) -> bool:
        """Whether the node's regions are not shown."""
        return self.collapse in ("region", "line", "function") or (
            self.collapse == "kernel" and node.op.name in KERNELS
        )

    def category(self, node: Node, residuals: set[Value]) -> str:
        """What colours a node."""
        if node in self.status:
            return self.status[node]
        role = role_of(node)
        return "residual" if role == "forward" and any(v in residuals for v in node.outputs) else role

    def node(self, node: Node, sources: _Sources, cluster: Cluster, residuals: set[Value], title: str = "") -> Box:
        """One op's box."""
        category = self.category(node, residuals)
        name, own = self.names.of(node.outputs[0], node) if node.outputs else ("", False)
        text = title or label.op_text(node)
        regions = node.op.regions
        tooltip = label.op_tooltip(node, category)
        if regions and not title:
            size = sum(label.region_size(region) for region in regions.values())
            text = f"{text} · {size} ops"
            tooltip += "\n" + "\n".join(label.listing(region.nodes) for region in regions.values())
        details = [label.types_text(node.outputs), self.scale.text(node), label.place(node.where)]
        box = self.add(
            "op", category, f"{name} = {text}" if own else text, cluster, ref=name, tooltip=tooltip,
            detail="  ·  ".join(filter(None, details)), share=self.scale.share(node),
            closed=bool(regions) and not title,
        )  # fmt: skip
        for v in node.inputs:
            if not label.is_scalar(v) or v in sources:
                self.read(v, box, sources, cluster, self.edge_category(sources.get(v), role_of(node)))
        sources.update(dict.fromkeys(node.outputs, box))
        self.placed.update(dict.fromkeys(node.outputs, box.id))
        return box

    def group(self, group: Group, sources: _Sources, cluster: Cluster) -> None:
        """One box for several nodes."""
        nodes = group.nodes
        where, role = nodes[0].where, role_of(nodes[0])
        line = label.clean(where.text, 52) if where is not None and self.collapse == "line" else ""
        heat = self.scale.text(*nodes)
        box = self.add(
            "op", role, line or group.title, cluster, tooltip=f"{group.title}\n{label.listing(nodes)}",
            detail="  ·  ".join(filter(None, [label.summary(nodes), heat, group.title if line else ""])),
            share=self.scale.share(*nodes), closed=True,
        )  # fmt: skip
        box.ref = f"%{box.id[2:]}"
        self.members[box.id] = nodes
        for v in dict.fromkeys(v for node in nodes for v in node.inputs):
            if v in sources:
                self.read(v, box, sources, cluster, self.edge_category(sources[v], role))
        for node in nodes:
            sources.update(dict.fromkeys(node.outputs, box))

    def open(self, node: Node, sources: _Sources, cluster: Cluster) -> None:
        """An op with its regions as clusters.

        One region of the op's own operands and results (a call, a fused kernel) stands in the op's place; several
        regions, and those of loops, stand below the op's box, each with its own inputs and results.
        """
        regions = node.op.regions
        text = label.op_text(node)
        heading = "  ·  ".join(filter(None, [text, label.types_text(node.outputs), label.place(node.where)]))
        category = self.status.get(node, "")
        frame = Cluster(
            f"cluster{len(self.picture.boxes)}_{len(cluster.clusters)}", heading, label.op_tooltip(node, category)
        )
        cluster.clusters.append(frame)
        only = next(iter(regions.values()))
        types = tuple(v.type for v in node.inputs)
        single = len(regions) == 1 and only.nodes and not isinstance(node.op, Loop)
        if single and only.input_types == types and len(only.outputs) == len(node.outputs):
            inner = dict(sources)
            for v, operand in zip(only.inputs, node.inputs, strict=True):
                if operand in sources:
                    inner[v] = sources[operand]
                elif isinstance(operand, Constant):
                    title = label.constant_text(operand)
                    inner[v] = self.add("constant", "constant", title, frame, detail=str(operand.type))
            frame.label = heading if node.op.name in KERNELS else f"{heading}  ·  @{label.clean(only.name, 32)}"
            self.nodes(only.nodes, inner, frame, only.outputs)
            for v, result in zip(node.outputs, only.outputs, strict=True):
                if result in inner:
                    sources[v] = inner[result]
                elif isinstance(result, Constant):
                    sources[v] = self.add(
                        "constant", "constant", label.constant_text(result), frame, detail=str(result.type)
                    )
            return
        box = self.node(node, sources, frame, set(), title=text)
        for name, region in regions.items():
            heading = f"{label.region_text(node, name)}: @{label.clean(region.name, 32)}"
            part = Cluster(f"{frame.id}_{len(frame.clusters)}", heading)
            frame.clusters.append(part)
            inner = self.inputs(region.inputs, part, label.input_roles(node.op, region))
            for source in inner.values():
                self.picture.edges.append(Edge(box.id, source.id, "forward", dashed=True))
            self.nodes(region.nodes, inner, part, region.outputs)
            self.outputs(region.outputs, inner, part, label.result_titles(node.op, region, name))


def role_of(node: Node) -> str:
    """What a node was made for: forward, tangent or cotangent."""
    return (node.where.role if node.where is not None else "") or "forward"
