"""Where a graph may keep distributions, and which tensors tell what becomes of them: by structure, not by names."""

from dataclasses import dataclass

import onnx

from obcn.exported.graph import Graph, attribute

# What only moves numbers about.
_MOVES = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Cast", "Flatten"}
# What boxes are made of distances by.
_ARITHMETIC = {
    *_MOVES,
    *("Add", "Sub", "Mul", "Div", "Neg", "Sum", "Clip", "Min", "Max", "Where", "Relu", "Abs", "Sqrt", "Pow", "Exp"),
    *("ReduceSum", "Concat", "Split", "Slice", "Gather", "Expand", "Tile", "ScatterND", "Pad"),
}
# What chooses among boxes; behind it they are fewer, and in another order.
_CHOICES = {
    *("TopK", "NonMaxSuppression", "ArgMax", "ReduceMax", "Greater"),
    *("GatherElements", "GatherND", "NonZero", "Compress"),
}
MAX_TENSORS = 1500


@dataclass(frozen=True)
class Distribution:
    """A softmax whose way leads to a product with a constant vector.

    Attributes:
        logits: the tensor that it is taken of.
        axis: along which.
        points: the constant.
        product: the tensor that holds the expectations.
    """

    logits: str
    axis: int
    points: str
    product: str


def find_distributions(graph: Graph) -> list[Distribution]:
    """Every place where a distribution may become a number, in running order; its values have yet to confirm it."""
    found = []
    for node in graph.nodes:
        if node.op_type == "Softmax":
            default = -1 if graph.opset >= 13 else 1
            logits, axis = node.input[0], int(attribute(node, "axis", default))  # type: ignore[call-overload]
        elif node.op_type == "Div" and (spelt_out := _spelt_out(graph, node)) is not None:
            logits, axis = spelt_out
        else:
            continue
        for points, product in _products(graph, node.output[0]):
            found.append(Distribution(logits, axis, points, product))
    return found


def _spelt_out(graph: Graph, node: onnx.NodeProto) -> tuple[str, int] | None:
    """exp(x) / sum(exp(x)) as a softmax: its logits and axis."""
    top, bottom = (graph.makers.get(name) for name in node.input)
    if top is None or bottom is None or top.op_type != "Exp" or bottom.op_type != "ReduceSum":
        return None
    axes = attribute(bottom, "axes")
    if axes is None and len(bottom.input) > 1:
        kept = graph.makers.get(bottom.input[1])
        tensor = attribute(kept, "value") if kept is not None else graph.stored.get(bottom.input[1])
        axes = onnx.numpy_helper.to_array(tensor).ravel().tolist() if isinstance(tensor, onnx.TensorProto) else None
    if bottom.input[0] != top.output[0] or not isinstance(axes, list) or len(axes) != 1:
        return None
    return top.input[0], int(axes[0])


def _products(graph: Graph, start: str) -> list[tuple[str, str]]:
    """(constant, product) of every product with a constant that moves alone lead to."""
    found, waiting, seen = [], [start], {start}
    while waiting:
        name = waiting.pop()
        for node in graph.readers.get(name, []):
            if node.op_type in _MOVES:
                after = [node.output[0]] if node.input[0] == name else []
            else:
                others = [one for one in node.input if one != name and one]
                constant = others[0] if others and others[0] in graph.constants else None
                after = []
                if constant is None:
                    continue
                if node.op_type in ("Conv", "MatMul", "Gemm", "Einsum"):
                    found.append((constant, node.output[0]))
                elif node.op_type == "Mul":
                    found += [(constant, total) for total in _sums(graph, node.output[0])]
            for one in after:
                if one not in seen:
                    seen.add(one)
                    waiting.append(one)
    return found


def _sums(graph: Graph, start: str) -> list[str]:
    found, waiting = [], [start]
    while waiting:
        for node in graph.readers.get(waiting.pop(), []):
            if node.op_type == "ReduceSum":
                found.append(node.output[0])
            elif node.op_type in _MOVES:
                waiting.append(node.output[0])
    return found


def telling_tensors(graph: Graph, distributions: list[Distribution]) -> list[str]:
    """Tensors among which boxes, reference boxes and class scores are, in running order.

    That is all that arithmetic makes of a distribution's expectation, all that goes into it on the way, and all that
    the file's own outputs are made of, back to where a network's layers end.
    """
    wanted = made_of(graph, [one.product for one in distributions])
    waiting = [*graph.outputs, *(name for made in wanted for name in graph.makers[made].input)]
    waiting = [name for name in waiting if name]
    while waiting:  # backwards, from the outputs and from what the expectations meet
        name = waiting.pop()
        node = graph.makers.get(name)
        if name in graph.constants or node is None or (name in wanted and name not in graph.outputs):
            continue
        first_seen = name not in wanted
        wanted.add(name)
        if first_seen and (node.op_type in _ARITHMETIC or node.op_type in _CHOICES):
            waiting += [one for one in node.input if one]
    ordered = sorted(wanted, key=lambda name: graph.place.get(name, -1))
    return ordered[-MAX_TENSORS:]


def chooses(graph: Graph) -> set[str]:
    """Which of TopK and NonMaxSuppression the graph has."""
    return {node.op_type for node in graph.nodes} & {"TopK", "NonMaxSuppression"}


def from_maps(graph: Graph, name: str) -> bool:
    """Whether a tensor comes from convolutions, a number for each place of a map, and not from queries' layers."""
    waiting, seen = [name], {name}
    while waiting:
        node = graph.makers.get(waiting.pop())
        if node is None or node.op_type in ("MatMul", "Gemm", "Einsum", "Shape"):
            continue
        if node.op_type in ("Conv", "ConvTranspose", "QLinearConv", "ConvInteger"):
            return True
        fresh = [one for one in node.input if one and one not in seen and one not in graph.constants]
        seen.update(fresh)
        waiting += fresh
    return False


def is_quantised(graph: Graph) -> bool:
    """Whether the graph rounds what it computes on the way, not its weights alone."""
    return any(node.op_type == "QuantizeLinear" or node.op_type.startswith("QLinear") for node in graph.nodes)


def made_of(graph: Graph, starts: list[str]) -> set[str]:
    """All that arithmetic makes of some tensors, they among it."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for node in graph.readers.get(name, []):
            if node.op_type in _ARITHMETIC:
                waiting += [one for one in node.output if one]
    return found


def leading_to_outputs(graph: Graph, but: set[str]) -> set[str]:
    """Tensors that arithmetic and choices alone make the file's outputs of, short of those in ``but``.

    Where something in ``but`` is joined with something else, the other is followed.
    """
    found: set[str] = set()
    joined: set[str] = set()
    waiting = list(graph.outputs)
    while waiting:
        name = waiting.pop()
        node = graph.makers.get(name)
        if node is None or name in found or name in joined or name in graph.constants:
            continue
        if name in but:
            if node.op_type in ("Concat", "Slice", "Gather", "Pad") or node.op_type in _MOVES:
                joined.add(name)
                waiting += list(node.input)
            continue
        found.add(name)
        if node.op_type in _ARITHMETIC or node.op_type in _CHOICES:
            waiting += [one for one in node.input if one]
    return found
