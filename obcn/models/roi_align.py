"""RoIAlign over a whole feature pyramid at once: torchvision's operator, several times as fast on the CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper, _setup_scales


class PyramidRoIAlign(MultiScaleRoIAlign):
    """torchvision's :class:`~torchvision.ops.MultiScaleRoIAlign`, computed on the CPU as one weighted sum of rows.

    A pooled cell is the mean of bilinear samples, so a weighted sum of feature vectors: :func:`F.embedding_bag` over
    the pyramid's vectors. torchvision's operator walks channel by channel through memory that lies vector by vector,
    and its backward pass does so on one thread. Other devices and exporters get torchvision's.
    """

    def forward(self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        """Pyramid levels {name: (B, C, H, W)} and per photo (R, 4) boxes to (sum of R, C, P, P) pooled features.

        Args:
            x: levels by name; those in ``featmap_names`` are pooled from.
            boxes: per photo, in pixels of the network's input.
            image_shapes: per photo (height, width) of the network's input.
        """
        levels = [x[name] for name in self.featmap_names]
        if torch.jit.is_tracing() or torch.jit.is_scripting() or torch.compiler.is_compiling():
            return super().forward(x, boxes, image_shapes)
        # Photos of every size come by, so the scales are worked out anew; torchvision keeps the first batch's.
        self.scales, self.map_levels = self._scales(levels, image_shapes)
        if levels[0].device.type != "cpu" or not sum(map(len, boxes)):
            return super().forward(x, boxes, image_shapes)
        rows, weights = self._rows_and_weights(levels, boxes)
        vectors = torch.cat([level.permute(0, 2, 3, 1).flatten(0, 2) for level in levels])
        pooled = _WeightedRows.apply(vectors, rows.flatten(0, 2), weights.flatten(0, 2).to(vectors))
        return pooled.unflatten(0, rows.shape[:3]).permute(0, 3, 1, 2)

    def _scales(self, levels: list[Tensor], image_shapes: list[tuple[int, int]]) -> tuple[list[float], LevelMapper]:
        """Each level's scale, a power of two, from the batch's longer side, and what finds a box's level.

        torchvision takes the height, and levels are those of padded photos: of a low strip padding is a large part.
        """
        height, width = (max(shape[axis] for shape in image_shapes) for axis in (0, 1))
        if width > height:
            levels, height, width = [level.mT for level in levels], width, height
        return _setup_scales(levels, [(height, width)], self.canonical_scale, self.canonical_level)

    @torch.no_grad()
    def _rows_and_weights(self, levels: list[Tensor], boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
        """(R, P, P, S) rows of the concatenated levels that each pooled cell sums up, and their weights."""
        level = self.map_levels(boxes)
        heights, widths = (torch.tensor([feature.shape[axis] for feature in levels])[level] for axis in (2, 3))
        sizes = torch.tensor([feature.shape[0] * feature.shape[2] * feature.shape[3] for feature in levels])
        photo = torch.repeat_interleave(torch.arange(len(boxes)), torch.tensor([len(some) for some in boxes]))
        first_row = (sizes.cumsum(0) - sizes)[level] + photo * heights * widths
        x1, y1, x2, y2 = (torch.cat(boxes).float() * torch.tensor(self.scales)[level, None]).unbind(1)
        rows_down, weights_down = self._samples(y1, y2, heights, self.output_size[0])
        rows_along, weights_along = self._samples(x1, x2, widths, self.output_size[1])
        rows = (rows_down * widths[:, None, None])[:, :, None, :, None] + rows_along[:, None, :, None, :]
        weights = weights_down[:, :, None, :, None] * weights_along[:, None, :, None, :]
        rows = rows + first_row[:, None, None, None, None]
        return rows.flatten(3).int(), weights.flatten(3)

    def _samples(self, start: Tensor, end: Tensor, length: Tensor, cells: int) -> tuple[Tensor, Tensor]:
        """Along one axis: (R, cells, 2 samples) neighbours of every sample, and their weights; as torchvision's."""
        per_cell = self.sampling_ratio
        step = (end - start).clamp(min=1)[:, None] / (cells * per_cell)
        place = start[:, None] + (torch.arange(cells * per_cell) + 0.5) * step
        last = (length - 1)[:, None]
        inside = (place >= -1) & (place <= length[:, None])
        place = place.clamp(min=0)
        low = place.floor().minimum(last)
        fraction = torch.where(low == last, 0.0, place - low)
        neighbours = torch.stack((low, (low + 1).minimum(last)), -1).long()
        weights = torch.stack((1 - fraction, fraction), -1) * inside[..., None] / per_cell
        shape = (len(start), cells, 2 * per_cell)
        return neighbours.reshape(shape), weights.reshape(shape)


class _WeightedRows(torch.autograd.Function):
    """Weighted sums of a table's rows, whose backward pass is one too: by row instead of by sum."""

    @staticmethod
    def forward(ctx, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        """(T, C) table, (N, S) int32 rows and weights to (N, C) sums."""
        ctx.save_for_backward(rows, weights)
        ctx.table_length = len(table)
        return F.embedding_bag(rows, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """(N, C) gradient of the sums to that of the table."""
        rows, weights = ctx.saved_tensors
        flat = rows.flatten()
        # Stable: the order of the sums must not change from run to run.
        _, order = flat.sort(stable=True)
        ends = torch.bincount(flat, minlength=ctx.table_length).cumsum(0)
        offsets = torch.cat((ends.new_zeros(1), ends))
        gradient = F.embedding_bag(
            order // rows.shape[1],
            gradients[0].contiguous(),
            offsets,
            per_sample_weights=weights.flatten()[order],
            mode="sum",
            include_last_offset=True,
        )
        return gradient, None, None
