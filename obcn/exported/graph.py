"""An ONNX graph as something to walk in: who makes a tensor, who reads it, and what is constant."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

import onnx
from onnx import numpy_helper

from obcn.errors import UserError
from obcn.opening import weights_path

# Larger files are no detectors that anybody exports; parsing alone would take several times as much memory.
MAX_BYTES = 1 << 30
MAX_NODES = 20_000
_STANDARD = {"", "ai.onnx"}
# Operators that run others of their own, where nothing could be told of what they compute.
_NESTED = {"Loop", "Scan", "If", "SequenceMap"}
# Contrib operators of onnxruntime's own that quantised and half-precision exports contain; nothing outside it runs.
_CONTRIB = {("com.microsoft", "QuickGelu"), ("com.microsoft", "Gelu"), ("com.microsoft", "FusedConv")}


def read_model(path: Path) -> onnx.ModelProto:
    """Parse a file, and refuse what is not to be run.

    Raises:
        UserError: missing, damaged, too large, with operators that are not ONNX's own, or weights in other files.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path.name} has more than {MAX_BYTES >> 20} MiB; detectors to look into are smaller")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own exceptions differ between its builds
        raise UserError(f"{path.name} is not an ONNX file, or is damaged; export it again") from error
    _take_in_weights(model, path, MAX_BYTES - len(data))
    refuse_unsafe(model, path.name)
    return model


def _take_in_weights(model: onnx.ModelProto, path: Path, most: int) -> None:
    """Read the weights of a file that keeps them in one other, as PyTorch's exporter does: in the same folder, by the
    name that the graph has for it, or FILE.onnx.data after both were renamed.

    Raises:
        UserError: that file is missing, or is not what the graph says of it.
    """
    tensors = _stored_tensors(model.graph)
    elsewhere = [
        ({entry.key: entry.value for entry in tensor.external_data}, tensor)
        for tensor in tensors
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    named = {said.get("location", "") for said, _ in elsewhere}
    if len(named) != 1:
        return
    # A name with a folder in it is never followed.
    beside = [path.with_name(name) for name in named if name and PurePath(name).name == name]
    usable = [one for one in (*beside, weights_path(path)) if one.is_file() and not one.is_symlink() and one != path]
    if not usable:
        raise UserError(
            f"{path.name} keeps its weights in another file: bring {weights_path(path).name} too, into the same "
            "folder, or save it as one file (onnx.save_model does)"
        )
    weights = usable[0]
    if weights.stat().st_size > most:
        raise UserError(f"{path.name} and its weights have more than {MAX_BYTES >> 20} MiB; detectors are smaller")
    content = memoryview(weights.read_bytes())
    for said, tensor in elsewhere:
        try:
            start = int(said.get("offset", 0))
            stop = start + int(said["length"]) if "length" in said else len(content)
        except ValueError:
            start = stop = -1
        # All that is taken is counted, for tensors may point to the same place again and again.
        most -= stop - start
        if not 0 <= start <= stop <= len(content) or most < 0:
            raise UserError(f"{weights.name} is not the file that {path.name} was saved with; export it again")
        tensor.raw_data = bytes(content[start:stop])
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def refuse_unsafe(model: onnx.ModelProto, name: str) -> None:
    """Refuse a model that is empty, too large, or would run or read more than its own graph.

    Raises:
        UserError: in one line, why.
    """
    nodes = model.graph.node
    if not nodes or not model.graph.input or not model.graph.output:
        raise UserError(f"{name} is not an ONNX file, or is damaged: it has no graph; export it again")
    if len(nodes) > MAX_NODES:
        raise UserError(f"{name} has {len(nodes):,} nodes, more than {MAX_NODES:,}; export it without training parts")
    for node in nodes:
        if node.domain not in _STANDARD and (node.domain, node.op_type) not in _CONTRIB:
            raise UserError(
                f"{name} needs the custom operator {node.domain}.{node.op_type}, which is not run; export it without "
                "plugins (TensorRT's NMS, for example)"
            )
        if node.op_type in _NESTED and node.op_type != "If":
            raise UserError(f"{name} has a {node.op_type} in its graph, which is not run; export it without loops")
    if model.functions:
        raise UserError(f"{name} has functions of its own, which are not run; export it with inlined functions")
    for tensor in _stored_tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise UserError(f"{name} keeps weights in other files; save it as one file (onnx.save_model does)")


def _stored_tensors(graph: onnx.GraphProto) -> Iterable[onnx.TensorProto]:
    """Every tensor kept in a graph, those of branches included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _stored_tensors(inner)


@dataclass(frozen=True)
class Graph:
    """A model's main graph.

    Attributes:
        model: as parsed.
    """

    model: onnx.ModelProto

    @property
    def nodes(self) -> Sequence[onnx.NodeProto]:
        """In an order in which they can run."""
        return self.model.graph.node

    @property
    def outputs(self) -> list[str]:
        """Names of what the file itself gives out."""
        return [value.name for value in self.model.graph.output]

    @cached_property
    def opset(self) -> int:
        """Version of ONNX's own operators."""
        return max((one.version for one in self.model.opset_import if one.domain in _STANDARD), default=1)

    @cached_property
    def stored(self) -> dict[str, onnx.TensorProto]:
        """Tensors kept in the file by name."""
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    @cached_property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """What must be fed: old files list their weights as inputs too, which need not be."""
        return [value for value in self.model.graph.input if value.name not in self.stored]

    @cached_property
    def makers(self) -> dict[str, onnx.NodeProto]:
        """The node behind each tensor."""
        return {name: node for node in self.nodes for name in node.output if name}

    @cached_property
    def readers(self) -> dict[str, list[onnx.NodeProto]]:
        """The nodes that read each tensor."""
        readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                readers[name].append(node)
        return readers

    @cached_property
    def place(self) -> dict[str, int]:
        """The number of the node behind each tensor, in running order."""
        return {name: number for number, node in enumerate(self.nodes) for name in node.output}

    @cached_property
    def constants(self) -> set[str]:
        """Tensors that depend on no input: kept ones, and what is computed of such alone."""
        known = set(self.stored)
        for node in self.nodes:
            if node.op_type.startswith("Random") or node.op_type in ("Multinomial", "Bernoulli", "If"):
                continue
            if all(not name or name in known for name in node.input):
                known.update(node.output)
        return known


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """An attribute's value, or the default."""
    for one in node.attribute:
        if one.name == name:
            return onnx.helper.get_attribute_value(one)
    return default


def stored_array(tensor: onnx.TensorProto):
    """A kept tensor as a numpy array."""
    return numpy_helper.to_array(tensor)
